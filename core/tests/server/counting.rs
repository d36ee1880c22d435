//! Counts of several servers, and the text that a monitor reads.

use selkie_core::{CloseReason, Counters};

/// Returns counts that differ from each other, from `first` on.
fn counts(first: u64) -> Counters {
    let mut counters = Counters::default();
    let plain = [
        &mut counters.accepted,
        &mut counters.connects,
        &mut counters.refused,
        &mut counters.refused_by_address,
        &mut counters.accepts_delayed,
        &mut counters.reads_delayed,
        &mut counters.aborted_early,
        &mut counters.accept_failures,
        &mut counters.accept_pauses,
        &mut counters.released,
        &mut counters.messages_dropped,
        &mut counters.close_failures,
        &mut counters.bytes_in,
        &mut counters.bytes_out,
        &mut counters.reads_spurious,
        &mut counters.buffer_waits,
        &mut counters.open_max,
        &mut counters.blocks_max,
    ];
    for (count, value) in plain.into_iter().chain(&mut counters.closed).zip(first..) {
        *count = value;
    }
    counters
}

/// Returns the values of all samples but the number of open connections.
fn values(counters: &Counters) -> Vec<u64> {
    counters.samples().skip(1).map(|sample| sample.value()).collect()
}

#[test]
fn the_counts_of_two_servers_are_added_one_by_one() {
    let mut sum = counts(10);
    sum += counts(1000);
    let expected: Vec<u64> =
        values(&counts(10)).iter().zip(values(&counts(1000))).map(|(one, two)| one + two).collect();
    assert_eq!(values(&sum), expected);
}

#[test]
fn each_count_has_one_sample_of_its_own() {
    let counters = counts(100);
    let mut all = values(&counters);
    all.sort_unstable();
    let last = 100 + 18 + CloseReason::ALL.len() as u64;
    assert_eq!(all, (100..last).collect::<Vec<_>>());
}

#[test]
fn the_open_connections_are_those_that_began_and_have_not_ended() {
    let mut counters = Counters::default();
    counters.accepted = 20;
    counters.connects = 7;
    counters.released = 3;
    counters.closed[CloseReason::Idle as usize] = 4;
    counters.closed[CloseReason::Reset as usize] = 5;
    let open = counters.samples().next().expect("the first sample is the open connections");
    assert_eq!(
        open.to_string(),
        "# TYPE selkie_connections_open gauge\nselkie_connections_open 15\n"
    );
}

#[test]
fn the_type_of_a_count_is_said_once_for_all_reasons() {
    let text: String =
        counts(1).samples().map(|sample| sample.to_string()).skip(18).take(3).collect();
    assert_eq!(
        text,
        "# TYPE selkie_buffer_waits_total counter\nselkie_buffer_waits_total 16\n\
         # TYPE selkie_closed_total counter\nselkie_closed_total{reason=\"finished\"} 19\n\
         selkie_closed_total{reason=\"closed\"} 20\n"
    );
}
