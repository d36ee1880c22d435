//! A program on a platform whose host answers anything.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::HashMap;

use selkie_core::memory::{Registry, Slot};
use selkie_core::platform::{Close, Events, Transport, Wait};
use selkie_core::{Event, Interest, Mode, Token};
use wasi_guest::Socket;
use wasi_guest::host::{self, byte};

/// Maximum number of live tokens, and the capacity of the platform.
pub const SLOTS: usize = 4;
/// The most steps of a run.
const STEPS_MAX: usize = 400;

/// A program, and what is to be expected of its platform.
#[derive(Debug)]
struct Program<'p, P> {
    platform: &'p mut P,
    registry: Registry<[Slot; SLOTS]>,
    /// Every source that was opened, those that are closed included.
    sources: Vec<Socket>,
    registered: HashMap<Token, Socket>,
}

/// Runs the guest until the host's answers are used up. `open` opens a source, if the platform does
/// so at all.
pub fn run<P>(platform: &mut P, open: fn(&mut P) -> Option<Socket>)
where
    P: Transport<Source = Socket, Address = SocketAddr> + Wait,
{
    let registry = Registry::new([Slot::EMPTY; SLOTS]);
    let mut program =
        Program { platform, registry, sources: Vec::new(), registered: HashMap::new() };
    for _ in 0..STEPS_MAX {
        if host::is_over() {
            return;
        }
        program.step(open);
    }
}

impl<P: Transport<Source = Socket, Address = SocketAddr> + Wait> Program<'_, P> {
    fn source(&self) -> Option<Socket> {
        self.sources.get(usize::from(byte()) % self.sources.len().max(1)).copied()
    }

    fn interest() -> Interest {
        Interest::from_bits(byte()) & (Interest::READABLE | Interest::WRITABLE)
    }

    fn mode() -> Mode {
        [Mode::Level, Mode::Oneshot, Mode::Edge][usize::from(byte() % 3)]
    }

    fn step(&mut self, open: fn(&mut P) -> Option<Socket>) {
        match byte() % 16 {
            0 | 1 => {
                let opened = open(self.platform);
                self.sources.extend(opened);
            }
            2 => {
                let connected = self.platform.connect(&SocketAddr::from((host::array::<4>(), 7)));
                self.sources.extend(connected);
            }
            3..6 => self.poll(false),
            6 | 7 => self.poll(true),
            8 | 9 => self.register(),
            10 => self.change(),
            _ => {
                if let Some(source) = self.source() {
                    self.use_source(source);
                }
            }
        }
    }

    fn poll(&mut self, wait: bool) {
        let mut slots = [Event::EMPTY; 3];
        let mut events = Events::new(&mut slots[..=usize::from(byte() % 3)]);
        let now = self.platform.now();
        // An error is an answer too.
        let _ = match byte() {
            _ if !wait => self.platform.poll(now, &mut events),
            255 => self.platform.wait(&mut events, None),
            nanos => {
                self.platform.wait(&mut events, Some(now + Duration::from_nanos(nanos.into())))
            }
        };
        for event in &events {
            assert!(
                self.registered.contains_key(&event.token),
                "an event for {:?}, which is dead",
                event.token
            );
            assert!(!event.readiness.is_empty(), "an event of nothing");
        }
    }

    fn register(&mut self) {
        let (Some(source), Ok(token)) = (self.source(), self.registry.insert()) else { return };
        match self.platform.register(source, token, Self::interest(), Self::mode()) {
            Ok(()) => {
                let before = self.registered.insert(token, source);
                assert_eq!(before, None);
            }
            Err(_) => self.registry.remove(token).expect("it was issued just now"),
        }
    }

    /// Modifies or deregisters.
    fn change(&mut self) {
        let number = usize::from(byte()) % self.registered.len().max(1);
        let Some((&token, &source)) = self.registered.iter().nth(number) else { return };
        if byte().is_multiple_of(2) {
            let _ = self.platform.modify(source, token, Self::interest(), Self::mode());
        } else {
            self.platform.deregister(source, token).expect("it is registered");
            self.registered.remove(&token);
            self.registry.remove(token).expect("it was live");
        }
    }

    fn use_source(&mut self, source: Socket) {
        let mut buffer = [0; 100];
        let length = usize::from(byte()) % (buffer.len() + 1);
        match byte() % 8 {
            0 | 1 => {
                let accepted = self.platform.accept(source);
                self.sources.extend(accepted);
            }
            2 => {
                if let Ok(count) = self.platform.read(source, &mut buffer[..length]) {
                    assert!(count <= length, "more was read than there was room for");
                }
            }
            3 => {
                if let Ok(count) = self.platform.write(source, &buffer[..length]) {
                    assert!(count <= length, "more was written than there was");
                }
            }
            4 => drop(self.platform.shutdown_write(source)),
            5 => drop(self.platform.connected(source)),
            _ => self.close(source),
        }
    }

    fn close(&mut self, source: Socket) {
        let token = self
            .registered
            .iter()
            .find(|(_, registered)| **registered == source)
            .map(|(&token, _)| token);
        // A proper program deregisters first; it must do no harm if it does not.
        if let Some(token) = token {
            if byte().is_multiple_of(2) {
                self.platform.deregister(source, token).expect("it is registered");
            }
            self.registered.remove(&token);
            self.registry.remove(token).expect("it was live");
        }
        let _ = self
            .platform
            .close(source, if byte().is_multiple_of(2) { Close::Graceful } else { Close::Abort });
        assert!(self.platform.close(source, Close::Abort).is_err(), "a closed source is stale");
    }
}
