//! The date of a reply, as RFC 9110, section 5.6.7, writes it.

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const SECONDS_PER_DAY: u64 = 86_400;

/// A header line with the date, written anew when the second changes.
#[derive(Debug)]
pub(super) struct DateLine {
    /// Reads the time of day: seconds since 1970-01-01 00:00 UTC, or `None` where there is none.
    clock: fn() -> Option<u64>,
    /// The time of the line; `None` if there is no clock.
    seconds: Option<u64>,
    line: [u8; 37],
    /// The clock was read since the callback began.
    is_current: bool,
}

impl DateLine {
    pub(super) const fn new(clock: fn() -> Option<u64>) -> Self {
        let line = *b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        Self { clock, seconds: Some(0), line, is_current: false }
    }

    /// Begins a callback, whose replies all have the same date.
    pub(super) const fn begin(&mut self) {
        self.is_current = false;
    }

    /// Returns the line; an empty one where there is no clock.
    pub(super) fn line(&mut self) -> &[u8] {
        if !self.is_current {
            self.is_current = true;
            let seconds = (self.clock)();
            if let (Some(now), true) = (seconds, seconds != self.seconds) {
                self.write(now);
            }
            self.seconds = seconds;
        }
        if self.seconds.is_some() { &self.line } else { &[] }
    }

    fn write(&mut self, seconds: u64) {
        let (days, rest) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
        let (year, month, day) = civil(days);
        self.line[6..9].copy_from_slice(DAYS[usize::try_from(days % 7).unwrap_or(0)]);
        self.put(11, day);
        self.line[14..17].copy_from_slice(MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12]);
        self.put(18, year / 100);
        self.put(20, year % 100);
        self.put(23, rest / 3600);
        self.put(26, rest / 60 % 60);
        self.put(29, rest % 60);
    }

    /// Writes two digits.
    fn put(&mut self, at: usize, number: u64) {
        let digit = |number: u64| b'0' + u8::try_from(number % 10).unwrap_or(0);
        self.line[at] = digit(number / 10);
        self.line[at + 1] = digit(number);
    }
}

/// Returns year, month and day of a day since 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is a year's last.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Day 0 is 0000-03-01, which begins a period of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let line = |seconds| {
            let mut date = DateLine::new(|| None);
            date.write(seconds);
            std::string::String::from_utf8(date.line.to_vec()).unwrap()
        };
        assert_eq!(line(0), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        assert_eq!(line(784_111_777), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        assert_eq!(line(951_782_400), "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n");
        assert_eq!(line(4_107_542_399), "Date: Sun, 28 Feb 2100 23:59:59 GMT\r\n");
    }

    #[test]
    fn a_callback_reads_the_clock_once() {
        static SECONDS: AtomicU64 = AtomicU64::new(0);
        let mut date = DateLine::new(|| Some(SECONDS.fetch_add(1, Ordering::Relaxed)));
        for second in ["00", "01"] {
            date.begin();
            for _ in 0..2 {
                let line = std::string::String::from_utf8(date.line().to_vec()).unwrap();
                assert_eq!(line, std::format!("Date: Thu, 01 Jan 1970 00:00:{second} GMT\r\n"));
            }
        }
    }

    #[test]
    fn without_a_clock_there_is_no_date() {
        assert!(DateLine::new(|| None).line().is_empty());
    }
}
