//! The findings of the simulation in core: each by its name, played as it was when it was made
//! small.

use selkie_simulation::{Scenario, Trace, play};

/// Number of seeds for each finding: the first showed it; the others allow for changes elsewhere.
const SEEDS: u64 = 40;

fn holds(seed: u64, settings: &[(&str, u64)]) {
    for seed in seed..seed + SEEDS {
        let mut scenario = Scenario::calm(seed);
        for &(name, value) in settings {
            assert!(scenario.set(name, value), "there is no parameter {name}");
        }
        let violation = play(&scenario, Trace::off()).violation;
        assert!(violation.is_none(), "{}: {violation:?}", scenario.arguments());
    }
}

/// Replays: unread input was not offered again when the output drained after the peer's end.
#[test]
fn held_bytes_are_offered_after_the_end_when_the_output_buffer_drains() {
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

/// Replays: a connection at its end waited for a buffer, and was scheduled without end.
#[test]
fn a_connection_that_waits_for_a_buffer_at_its_end_does_not_spin() {
    holds(
        4_749,
        &[("latency_max", 24), ("blocks", 4), ("echo", 0), ("chat", 1), ("client_closes", 86)],
    );
}

/// Replays: a connection at its end got the buffer that it waited for, and its unread input was not
/// offered.
#[test]
fn a_connection_that_got_a_buffer_at_its_end_is_offered_its_input() {
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

/// Replays: a long reply was to go on without a free buffer, and the loop turned until there was
/// one.
#[test]
fn a_writer_without_a_block_does_not_spin() {
    holds(2_866, &[("blocks", 4), ("stream", 1), ("read_pause_max", 1), ("reluctance", 10)]);
}

/// Replays, where the platform owns the buffers: unread input was not offered again after
/// `shutdown_write`.
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

/// Replays, where the platform owns the buffers: the output was full at the peer's end, and no wait
/// for room followed.
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

/// Replays, where the platform owns the buffers: unread input waited for more room when there was
/// none at all.
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

/// Replays, where the platform owns the buffers: after `shutdown_write`, unread input was offered a
/// byte at a time and not to its end.
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
