//! One client: when it reads and writes, how it leaves, and its result.

use alloc::string::String;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, ErrorKind, Instant};

use super::Kind;
use super::expectation::Expectation;
use super::plan::{Leaving, Plan};
use crate::{Address, Crowd, FarEnd, Network, Random};

/// A client's view of the end of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there, or has not come yet.
    Present,
    /// The server ended its stream, and the client had everything before it.
    Ended,
    /// The connection was reset by the server, or refused.
    Reset,
    /// The network broke the connection.
    Cut,
    /// It left by itself.
    Left,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    plan: Plan,
    random: Random,
    pub(super) far: Option<FarEnd>,
    pub(super) fate: Fate,
    /// Reason for which the server closed its own end.
    pub(super) dismissed: Option<CloseReason>,
    sent: usize,
    expectation: Expectation,
    stream_ended: bool,
    next_write: Option<Instant>,
    next_read: Option<Instant>,
}

impl Client {
    pub(super) fn draw(number: u16, crowd: &Crowd, random: &Random) -> Self {
        let mut random = random.fork(u64::from(number));
        Self {
            plan: Plan::draw(number, crowd, &mut random),
            random,
            far: None,
            fate: Fate::Present,
            dismissed: None,
            sent: 0,
            expectation: Expectation::default(),
            stream_ended: false,
            next_write: None,
            next_read: None,
        }
    }

    /// Returns when it acts by itself next.
    pub(super) fn next_action(&self) -> Option<Instant> {
        if self.far.is_none() && self.fate == Fate::Present {
            return Some(self.plan.starts_at);
        }
        Instant::earlier(self.next_write, self.next_read)
    }

    /// Runs the actions that are due.
    pub(super) fn act(
        &mut self,
        network: &mut Network,
        crowd: &Crowd,
        address: Address,
    ) -> Result<(), String> {
        let now = network.now();
        if self.far.is_none() && self.fate == Fate::Present && self.plan.starts_at <= now {
            self.far = Some(network.dial(address));
        }
        if self.next_read.take_if(|at| *at <= now).is_some() {
            self.read(network, crowd)?;
        }
        if self.next_write.take_if(|at| *at <= now).is_some() {
            self.write(network, crowd);
        }
        Ok(())
    }

    /// Looks what has happened: reads and writes, unless it pauses from that.
    pub(super) fn news(&mut self, network: &mut Network, crowd: &Crowd) -> Result<(), String> {
        if self.next_read.is_none() {
            self.read(network, crowd)?;
        }
        if self.next_write.is_none() {
            self.write(network, crowd);
        }
        Ok(())
    }

    fn read(&mut self, network: &mut Network, crowd: &Crowd) -> Result<(), String> {
        let mut buffer = [0; 4_096];
        let most = usize::try_from(crowd.read_max).unwrap_or(usize::MAX).clamp(1, buffer.len());
        while let Some(far) = self.present(network) {
            if let Some((_, span)) =
                self.plan.stall.take_if(|(after, _)| *after <= self.expectation.received)
            {
                self.next_read = Some(after(network, span));
                return Ok(());
            }
            match network.far_read(far, &mut buffer[..most]) {
                Ok(0) => {
                    self.leave(network, Fate::Ended, Close::Graceful);
                    return self.expectation.end(&self.plan);
                }
                Ok(count) => {
                    self.expectation.take(&self.plan, self.sent, &buffer[..count])?;
                    if self.random.chance(300) || crowd.read_max < 100 {
                        let pause = self.random.between(0, crowd.read_pause_max);
                        self.next_read = Some(after(network, pause));
                        return Ok(());
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        self.end_if_done(network);
                        return Ok(());
                    }
                    ErrorKind::Unreachable | ErrorKind::TimedOut => {
                        self.leave(network, Fate::Cut, Close::Abort);
                    }
                    _ => self.leave(network, Fate::Reset, Close::Abort),
                },
            }
        }
        Ok(())
    }

    fn write(&mut self, network: &mut Network, crowd: &Crowd) {
        while let Some(far) = self.present(network) {
            let left = self.plan.request.len() - self.sent;
            if left == 0 || !network.is_connected(far) {
                return self.end_if_done(network);
            }
            let most = usize::try_from(crowd.write_max).unwrap_or(left).clamp(1, left);
            let count = 1 + self.random.index(most);
            match network.far_write(far, &self.plan.request[self.sent..self.sent + count]) {
                Ok(count) => {
                    self.sent += count;
                    if self.random.chance(300) || crowd.write_max < 100 {
                        let pause = self.random.between(0, crowd.write_pause_max);
                        self.next_write = Some(after(network, pause));
                        return self.end_if_done(network);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.read_now(network),
            }
        }
    }

    /// Schedules a read, which returns what arrived before the failure, then the failure itself.
    fn read_now(&mut self, network: &Network) {
        self.next_read.get_or_insert(network.now());
    }

    /// Returns its end of the connection, unless it is gone, or leaves at this point.
    fn present(&mut self, network: &mut Network) -> Option<FarEnd> {
        let far = self.far.filter(|_| self.fate == Fate::Present)?;
        let moved = self.sent as u64 + self.expectation.received;
        let how = match self.plan.leaving {
            Leaving::Properly | Leaving::Patiently => return Some(far),
            _ if moved < self.plan.leaves_after || !network.is_connected(far) => return Some(far),
            Leaving::Reset => Close::Abort,
            Leaving::Close => Close::Graceful,
            Leaving::Vanish => {
                (self.fate, self.next_read, self.next_write) = (Fate::Left, None, None);
                let _ = network.far_vanish(far);
                return None;
            }
        };
        self.leave(network, Fate::Left, how);
        None
    }

    fn leave(&mut self, network: &mut Network, fate: Fate, how: Close) {
        (self.fate, self.next_read, self.next_write) = (fate, None, None);
        if let Some(far) = self.far {
            let _ = network.far_close(far, how);
        }
    }

    /// Ends its stream once all was sent, or all was received.
    fn end_if_done(&mut self, network: &mut Network) {
        let Some(far) = self.far.filter(|_| self.fate == Fate::Present && !self.stream_ended)
        else {
            return;
        };
        let waits = self.plan.leaving == Leaving::Patiently
            && self.expectation.received < self.plan.expected();
        if self.sent == self.plan.request.len() && !waits && network.is_connected(far) {
            self.stream_ended = true;
            if network.far_end(far).is_err() {
                self.read_now(network);
            }
        }
    }

    /// Checks that the bytes it received agree with the reason for the close.
    pub(super) fn judge(&self) -> Result<(), String> {
        let Some(reason) = self.dismissed else { return Ok(()) };
        let (number, got, wanted) =
            (self.plan.number, self.expectation.received, self.plan.expected());
        let complete =
            reason == CloseReason::Finished && matches!(self.plan.kind, Kind::Echo | Kind::Stream);
        match self.fate {
            Fate::Ended if complete && got != wanted => Err(alloc::format!(
                "client {number}: got {got} of {wanted} bytes before the end, and was {reason}"
            )),
            Fate::Reset if reason == CloseReason::Finished && self.plan.kind != Kind::Relay => {
                Err(alloc::format!("client {number}: was reset, and the server says {reason}"))
            }
            _ => Ok(()),
        }
    }

    /// Returns, at rest, a description of the bytes it should have received.
    pub(super) fn waits(&self) -> Option<String> {
        if self.fate != Fate::Present || self.far.is_none() || self.plan.kind == Kind::Chaos {
            return None;
        }
        let (number, kind, all) = (self.plan.number, self.plan.kind, self.plan.request.len());
        let (sent, got, wanted) = (self.sent, self.expectation.received, self.plan.expected());
        Some(alloc::format!(
            "client {number} ({kind:?}) waits without end: sent {sent} of {all} bytes, got {got} \
             of {wanted}, ended: {}",
            self.stream_ended
        ))
    }

    /// Returns whether it is relayed to another client.
    pub(super) fn is_relayed(&self) -> bool {
        self.plan.kind == Kind::Relay
    }

    /// Returns whether it is connected.
    pub(super) fn is_present(&self) -> bool {
        self.fate == Fate::Present && self.far.is_some()
    }

    /// Returns whether it has left, or was not served to the end.
    pub(super) fn is_missing(&self) -> bool {
        self.far.is_none() || !matches!(self.fate, Fate::Present | Fate::Ended)
    }

    /// Returns whether it may keep a connection open for good.
    pub(super) fn is_idler(&self) -> bool {
        let vanished = self.plan.leaving == Leaving::Vanish && self.fate == Fate::Left;
        vanished || (self.plan.kind == Kind::Chaos && self.fate == Fate::Present)
    }
}

fn after(network: &Network, nanos: u64) -> Instant {
    Instant::from_nanos(network.now().as_nanos().saturating_add(nanos))
}
