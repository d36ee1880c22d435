//! A client that is never silent for as long as a server allows.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Target;

/// A client that talks all the time, so that the server may not close it as idle.
///
/// A busy machine may keep the client itself from talking for that long. Then the server is right
/// to close the connection, and the client makes another one.
pub(crate) struct Talker<'t> {
    target: &'t Target,
    idle_timeout: Duration,
    pub(crate) client: TcpStream,
    /// The time before the last message was sent, or before the connection was made.
    last: Instant,
    /// The number of connections that ended after a silence for as long as the server allows.
    pub(crate) late: u64,
}

impl<'t> Talker<'t> {
    pub(crate) fn new(target: &'t Target, idle_timeout: Duration) -> Self {
        let last = Instant::now();
        Self { target, idle_timeout, client: target.connect(), last, late: 0 }
    }

    /// Sends a message and waits for it to come back, on another connection if this one has ended
    /// after too long a silence.
    pub(crate) fn talk(&mut self, message: &[u8]) {
        while let Err(silence) = self.try_to_talk(message) {
            assert!(
                silence >= self.idle_timeout,
                "a client is closed after a silence of {silence:?}"
            );
            let late = self.late + 1;
            *self = Self { late, ..Self::new(self.target, self.idle_timeout) };
        }
    }

    /// Returns the silence before this message if the connection has ended.
    fn try_to_talk(&mut self, message: &[u8]) -> Result<(), Duration> {
        let before = Instant::now();
        let sent = self.client.write_all(message);
        let silence = self.last.elapsed();
        self.last = before;
        let mut answer = vec![0; message.len()];
        match sent.and_then(|()| self.client.read_exact(&mut answer)) {
            Ok(()) => assert!(answer == message, "the answer is not what was sent"),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the server does not answer in time")
            }
            Err(_) => return Err(silence),
        }
        Ok(())
    }
}
