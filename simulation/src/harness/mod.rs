//! Runs a service on the simulated platform, and checks every turn the rules that hold for any
//! service is.

mod checks;
mod drive;
mod observer;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use selkie_core::memory::{Block, Connection, LoopStorage, ServerStorage, Slot, TimerSlot};
use selkie_core::{
    CloseReason, Counters, Event, EventLoop, Instant, LoopCounters, Server, Service,
};

use crate::scenario::size;
use crate::{Address, ClientModel, Closed, Random, Scenario, Simulated, Trace};

use drive::Run;
use observer::{Observer, Pace};

/// Address of the server under test.
pub const ADDRESS: Address = Address(7_000);

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule, in a few words.
    pub rule: &'static str,
    /// Description of the event.
    pub what: String,
    /// In which turn.
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
    /// When it was over, in virtual time.
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
    let (slots, blocks) = (size(limits.slots).max(2), size(limits.blocks));
    let mut parameters = scenario.parameters.clone();
    parameters.polled = limits.driven;
    let mut platform = Simulated::<F, OWNS_BUFFERS, READS_ON>::new(
        slots,
        parameters,
        scenario.for_the_platform(),
        client_model,
    );
    platform.network.trace = trace;
    let listener = platform.listen(ADDRESS).expect("the address is free");

    let pace = Pace::new(limits, Random::new(scenario.seed).fork(9), platform.spent_time());

    let mut loop_slots = vec![Slot::EMPTY; slots];
    let mut timers = vec![TimerSlot::EMPTY; slots];
    let mut events = vec![Event::EMPTY; size(limits.batch).max(1)];
    let storage = LoopStorage { slots: &mut loop_slots, timers: &mut timers, events: &mut events };
    let mut event_loop = EventLoop::new(platform, storage);

    let mut connections = vec![Connection::EMPTY; slots];
    let mut sources = vec![None; slots];
    let mut sessions: Vec<Option<S::Session>> = Vec::new();
    sessions.resize_with(slots, || None);
    let mut block_table = vec![Block::EMPTY; blocks];
    let mut bytes = vec![0; blocks * size(limits.block_size)];
    let mut scratch = vec![0; size(limits.scratch)];
    let storage = ServerStorage {
        connections: &mut connections,
        sources: &mut sources,
        sessions: &mut sessions,
        blocks: &mut block_table,
        bytes: &mut bytes,
        scratch: &mut scratch,
    };
    let mut server = Server::new(Observer::new(service, slots, pace), limits.config(), storage);
    server
        .listen(&mut event_loop.context(), listener)
        .expect("an empty loop has room for a listener");
    Run::new(scenario, event_loop, server).play()
}
