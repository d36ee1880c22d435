//! What the simulation has found in core: each finding by its name, played as it was when it was
//! made small.

use selkie_simulation::{Scenario, Trace, play};

/// How many seeds a finding is tried with: the first showed it when it was found; the others are
/// there in case that a change elsewhere moves it.
const SEEDS: u64 = 40;

fn holds(seed: u64, settings: &[(&str, u64)]) {
    for seed in seed..seed + SEEDS {
        let mut scenario = Scenario::calm(seed);
        for &(name, value) in settings {
            assert!(scenario.set(name, value), "there is no knob {name}");
        }
        let violation = play(&scenario, Trace::off()).violation;
        assert!(violation.is_none(), "{}: {violation:?}", scenario.arguments());
    }
}

/// The peer had ended its stream while bytes were held; when the outbox drained, they were not
/// offered again.
#[test]
fn held_bytes_are_offered_after_the_end_when_the_outbox_drains() {
    holds(
        8_278,
        &[
            ("block_size", 87),
            ("stream", 1),
            ("read_max", 50),
            ("read_pause_max", 1),
            ("reluctance", 1),
        ],
    );
}

/// A chat client had ended its stream within a line, and waited for a block: it was looked after
/// without end, since those who take more in had to leave blocks to others, and it was treated as
/// one of them.
#[test]
fn a_starved_connection_at_its_end_does_not_spin() {
    holds(
        4_749,
        &[("latency_max", 24), ("blocks", 4), ("echo", 0), ("chat", 1), ("client_closes", 86)],
    );
}

/// A connection that had ended with bytes held got the block that it had waited for, and was not
/// offered the bytes.
#[test]
fn a_starved_connection_at_its_end_is_offered_what_is_held() {
    holds(
        622,
        &[
            ("partial_writes", 225),
            ("blocks", 2),
            ("stream", 2),
            ("reply_max", 31_500),
            ("write_max", 500),
            ("write_pause_max", 7_812_500),
            ("stalls", 359),
            ("client_closes", 117),
            ("reluctance", 170),
        ],
    );
}

/// A long reply was to go on, the peer took bytes, but no block was free for what it would not
/// take: the loop turned until one was.
#[test]
fn a_writer_without_a_block_does_not_spin() {
    holds(2_866, &[("blocks", 4), ("stream", 1), ("read_pause_max", 1), ("reluctance", 10)]);
}

/// On a platform that keeps the outbox: bytes were held for want of room, the service ended its
/// stream, and nobody offered them again.
#[test]
fn held_bytes_are_offered_after_the_service_ended_its_stream() {
    holds(
        1_592,
        &[
            ("latency_max", 80_000_000),
            ("buffer_to_near", 4_096),
            ("buffer_to_far", 256),
            ("spurious_events", 189),
            ("slots", 2),
            ("scratch", 512),
            ("owns_buffers", 1),
            ("clients", 2),
            ("arrivals_span", 375_000_000),
            ("chaos", 1),
            ("request_max", 12_000),
            ("write_max", 500),
            ("write_pause_max", 100_000),
            ("read_pause_max", 20_000_000),
            ("reluctance", 388),
            ("whims", 376),
        ],
    );
}

/// On a platform that keeps the outbox: it was full, the peer had ended its stream, and nobody
/// waited for room.
#[test]
fn held_bytes_wait_for_room_after_the_end() {
    holds(
        18,
        &[
            ("latency_max", 25_000),
            ("buffer_to_far", 1_000),
            ("owns_buffers", 1),
            ("stream", 1),
            ("reply_max", 3_000),
            ("reluctance", 700),
        ],
    );
}

/// On a platform that keeps the inbox: what a service had left waited for more room in the outbox,
/// and when there was none at all, nobody waited for any.
#[test]
fn bytes_that_lack_room_for_an_answer_wait_for_any() {
    holds(
        2,
        &[
            ("latency_max", 25_000),
            ("buffer_to_far", 1_000),
            ("owns_buffers", 1),
            ("stream", 1),
            ("reply_max", 3_000),
            ("reluctance", 90),
        ],
    );
}

/// On a platform that keeps the inbox: who had ended its own stream was offered what it had left a
/// byte at a time, as if an answer needed room, and told of the peer's end before the last of it.
#[test]
fn who_has_ended_its_own_stream_is_offered_all_before_the_peers_end() {
    holds(
        2_585,
        &[
            ("latency_max", 6_250),
            ("buffer_to_far", 100),
            ("owns_buffers", 1),
            ("echo", 0),
            ("chaos", 1),
            ("reluctance", 300),
            ("whims", 500),
        ],
    );
}
