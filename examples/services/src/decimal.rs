//! Numbers as text.

/// A number in decimal or hexadecimal digits.
pub(crate) struct Decimal {
    /// The digits, up to 20, at the end of the array.
    text: [u8; 20],
    start: usize,
}

impl Decimal {
    /// Writes a number in decimal.
    pub(crate) fn new(number: u64) -> Self {
        Self::in_base::<10>(number)
    }

    /// Writes a number in hexadecimal.
    pub(crate) fn hexadecimal(number: u64) -> Self {
        Self::in_base::<16>(number)
    }

    /// Writes a number in a base that is known when this is compiled: dividing by it is cheap.
    fn in_base<const BASE: u64>(mut number: u64) -> Self {
        let mut text = [0; 20];
        let mut start = text.len();
        loop {
            start -= 1;
            let digit = u8::try_from(number % BASE).unwrap_or(0);
            text[start] = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            number /= BASE;
            if number == 0 {
                return Self { text, start };
            }
        }
    }

    pub(crate) fn digits(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_either_base() {
        assert_eq!(Decimal::new(0).digits(), b"0");
        assert_eq!(Decimal::new(u64::MAX).digits(), b"18446744073709551615");
        assert_eq!(Decimal::hexadecimal(0xbeef).digits(), b"beef");
    }
}
