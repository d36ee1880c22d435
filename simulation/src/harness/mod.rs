//! Runs a service on the simulated platform, and checks every turn the rules that hold for any
//! service is.

mod alarms;
/// Breaks a rule unless something holds.
macro_rules! ensure {
    ($holds:expr, $rule:expr, $($what:tt)*) => {
        if !$holds {
            return Err(($rule, alloc::format!($($what)*)));
        }
    };
}

mod checks;
mod closings;
mod deadlines;
mod drive;
mod memory;
mod neighbour;
mod observer;
mod promises;
mod proxy;

use alloc::string::String;
use core::fmt;

use selkie_core::counters::LoopCounters;
use selkie_core::{CloseReason, Counters, EventLoop, Instant, Server, Service, Token};

use crate::scenario::size;
use crate::{Address, ClientModel, Closed, Limits, Random, Scenario, Simulated, Source, Trace};

use drive::Run;
use memory::{HeapLoop, HeapServer};
use neighbour::{NEIGHBOUR, Neighbour, Town};
use observer::{Observer, Pace};
use proxy::BACKEND;

/// Address of the server under test.
pub const ADDRESS: Address = Address(7_000);

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule, in a few words.
    pub rule: &'static str,
    /// Description of the event.
    pub what: String,
    /// The turn in which it was broken.
    pub turn: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "turn {}: {}: {}", self.turn, self.rule, self.what)
    }
}

/// The state in which nothing will happen any more.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// Number of free blocks in the pool.
    pub blocks_free: usize,
    /// The server serves as many connections as it may.
    pub full: bool,
}

/// A far side that knows which bytes the service must send it.
///
/// Every method may find fault; the run then ends with that as its [`Violation`].
pub trait Judge<S>: ClientModel {
    /// Called when the server has closed its end of a connection.
    ///
    /// # Errors
    ///
    /// What was wrong with that.
    fn server_closed(
        &mut self,
        service: &S,
        closed: &Closed,
        reason: CloseReason,
    ) -> Result<(), String> {
        let _ = (service, closed, reason);
        Ok(())
    }

    /// Called after each turn.
    ///
    /// # Errors
    ///
    /// What was wrong with it.
    fn after_turn(&mut self, service: &S) -> Result<(), String> {
        let _ = service;
        Ok(())
    }

    /// Returns whether the service has had a connection closed, so that its input is of no use.
    fn is_dismissed(&self, service: &S, token: Token) -> bool {
        let _ = (service, token);
        false
    }

    /// Returns the earliest deadline of the service before `now` that was not delivered.
    fn overdue(&self, service: &S, now: Instant) -> Option<Instant> {
        let _ = (service, now);
        None
    }

    /// Called when nothing will happen any more and draining has not begun.
    ///
    /// # Errors
    ///
    /// Who still waits for something.
    fn at_rest(&mut self, service: &S, rest: &Rest) -> Result<(), String> {
        let _ = (service, rest);
        Ok(())
    }

    /// Called when the server has drained and the clients had time to notice.
    ///
    /// # Errors
    ///
    /// Who did not get what it should have.
    fn at_end(&mut self, service: &S) -> Result<(), String> {
        let _ = service;
        Ok(())
    }
}

/// Result of a run.
#[derive(Debug)]
pub struct Report<S, F> {
    /// The broken rule, if any.
    pub violation: Option<Violation>,
    /// Number of turns.
    pub turns: u64,
    /// The virtual time at which it was over.
    pub ended_at: Instant,
    /// Counters of the server.
    pub counters: Counters,
    /// Counters of the loop.
    pub loop_counters: LoopCounters,
    /// Trace of the run, if it was enabled.
    pub trace: Trace,
    /// The service, as it is at the end.
    pub service: S,
    /// The far side, as it is at the end.
    pub client_model: F,
}

/// Runs `service` in the memory and the limits, and on the platform, that `scenario` describes,
/// with `client_model` as its clients, until it has drained or a rule was broken.
///
/// # Panics
///
/// If core, the service or the far side does.
pub fn run<S: Service, F: Judge<S>>(
    scenario: &Scenario,
    service: S,
    client_model: F,
    trace: Trace,
) -> Report<S, F> {
    match (scenario.limits.owns_buffers, scenario.limits.reads_on) {
        (0, 0) => run_on::<S, F, false, false>(scenario, service, client_model, trace),
        (0, _) => run_on::<S, F, false, true>(scenario, service, client_model, trace),
        (_, _) => run_on::<S, F, true, false>(scenario, service, client_model, trace),
    }
}

fn run_on<S: Service, F: Judge<S>, const OWNS_BUFFERS: bool, const READS_ON: bool>(
    scenario: &Scenario,
    service: S,
    client_model: F,
    trace: Trace,
) -> Report<S, F> {
    let limits = &scenario.limits;
    let slots = limits.slot_count();
    let random = |label| Random::new(scenario.seed).fork(label);
    let mut loop_memory = HeapLoop::new(limits);
    let blocks = if OWNS_BUFFERS { 0 } else { size(limits.blocks) };
    let mut memory = HeapServer::new(slots, blocks, size(limits.block_size), size(limits.scratch));
    if limits.used_memory != 0 {
        memory::use_before::<_, OWNS_BUFFERS, READS_ON>(limits, &mut loop_memory, &mut memory);
    }
    let mut parameters = scenario.parameters.clone();
    parameters.polled = limits.driven;
    let town = Town::new(client_model, limits, &mut random(10));
    let mut platform = Simulated::<_, OWNS_BUFFERS, READS_ON>::new(
        slots,
        parameters,
        scenario.for_the_platform(),
        town,
    );
    platform.network.trace = trace;
    let [listener, second] = listen(&mut platform, limits);
    let pace = Pace::new(limits, random(9), platform.spent_time());
    let mut event_loop = if limits.driven == 0 {
        EventLoop::new(platform, loop_memory)
    } else {
        EventLoop::new_at(platform, loop_memory, Instant::ZERO)
    };
    let mut server = Server::new(Observer::new(service, slots, pace), limits.config(), memory);
    server
        .listen(&mut event_loop.context(), listener)
        .expect("an empty loop has room for a listener");
    let mut neighbour = (limits.visitors > 0).then(|| Neighbour::new(limits, random(11)));
    if let Some(neighbour) = &mut neighbour {
        let listening = neighbour.server.listen(&mut event_loop.context(), second);
        listening.expect("a loop has room for a second listener");
    }
    Run::new(scenario, event_loop, server, neighbour).play()
}

/// Opens the far listener, if there is one, and returns those of both servers.
fn listen<F: ClientModel, const OWNS_BUFFERS: bool, const READS_ON: bool>(
    platform: &mut Simulated<F, OWNS_BUFFERS, READS_ON>,
    limits: &Limits,
) -> [Source; 2] {
    if limits.dials == 1 {
        platform.network.far_listen(BACKEND);
    }
    [ADDRESS, NEIGHBOUR].map(|address| platform.listen(address).expect("the address is free"))
}
