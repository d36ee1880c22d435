//! The bytes that a client must get, and those that it must not.

use alloc::string::String;
use alloc::vec::Vec;

use super::Kind;
use super::pattern::{read_chat_line, stream_byte};
use super::plan::Plan;

/// Bytes received so far, compared with those expected.
#[derive(Debug, Default)]
pub(super) struct Expectation {
    /// Number of bytes received.
    pub(super) received: u64,
    /// The beginning of a line.
    line: Vec<u8>,
    /// Clients whose lines were received, with the lowest number of their next line.
    heard: Vec<(u16, u16)>,
}

impl Expectation {
    /// Takes received bytes, if they are the expected ones.
    pub(super) fn take(&mut self, plan: &Plan, sent: usize, bytes: &[u8]) -> Result<(), String> {
        let (number, start) = (plan.number, self.received);
        self.received += bytes.len() as u64;
        let right = match plan.kind {
            Kind::Echo => {
                let from = usize::try_from(start).unwrap_or(usize::MAX).saturating_add(1);
                plan.request[..sent].get(from..).is_some_and(|due| due.starts_with(bytes))
            }
            Kind::Stream | Kind::Chaos | Kind::Relay => {
                (start..).zip(bytes).all(|(offset, byte)| stream_byte(offset) == *byte)
            }
            Kind::Chat => return self.listen(number, bytes),
        };
        if !right {
            return Err(alloc::format!(
                "client {number} ({:?}): wrong bytes from {start} on",
                plan.kind
            ));
        }
        if plan.kind == Kind::Stream && self.received > plan.reply_total {
            return Err(alloc::format!(
                "client {number}: more than the {} bytes that it asked for",
                plan.reply_total
            ));
        }
        Ok(())
    }

    /// Takes lines, if they are whole, new, and in order for each who said them.
    fn listen(&mut self, client: u16, bytes: &[u8]) -> Result<(), String> {
        for &byte in bytes {
            self.line.push(byte);
            if byte != b'\n' {
                continue;
            }
            let Some((who, number)) = read_chat_line(&self.line) else {
                return Err(alloc::format!(
                    "client {client}: the line {:?} was changed",
                    self.line
                ));
            };
            match self.heard.iter_mut().find(|(other, _)| *other == who) {
                Some((_, next)) if *next > number => {
                    return Err(alloc::format!(
                        "client {client}: line {number} of {who} arrived late or twice"
                    ));
                }
                Some((_, next)) => *next = number + 1,
                None => self.heard.push((who, number + 1)),
            }
            self.line.clear();
        }
        Ok(())
    }

    /// Checks that the stream ended between two lines.
    pub(super) fn end(&self, plan: &Plan) -> Result<(), String> {
        if self.line.is_empty() {
            Ok(())
        } else {
            Err(alloc::format!("client {}: the stream ended within a line", plan.number))
        }
    }
}
