//! The echo example on Windows, tried by real clients, on every backend of that system: under Wine,
//! where `SELKIE_WINDOWS_PROGRAMS` names the folder of the programs and the clients are Linux's
//! own, or on Windows itself.
//!
//! Elsewhere each test says that it was not run. `ci/test windows` sets the variable.

#![cfg(any(unix, windows))]

#[path = "../soak/churn.rs"]
mod churn;
#[path = "../clients/mod.rs"]
mod clients;
#[path = "../echo/everywhere.rs"]
mod everywhere;
#[path = "../soak/process.rs"]
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the soak of the other systems asks for more")]
mod process;
#[path = "../echo/server.rs"]
#[allow(dead_code, reason = "the tests of the echo server ask for more")]
mod server;
mod soak;
#[path = "../echo/stopping.rs"]
mod stopping;

use server::Server;

/// Makes a module of tests for each backend.
macro_rules! cases {
    ($($backend:ident)+: $cases:tt) => { $(cases! { @ $backend $cases })+ };
    (@ $backend:ident { $($case:path as $name:ident,)+ }) => {
        mod $backend {
            $(
                #[test]
                fn $name() {
                    if crate::can_run() {
                        $case(stringify!($backend));
                    }
                }
            )+
        }
    };
}

cases! {
    afd poll select: {
        crate::everywhere::interleaved as clients_that_interleave_get_their_own_bytes,
        crate::everywhere::large_with_half_close as eight_mebibytes_come_back_after_a_half_close,
        crate::everywhere::churn as clients_that_come_and_go_are_all_served,
        crate::stalled_reader as a_stalled_reader_delays_no_other,
        crate::reset_storm as a_storm_of_resets_harms_no_other,
        crate::full_capacity as clients_beyond_the_capacity_wait_and_get_their_turn,
        crate::everywhere::idle_timeout as a_silent_client_is_closed_in_time,
        crate::stopping::pending_output_is_sent as pending_output_is_sent_before_it_stops,
        crate::stopping::it_stops_with_idle_clients as it_stops_with_idle_clients,
        crate::soak::ends_where_it_began as a_soak_ends_where_it_began,
    }
}

/// Returns whether there are programs for Windows, and says so if not.
fn can_run() -> bool {
    let can_run = cfg!(windows) || std::env::var_os(server::WINDOWS_PROGRAMS).is_some();
    if !can_run {
        println!("not run: {} names no folder; see `ci/test windows`", server::WINDOWS_PROGRAMS);
    }
    can_run
}

fn stalled_reader(backend: &str) {
    let server = Server::start(backend, &["--capacity", "16"]);
    clients::stalled_reader(&server.target(), || ());
    server.stop();
}

fn reset_storm(backend: &str) {
    let server = Server::start(backend, &[]);
    clients::reset_storm(&server.target(), 400);
    let report = server.stop();
    assert_eq!(report.figure("accepted") + report.figure("gone before accept"), 402);
}

fn full_capacity(backend: &str) {
    let server = Server::start(backend, &["--capacity", "4"]);
    clients::full_capacity(&server.target());
    let report = server.stop();
    assert!(report.figure("turns") < 1000, "a full server does not spin: {}", report.text);
}
