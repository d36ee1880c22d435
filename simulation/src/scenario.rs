//! Everything that a run depends on, drawn from one seed.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::time::Duration;

use selkie_core::Config;

use crate::parameters::{parameters, pick, sometimes};
use crate::{Parameters, Random};

parameters! {
    /// The memory and the limits of the server under test. Times in nanoseconds, sizes in bytes,
    /// 0 for no timeout.
    pub struct Limits {
        /// The capacity of the loop: connections, and one for the listener.
        slots = 64,
        /// The most events of a turn.
        batch = 64,
        /// Number of blocks in the pool.
        blocks = 128,
        /// The size of a block.
        block_size = 4_096,
        /// The size of the memory that is read into.
        scratch = 4_096,
        /// Maximum number of connections.
        connections_max = 1_000_000,
        /// Idle timeout.
        idle_timeout = 0,
        /// Stall timeout: time without any progress of pending output.
        stall_timeout = 0,
        /// Time for which a service may take nothing of a full input buffer.
        input_timeout = 0,
        /// Time that a connection waits for a buffer until another one is aborted.
        buffer_grace = 1_000_000_000,
        /// Time to wait for the peer's end of the stream.
        linger = 2_000_000_000,
        /// Maximum number of accepts in a turn.
        accepts_per_turn = 16,
        /// Time after which accepting is tried again.
        accept_retry = 100_000_000,
        /// The turn in which draining begins; 0 for the time when everything has come to rest.
        drain_turn = 0,
        /// Time limit for draining.
        drain_timeout = 5_000_000_000,
        /// The turn in which draining begins at the latest.
        turns_max = 20_000,
        /// 1 if the platform keeps what waits, so that the server has no blocks.
        owns_buffers = 0,
        /// 1 if the loop is driven from outside, and the platform polled.
        driven = 0,
        /// Chance, for each turn of a loop that is driven from outside, that it begins before it is
        /// due.
        early_turns = 0,
        /// 1 if the server reads until nothing is there, where it keeps what waits.
        reads_on = 0,
        /// Chance, for each callback, that it takes time before and after the service acts.
        slow_callbacks = 0,
        /// Longest time that a callback takes before or after the service acts.
        slow_callback_max = 0,
        /// 1 if another loop and server have used the memory before.
        used_memory = 0,
        /// Number of clients of a second server in the same loop; without any there is none.
        visitors = 0,
        /// Time in which they connect, and for which they stay.
        visits_span = 0,
        /// Maximum number of tokens that are issued to others.
        issued_tokens = 0,
        /// 1 if the second server relays its clients to a far server that it connects to, 2 if that
        /// refuses.
        dials = 0,
        /// Chance, for each turn, that a message is posted to a connection of the second server.
        messages = 0,
    }
}

parameters! {
    /// Number and behaviour of the clients. Chances are per mille, times in nanoseconds, sizes in
    /// bytes.
    pub struct Crowd {
        /// Number of clients.
        clients = 8,
        /// Time in which they connect.
        arrivals_span = 0,
        /// The share of clients that have their bytes sent back.
        echo = 1,
        /// The share of clients that chat.
        chat = 0,
        /// The share of clients that ask for long replies.
        stream = 0,
        /// The share of clients that are served at random.
        chaos = 0,
        /// The share of clients that are relayed to each other.
        relay = 0,
        /// Maximum number of bytes that a client sends.
        request_max = 2_000,
        /// Maximum length of a reply that a client asks for.
        reply_max = 60_000,
        /// Maximum number of bytes in a client's write.
        write_max = 1_000,
        /// Maximum pause between two writes of a client.
        write_pause_max = 0,
        /// Maximum number of bytes in a client's read.
        read_max = 65_536,
        /// Maximum pause between two reads of a client.
        read_pause_max = 0,
        /// Chance that a client stops reading for a while.
        stalls = 0,
        /// Longest time for which it stops.
        stall_max = 0,
        /// Chance that a client resets its connection somewhere in the middle.
        client_resets = 0,
        /// Chance that a client closes its connection somewhere in the middle.
        client_closes = 0,
        /// Chance that a client stops doing anything somewhere in the middle.
        vanishings = 0,
        /// Chance that a client ends its stream only when it has got everything.
        patience = 0,
        /// Chance, for each call, that the service takes less than it could.
        reluctance = 0,
        /// Chance, for each call, that the service that acts at random does something.
        whims = 0,
        /// The delay of the timer that the service sets in each call of `received`; 0 for none.
        timers = 0,
    }
}

/// One run: what the platform, the server and the clients are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The number from which everything that happens is drawn.
    pub seed: u64,
    /// The platform.
    pub parameters: Parameters,
    /// The server.
    pub limits: Limits,
    /// The clients.
    pub crowd: Crowd,
    /// Choices made before the seed is drawn from, a byte each: the platform takes the first, the
    /// service the second, and so on in turn. For fuzzers; usually there are none.
    pub choices: Vec<u8>,
}

/// Number of bytes of [`Scenario::from_bytes`] for each part: as many as are drawn at most.
const PARAMETER_BYTES: usize = 64;
const LIMIT_BYTES: usize = 48;
const CROWD_BYTES: usize = 40;

impl Scenario {
    /// Makes a scenario without any trouble.
    #[must_use]
    pub const fn calm(seed: u64) -> Self {
        Self {
            seed,
            parameters: Parameters::CALM,
            limits: Limits::CALM,
            crowd: Crowd::CALM,
            choices: Vec::new(),
        }
    }

    /// Draws the scenario of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        Self::assemble(seed, [&[]; 4], Vec::new())
    }

    /// Makes the scenario that these bytes describe: eight are the seed; others are drawn in place
    /// of what the seed has for the parameters, the limits and the crowd; all that follow are the
    /// [`choices`](Self::choices). Where the bytes end, the seed decides, so any bytes make a run.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut take = |count: usize| {
            let (taken, behind) = rest.split_at(count.min(rest.len()));
            rest = behind;
            taken
        };
        let mut seed = [0; 8];
        let given = take(seed.len());
        seed[..given.len()].copy_from_slice(given);
        let parts = [take(PARAMETER_BYTES), take(LIMIT_BYTES), take(CROWD_BYTES), take(1)];
        Self::assemble(u64::from_le_bytes(seed), parts, rest.to_vec())
    }

    /// Assembles the scenario of this seed, with other bytes for some of the draws.
    fn assemble(
        seed: u64,
        [parameters, limits, crowd, pressure]: [&[u8]; 4],
        choices: Vec<u8>,
    ) -> Self {
        let generator =
            |label, bytes: &[u8]| Random::new(seed).fork(label).with_choices(bytes.iter().copied());
        let parameters = Parameters::draw(&mut generator(1, parameters));
        let mut limits = Limits::draw(&mut generator(2, limits));
        let crowd = Crowd::draw(&mut generator(3, crowd));
        limits.driven = parameters.polled;
        let mut scenario = Self { seed, parameters, limits, crowd, choices };
        if generator(8, pressure).chance(300) {
            scenario.press_on_the_pool();
        }
        scenario.coherent()
    }

    /// Makes the generator of the platform.
    pub(crate) fn for_the_platform(&self) -> Random {
        Random::new(self.seed).fork(4).with_choices(self.choices.iter().copied().step_by(2))
    }

    /// Makes the generator of the service.
    #[cfg(feature = "std")]
    pub(crate) fn for_the_service(&self) -> Random {
        Random::new(self.seed).fork(6).with_choices(self.choices.iter().copied().skip(1).step_by(2))
    }

    /// Makes buffers scarce, so that connections wait for them rather than run into timeouts.
    const fn press_on_the_pool(&mut self) {
        self.limits.blocks = 2 + self.limits.blocks % 3;
        self.limits.block_size = 64 + self.limits.block_size % 41;
        self.limits.idle_timeout = 0;
        self.limits.stall_timeout = 0;
        self.crowd.stream += 3;
        self.crowd.vanishings = 0;
        self.crowd.stall_max %= 100_000_000;
        self.parameters.resets = 0;
        self.parameters.modify_failures = 0;
        if self.limits.owns_buffers == 1 {
            // There the platform's buffer is what is scarce.
            self.parameters.buffer_to_far = 256 + self.parameters.buffer_to_far % 293;
            self.crowd.chaos += 2;
            self.crowd.reluctance = self.crowd.reluctance / 2 + 100;
            self.crowd.client_resets = 0;
            self.crowd.client_closes = 0;
        }
    }

    /// Makes parts fit that were drawn by themselves.
    fn coherent(mut self) -> Self {
        if self.limits.owns_buffers == 1 {
            // A service that answers in lines needs room for one.
            self.parameters.buffer_to_far = self.parameters.buffer_to_far.max(256);
            self.parameters.buffer_to_near = self.parameters.buffer_to_near.max(256);
            self.limits.blocks = 0;
        }
        self
    }

    /// Returns the names of everything that can be set.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Parameters::NAMES.iter().chain(Limits::NAMES).chain(Crowd::NAMES).copied()
    }

    /// Returns the value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.parameters.get(name).or_else(|| self.limits.get(name)).or_else(|| self.crowd.get(name))
    }

    /// Gives a name another value. Says whether there is such a name.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        self.parameters.set(name, value)
            || self.limits.set(name, value)
            || self.crowd.set(name, value)
    }

    /// Returns the arguments of the command line that make this scenario: its seed, and what is set
    /// otherwise than the seed has it, or, if that is shorter, than a run without trouble has it.
    #[must_use]
    pub fn arguments(&self) -> String {
        let from_seed = self.settings(&Self::draw(self.seed));
        let from_calm = self.settings(&Self::calm(self.seed));
        let mut arguments = if from_calm.len() < from_seed.len() {
            alloc::format!("--seed {} --calm{from_calm}", self.seed)
        } else {
            alloc::format!("--seed {}{from_seed}", self.seed)
        };
        if !self.choices.is_empty() {
            arguments.push_str(" --choices ");
        }
        for byte in &self.choices {
            let _ = write!(arguments, "{byte:02x}");
        }
        arguments
    }

    /// Returns the settings that differ from `base`.
    fn settings(&self, base: &Self) -> String {
        let mut settings = String::new();
        for name in Self::names() {
            if let Some(value) = self.get(name).filter(|value| Some(*value) != base.get(name)) {
                let _ = write!(settings, " --set {name}={value}");
            }
        }
        settings
    }
}

impl Limits {
    /// Limits that are often reached.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        let slots = pick(random, &[2, 3, 5, 9, 33, 64]);
        let connections_max = if random.chance(300) { random.between(1, slots) } else { 1_000_000 };
        let block_size = pick(random, &[64, 100, 512, 4_096]);
        Self {
            slots,
            batch: pick(random, &[1, 2, 3, 8, 64]),
            blocks: pick(random, &[2, 3, 4, 8, 2 * slots]),
            block_size,
            scratch: pick(random, &[64, block_size, 1_000, 16_384]),
            connections_max,
            idle_timeout: timeout(random),
            stall_timeout: timeout(random),
            input_timeout: timeout(random),
            buffer_grace: pick(random, &[1_000_000, 100_000_000, 1_000_000_000]),
            linger: pick(random, &[0, 1_000_000, 200_000_000, 2_000_000_000]),
            accepts_per_turn: pick(random, &[1, 2, 16]),
            accept_retry: pick(random, &[1_000_000, 100_000_000]),
            drain_turn: if random.chance(300) { random.between(1, 600) } else { 0 },
            drain_timeout: pick(random, &[0, 1_000_000, 300_000_000, 10_000_000_000]),
            turns_max: 4_000,
            owns_buffers: u64::from(random.chance(330)),
            driven: 0,
            early_turns: sometimes(random, 300),
            reads_on: u64::from(random.chance(300)),
            slow_callbacks: sometimes(random, 100),
            slow_callback_max: pick(random, &[1_000, 2_000_000, 40_000_000, 800_000_000]),
            used_memory: random.below(2),
            visitors: pick(random, &[0, 0, 1, 3, 6]),
            visits_span: pick(random, &[1_000_000, 300_000_000, 3_000_000_000]),
            issued_tokens: pick(random, &[0, 0, 1, 4, 64]),
            dials: pick(random, &[0, 0, 1, 1, 1, 2]),
            messages: sometimes(random, 300),
        }
    }

    /// Returns the capacity of the loop: a slot for each listener and one for a connection at
    /// least.
    pub(crate) fn slot_count(&self) -> usize {
        size(self.slots).max(if self.visitors > 0 { 3 } else { 2 })
    }

    /// Returns whether connections may have to wait for a buffer.
    pub(crate) fn is_scarce(&self) -> bool {
        self.owns_buffers == 0 && size(self.blocks) < 2 * self.slot_count()
    }

    /// Returns the limits as a server configuration.
    #[must_use]
    pub fn config(&self) -> Config {
        let timeout = |nanos: u64| (nanos != 0).then(|| Duration::from_nanos(nanos));
        let config = Config::DEFAULT
            .connections_max(size(self.connections_max))
            .idle_timeout(timeout(self.idle_timeout))
            .stall_timeout(timeout(self.stall_timeout))
            .buffer_grace(Duration::from_nanos(self.buffer_grace))
            .linger(Duration::from_nanos(self.linger))
            .accepts_per_turn(size(self.accepts_per_turn))
            .accept_retry(Duration::from_nanos(self.accept_retry));
        // Without one of its own, the timeout is that of stalled peers.
        if self.input_timeout == 0 {
            config
        } else {
            config.input_timeout(timeout(self.input_timeout))
        }
    }
}

/// Converts a number to a size, or to the largest size.
pub(crate) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Draws no timeout in half of all draws, otherwise a short or a long one.
fn timeout(random: &mut Random) -> u64 {
    let value = pick(random, &[1_000_000, 30_000_000, 500_000_000, 30_000_000_000]);
    if random.chance(500) { value } else { 0 }
}

impl Crowd {
    /// Draws the behaviour of the clients.
    #[must_use]
    pub fn draw(random: &mut Random) -> Self {
        Self {
            clients: pick(random, &[1, 2, 5, 12, 40]),
            arrivals_span: pick(random, &[0, 1_000_000, 300_000_000, 3_000_000_000]),
            echo: random.below(3),
            chat: random.below(3),
            stream: random.below(3),
            chaos: random.below(3),
            request_max: pick(random, &[1, 30, 400, 3_000, 12_000]),
            reply_max: pick(random, &[10, 3_000, 40_000]),
            write_max: pick(random, &[1, 20, 500, 65_536]),
            write_pause_max: pick(random, &[0, 0, 100_000, 20_000_000, 1_000_000_000]),
            read_max: pick(random, &[1, 50, 1_000, 65_536]),
            read_pause_max: pick(random, &[0, 0, 100_000, 20_000_000]),
            stalls: sometimes(random, 1_000),
            stall_max: pick(random, &[1_000_000, 100_000_000, 60_000_000_000]),
            client_resets: sometimes(random, 300),
            client_closes: sometimes(random, 300),
            vanishings: sometimes(random, 200),
            patience: random.below(1001),
            reluctance: sometimes(random, 500),
            whims: sometimes(random, 400),
            relay: random.below(3),
            timers: pick(random, &[0, 0, 0, 1_000_000]),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_used_twice() {
        let names: BTreeSet<_> = Scenario::names().collect();
        assert_eq!(names.len(), Scenario::names().count());
    }

    #[test]
    fn the_arguments_of_a_drawn_scenario_are_its_seed() {
        assert_eq!(Scenario::draw(7).arguments(), "--seed 7");
        assert_eq!(Scenario::calm(7).arguments(), "--seed 7 --calm");
    }

    #[test]
    fn any_bytes_make_a_run() {
        assert_eq!(Scenario::from_bytes(&[]), Scenario::draw(0));
        assert_eq!(Scenario::from_bytes(&[7]), Scenario::draw(7));
        let mut bytes = [0; 8 + PARAMETER_BYTES + LIMIT_BYTES + CROWD_BYTES + 1 + 2];
        let last = bytes.len() - 2;
        bytes[last..].copy_from_slice(&[0xab, 0x01]);
        let scenario = Scenario::from_bytes(&bytes);
        assert_eq!(scenario.choices, [0xab, 0x01]);
        assert_eq!(
            (scenario.parameters.latency_max, scenario.crowd.clients),
            (0, 1),
            "the first of all that can be drawn"
        );
        assert!(scenario.arguments().ends_with(" --choices ab01"));
    }

    #[test]
    fn the_bytes_for_each_part_are_enough() {
        // With all of them given, the seed does not matter any more.
        let bytes = |seed: u8| {
            let mut bytes = alloc::vec![0x55; 8 + PARAMETER_BYTES + LIMIT_BYTES + CROWD_BYTES + 1];
            bytes[0] = seed;
            Scenario { seed: 0, ..Scenario::from_bytes(&bytes) }
        };
        assert_eq!(bytes(1), bytes(2));
    }
}
