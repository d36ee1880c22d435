//! The parameters of a platform: one number for each kind of fault, which says how often it
//! happens.

use crate::Random;

/// Defines a struct of numbers that can also be reached by name: for a command line, and for
/// shrinking.
macro_rules! parameters {
    (
        $(#[$outer:meta])*
        pub struct $name:ident {
            $($(#[$inner:meta])* $field:ident = $calm:expr,)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$inner])* pub $field: u64,)*
        }

        impl $name {
            /// The values that cause the least trouble.
            pub const CALM: Self = Self { $($field: $calm,)* };

            /// The names, in the order in which they are declared.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            /// Returns the value of this name.
            #[must_use]
            pub fn get(&self, name: &str) -> Option<u64> {
                match name {
                    $(stringify!($field) => Some(self.$field),)*
                    _ => None,
                }
            }

            /// Gives a name another value. Says whether there is such a name.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($field) => self.$field = value,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

pub(crate) use parameters;

parameters! {
    /// Behaviour of the simulated platform and its network. Chances are per mille, times in
    /// nanoseconds, sizes in bytes.
    ///
    /// [`CALM`](Self::CALM) is a friendly network on a capable platform; [`draw`](Self::draw) makes
    /// a hostile one from a seed.
    pub struct Parameters {
        /// The longest time that a segment, a connection attempt or a reset is under way.
        latency_max = 0,
        /// The most bytes that arrive together.
        segment_max = 65_536,
        /// Capacity of a connection towards the near end, in bytes: the far end's send buffer, the
        /// network and the near end's receive buffer together.
        buffer_to_near = 65_536,
        /// Capacity of a connection towards the far end, in bytes.
        buffer_to_far = 65_536,
        /// Maximum number of connections that wait at a listener; the attempts of more are repeated
        /// a little later.
        backlog = 128,
        /// Chance that a read gives less than there is.
        partial_reads = 0,
        /// Chance that a write takes less than there is room for.
        partial_writes = 0,
        /// Chance that a write finds no room although there is some, once.
        blocked_writes = 0,
        /// Chance, for each segment, that the network resets the connection in place of its
        /// delivery.
        resets = 0,
        /// 1 if a reset throws away what has arrived and was not read yet, as some systems do.
        reset_discards = 0,
        /// Chance, for each wait, that sources are reported ready that are not.
        spurious_events = 0,
        /// Chance, for each wait, that some of what is ready is reported later.
        late_events = 0,
        /// Chance, for each wait, that an event comes twice in its batch.
        repeated_events = 0,
        /// Chance, for each wait, of an event for a token that was deregistered long ago.
        ghost_events = 0,
        /// 1 if the events of a batch come in any order.
        shuffled_events = 0,
        /// Chance, for each wait, that it returns at once and empty, as by a signal.
        early_returns = 0,
        /// Maximum delay between a cause and the return of its wait: the scheduler's delay.
        late_return_max = 0,
        /// Chance, for each wait, that the clock has jumped forward at its end, since the machine
        /// was suspended.
        clock_jumps = 0,
        /// Maximum jump of the clock.
        clock_jump_max = 0,
        /// Chance, for each wait, that the process is stopped between the wait and its handlers:
        /// peers go on meanwhile (`SIGSTOP`, a busy machine).
        stops = 0,
        /// Longest time for which the process is stopped.
        stop_max = 0,
        /// Time that a wait takes at least.
        turn_time = 0,
        /// Time after which a peer that has vanished without a packet is noticed by keep-alive; 0
        /// if never.
        keep_alive = 0,
        /// Chance that a connection is gone before it is accepted (`ECONNABORTED`).
        accept_aborts = 0,
        /// Chance that an accept finds no descriptor (`EMFILE`).
        accept_descriptor_failures = 0,
        /// Chance that an accept finds no memory (`ENOBUFS`).
        accept_memory_failures = 0,
        /// Maximum number of open near ends; beyond, every accept fails as if for lack of
        /// descriptors.
        descriptors_max = 1_000_000,
        /// Chance that closing reports a failure. The source is closed all the same.
        close_failures = 0,
        /// Chance that registering fails for lack of memory.
        register_failures = 0,
        /// Chance that modifying fails for lack of memory.
        modify_failures = 0,
        /// Chance that ending a stream needs room first.
        blocked_ends = 0,
        /// Capabilities of the platform, as bits of [`Capabilities`](selkie_core::platform::Capabilities).
        capabilities = 0x1ef,
        /// 1 if the platform reports its next deadline, for a loop that is driven from outside with
        /// [`EventLoop::turn`](selkie_core::EventLoop::turn).
        polled = 0,
        /// 1 if a platform that keeps what waits can tell since when the peer has acknowledged
        /// nothing of it. The host of a peer that has vanished acknowledges nothing.
        acknowledges = 0,
    }
}

impl Parameters {
    /// Draws the parameters of a hostile platform. Each kind of trouble is absent in half of all
    /// draws, since much trouble of one kind hides other kinds.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        Self {
            latency_max: pick(random, &[0, 1_000, 100_000, 5_000_000, 80_000_000]),
            segment_max: pick(random, &[1, 7, 64, 536, 1_460, 65_536]),
            buffer_to_near: pick(random, &[1, 16, 200, 1_000, 4_096, 65_536]),
            buffer_to_far: pick(random, &[1, 16, 200, 1_000, 4_096, 65_536]),
            backlog: pick(random, &[1, 2, 8, 128]),
            partial_reads: sometimes(random, 500),
            partial_writes: sometimes(random, 500),
            blocked_writes: sometimes(random, 300),
            resets: sometimes(random, 12),
            reset_discards: random.below(2),
            spurious_events: sometimes(random, 300),
            late_events: sometimes(random, 300),
            repeated_events: sometimes(random, 300),
            ghost_events: sometimes(random, 300),
            shuffled_events: random.below(2),
            early_returns: sometimes(random, 300),
            late_return_max: pick(random, &[0, 0, 10_000, 3_000_000]),
            clock_jumps: sometimes(random, 10),
            clock_jump_max: pick(random, &[1_000_000, 200_000_000, 20_000_000_000]),
            accept_aborts: sometimes(random, 200),
            accept_descriptor_failures: sometimes(random, 200),
            accept_memory_failures: sometimes(random, 200),
            descriptors_max: pick(random, &[2, 5, 1_000_000, 1_000_000, 1_000_000]),
            close_failures: sometimes(random, 200),
            register_failures: sometimes(random, 100),
            modify_failures: sometimes(random, 30),
            blocked_ends: sometimes(random, 500),
            capabilities: draw_capabilities(random),
            polled: random.below(2),
            stops: sometimes(random, 60),
            stop_max: pick(random, &[1_000_000, 50_000_000, 3_000_000_000, 40_000_000_000]),
            turn_time: pick(random, &[0, 0, 1, 1_000]),
            keep_alive: pick(random, &[0, 10_000_000, 2_000_000_000]),
            acknowledges: random.below(2),
        }
    }
}

/// Draws what the platform can tell: nothing of it in some draws, all of it in others.
fn draw_capabilities(random: &mut Random) -> u64 {
    let bits = random.below(256);
    // READ_CLOSED, CLOSED and ERROR; HANGUP and CHECK, one of which most platforms have; ABORT.
    (bits & 0x07) << 1 | 0x20 | (bits & 0x18) << 3 | (bits & 0x20) << 3
}

/// Picks one of several values.
pub(crate) fn pick(random: &mut Random, choices: &[u64]) -> u64 {
    choices[random.index(choices.len())]
}

/// Draws 0 in half of all draws, otherwise up to `most`.
pub(crate) fn sometimes(random: &mut Random, most: u64) -> u64 {
    let value = random.between(1, most);
    if random.chance(500) { value } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_can_be_reached_by_name() {
        let mut parameters = Parameters::draw(&mut Random::new(3));
        for name in Parameters::NAMES {
            let calm = Parameters::CALM.get(name).unwrap();
            assert!(parameters.set(name, calm));
        }
        assert_eq!(parameters, Parameters::CALM);
        assert!(!parameters.set("volume", 11));
        assert_eq!(parameters.get("volume"), None);
    }
}
