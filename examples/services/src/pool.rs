//! Work that takes long, done elsewhere: by threads whose results are messages.

use selkie_core::mailbox::Receives;
use selkie_core::{Peer, SendError, Service, Token};

use crate::decimal::Decimal;

/// The greatest number that a client may ask about.
const NUMBER_MAX: u64 = 1_000_000;
/// The longest line, its line feed included.
const LINE_MAX: usize = 16;

/// The answer to what is no number.
const NO_NUMBER: &[u8] = b"a number of at most 1000000, please\n";
/// The answer while no further work is taken.
const BUSY: &[u8] = b"busy: try again later\n";

/// Answers each line, a number, with the count of primes below it. The service counts nothing
/// itself: it submits a job, and gets the result as a [message](Receives).
///
/// A client has one job at a time, and is not read from meanwhile. So its answers are in order, and
/// one that sends without end has no more work done than any other.
#[derive(Debug)]
pub struct Pool<F> {
    submit: F,
    counters: PoolCounters,
}

/// The counts of a pool since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolCounters {
    /// Jobs that were submitted.
    pub jobs: u64,
    /// Lines that were refused, as no further job was taken.
    pub busy: u64,
    /// Lines that were no number.
    pub refused: u64,
}

/// The state of a client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client {
    /// Its job is not done yet.
    is_waiting: bool,
    /// The result for which there was no room.
    unsent: Option<u64>,
    /// It has sent further lines.
    has_more: bool,
    /// It has ended its stream, or the server drains: it is closed after its last answer.
    is_leaving: bool,
}

impl<F: FnMut(Token, u64) -> bool> Pool<F> {
    /// Makes a pool. `submit` passes a number on, for the client of a token, and returns false if
    /// it cannot now. It must not block.
    pub const fn new(submit: F) -> Self {
        Self { submit, counters: PoolCounters { jobs: 0, busy: 0, refused: 0 } }
    }

    /// Returns the counters.
    #[must_use]
    pub const fn counters(&self) -> &PoolCounters {
        &self.counters
    }

    /// Begins the work for one line, or says why not.
    fn take_line(
        &mut self,
        peer: &mut Peer<'_>,
        client: &mut Client,
        line: &[u8],
    ) -> Result<(), SendError> {
        let Some(number) = parse(line) else {
            peer.send(NO_NUMBER)?;
            self.counters.refused += 1;
            return Ok(());
        };
        if (self.submit)(peer.token(), number) {
            self.counters.jobs += 1;
            client.is_waiting = true;
            // On purpose, so the time for input that is not taken does not run.
            peer.pause_reading();
            return Ok(());
        }
        peer.send(BUSY)?;
        self.counters.busy += 1;
        Ok(())
    }

    /// Sends the result, and turns to the next line.
    fn answer(peer: &mut Peer<'_>, client: &mut Client, count: u64) {
        let text = Decimal::new(count);
        if peer.send_parts(&[text.digits(), b"\n"]) == Err(SendError::Full) {
            // `writable` follows.
            client.unsent = Some(count);
            return;
        }
        client.is_waiting = false;
        if client.is_leaving && !client.has_more {
            peer.close();
        } else {
            peer.resume_reading();
        }
    }
}

/// Parses a line: a number up to the greatest.
fn parse(line: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(line.trim_ascii()).ok()?;
    text.parse().ok().filter(|&number| number <= NUMBER_MAX)
}

impl<F: FnMut(Token, u64) -> bool> Service for Pool<F> {
    type Session = Client;

    fn received(&mut self, peer: &mut Peer<'_>, client: &mut Client, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while !client.is_waiting {
            let rest = &bytes[taken..];
            let end = rest.iter().position(|&byte| byte == b'\n');
            if end.unwrap_or(rest.len()) >= LINE_MAX {
                self.counters.refused += 1;
                // Without room for it, the reason is lost; the close says the rest.
                let _ = peer.send(NO_NUMBER);
                peer.close();
                return bytes.len();
            }
            let Some(end) = end else {
                if client.is_leaving {
                    // The half of a line is no request.
                    peer.close();
                    return bytes.len();
                }
                break;
            };
            if self.take_line(peer, client, &rest[..end]).is_err() {
                break;
            }
            taken += end + 1;
            client.has_more = bytes[taken..].contains(&b'\n');
        }
        taken
    }

    fn writable(&mut self, peer: &mut Peer<'_>, client: &mut Client) {
        if let Some(count) = client.unsent.take() {
            Self::answer(peer, client, count);
        }
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, client: &mut Client, untaken: usize) {
        client.is_leaving = true;
        match (client.is_waiting, untaken) {
            (true, _) => {}
            (false, 0) => peer.close(),
            (false, _) => peer.resume_reading(),
        }
    }

    /// Finishes the job of a client first.
    fn draining(&mut self, peer: &mut Peer<'_>, client: &mut Client) {
        client.is_leaving = true;
        if !client.is_waiting {
            peer.close_when_finished();
        }
    }
}

impl<F: FnMut(Token, u64) -> bool> Receives<u64> for Pool<F> {
    fn message(&mut self, peer: &mut Peer<'_>, client: &mut Client, count: u64) {
        Self::answer(peer, client, count);
    }
}

/// Counts the primes below a number: the work.
#[must_use]
pub fn count_primes_below(number: u64) -> u64 {
    let mut count = 0;
    for candidate in 2..number {
        let mut divisors = (2..candidate).take_while(|divisor| divisor * divisor <= candidate);
        let is_prime = divisors.all(|divisor| candidate % divisor != 0);
        count += u64::from(is_prime);
    }
    count
}

#[cfg(test)]
mod tests {
    use selkie_core::testing::Recorder;

    use super::*;

    const CLIENT: Token = Token::new(0, 1);

    #[test]
    fn primes_are_counted() {
        assert_eq!([0, 2, 3, 10, 100, 1000].map(count_primes_below), [0, 0, 1, 4, 25, 168]);
    }

    #[test]
    fn a_client_has_one_job_at_a_time_and_its_answers_are_in_order() {
        let (mut recorder, mut client) = (Recorder::<256>::new(), Client::default());
        let mut jobs = std::vec::Vec::new();
        let mut pool = Pool::new(|_, number| {
            jobs.push(number);
            true
        });
        let taken = pool.received(&mut recorder.peer(CLIENT), &mut client, b"10\n20\n");
        assert_eq!(taken, 3, "the second line waits for the first answer");
        assert_eq!(pool.received(&mut recorder.peer(CLIENT), &mut client, b"20\n"), 0);
        pool.message(&mut recorder.peer(CLIENT), &mut client, 4);
        assert_eq!(recorder.sent_to(CLIENT), b"4\n");
        assert_eq!(pool.received(&mut recorder.peer(CLIENT), &mut client, b"20\n"), 3);
        assert_eq!((pool.counters().jobs, jobs), (2, std::vec![10, 20]));
    }

    #[test]
    fn a_line_is_refused_while_no_job_is_taken() {
        let (mut recorder, mut client) = (Recorder::<256>::new(), Client::default());
        let mut pool = Pool::new(|_, _| false);
        let bytes = b"10\nten\n1000001\n-1\n";
        assert_eq!(pool.received(&mut recorder.peer(CLIENT), &mut client, bytes), bytes.len());
        let counters = PoolCounters { jobs: 0, busy: 1, refused: 3 };
        assert_eq!(*pool.counters(), counters);
        let answers = [BUSY, NO_NUMBER, NO_NUMBER, NO_NUMBER].concat();
        assert_eq!(recorder.sent_to(CLIENT), answers);
    }
}
