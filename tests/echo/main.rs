//! The echo example as its users have it: a process, real TCP clients, and every backend of this
//! machine.

#![cfg(unix)]

mod arguments;
mod backlog;
#[cfg(target_os = "linux")]
#[path = "../clients/calm.rs"]
mod calm;
#[path = "../clients/mod.rs"]
mod clients;
mod everywhere;
#[cfg(target_os = "linux")]
mod output;
mod pausing;
mod process;
mod programs;
#[cfg(target_os = "linux")]
mod ring;
mod sentence;
mod server;
mod sharded;
mod stalling;
mod stopping;
mod waiting;

use server::Server;

/// Makes a module of tests for a backend, so that a report names both.
macro_rules! cases {
    ($backend:ident: $($case:path as $name:ident,)+) => {
        mod $backend { $(#[test] fn $name() { $case(stringify!($backend)); })+ }
    };
}

/// The cases of every backend, and more.
macro_rules! cases_of {
    ($backend:ident: $($more:tt)*) => {
        cases! {
            $backend:
            crate::everywhere::interleaved as clients_that_interleave_get_their_own_bytes,
            crate::everywhere::large_with_half_close
                as eight_mebibytes_come_back_after_a_half_close,
            crate::everywhere::churn as clients_that_come_and_go_are_all_served,
            crate::stalled_reader as a_stalled_reader_costs_bounded_memory_and_delays_no_other,
            crate::reset_storm as a_storm_of_resets_harms_no_other,
            crate::full_capacity as clients_beyond_the_capacity_wait_and_get_their_turn,
            crate::everywhere::idle_timeout as a_silent_client_is_closed_in_time,
            crate::stopping::pending_output_is_sent as pending_output_is_sent_before_it_stops,
            crate::stopping::it_stops_with_idle_clients as it_stops_with_idle_clients,
            crate::process::an_idle_server_takes_no_turns as an_idle_server_takes_no_turns,
            crate::process::a_limit_below_its_descriptors_is_survived
                as a_limit_below_its_descriptors_is_survived,
            crate::process::at_its_limit_of_descriptors_it_goes_on
                as at_its_limit_of_descriptors_it_goes_on,
            crate::pausing::one_client as a_client_that_sent_during_a_pause_is_served,
            crate::pausing::many_clients as all_of_1200_clients_that_sent_during_a_pause_are_served,
            crate::backlog::the_backlog_is_served as clients_in_the_backlog_of_a_draining_server_are_served,
            crate::backlog::the_backlog_is_served_at_capacity
                as a_full_server_that_drains_serves_its_backlog,
            crate::waiting::every_end_frees_a_slot as every_end_of_a_client_lets_the_next_one_in,
            crate::waiting::an_idle_timeout_frees_a_slot as an_idle_timeout_lets_the_next_one_in,
            crate::stalling::stalled_clients_delay_no_other
                as a_thousand_stalled_clients_delay_no_other,
            $($more)*
        }
    };
}

/// The cases, on every selector of the machine.
macro_rules! on_every_backend {
    ($($selector:ident $backend:ident,)+) => {
        $(cases_of! {
            $backend:
            crate::process::without_descriptors_the_others_go_on
                as without_descriptors_the_others_go_on,
        })+
    };
}

selkie::for_each_backend!(on_every_backend);

// An operation that accepts has the limit of descriptors of the time when it began, so lowering the
// limit later has no effect on it.
#[cfg(target_os = "linux")]
cases_of! { io_uring: }

fn stalled_reader(backend: &str) {
    let server = Server::start(backend, &["--capacity", "16"]);
    let target = server.target();
    target.serves();
    let before = process::resident_bytes(server.id());
    // A ring's buffers for all connections, 528 KiB, are resident once they have been used.
    let shared = if backend == "io_uring" { 256 * (2048 + 64) } else { 0 };
    clients::stalled_reader(&target, || {
        if let (Some(before), Some(after)) = (before, process::resident_bytes(server.id())) {
            let grown = after.saturating_sub(before);
            assert!(grown < (1 << 20) + shared, "the server has grown by {grown} bytes");
        }
    });
    let report = server.stop();
    assert!(
        report.figure_before(" buffers in use") <= 2,
        "one stalled client takes two buffers at most"
    );
}

fn reset_storm(backend: &str) {
    let server = Server::start(backend, &[]);
    clients::reset_storm(&server.target(), 400);
    let report = server.stop();
    assert_eq!(report.figure("accepted") + report.figure("gone before accept"), 402);
    assert_eq!(report.figure("accepted"), report.figure("closed"));
}

fn full_capacity(backend: &str) {
    let server = Server::start(backend, &["--capacity", "4"]);
    clients::full_capacity(&server.target());
    let report = server.stop();
    assert!(report.figure("pauses at capacity") >= 1);
    assert!(report.figure("turns") < 1000, "a full server does not spin: {}", report.text);
}
