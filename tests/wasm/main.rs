//! The echo example in WebAssembly runtimes, with the same clients as on native backends.
//!
//! `ci/test wasi` installs the runtimes and builds the programs. Without them, each test says that
//! it was not run.

#![cfg(unix)]

mod asking;
#[path = "../clients/mod.rs"]
mod clients;
mod conformance;
mod denials;
#[path = "../clients/frames.rs"]
mod frames;
mod outgoing;
mod paired;
mod programs;
mod remote_peer;
mod runtime;
mod sources;
mod tasks;
#[path = "../clients/upstream.rs"]
mod upstream;

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use clients::Target;
use runtime::Runtime;

/// Makes a test in each runtime of each case, so that a report names both: of the cases that all
/// runtimes pass, and of those that are given.
macro_rules! in_runtimes {
    ($cases:tt $($name:ident = $runtime:expr),+ $(,)?) => {
        $(in_runtime! { $name = $runtime; $cases })+
    };
}

/// The same for one runtime.
macro_rules! in_runtime {
    ($name:ident = $runtime:expr; { $($($case:ident)::+ as $test:ident),* $(,)? }) => {
        in_runtime! { @all $name = $runtime;
            interleaved as clients_that_interleave_get_their_own_bytes,
            large_with_half_close as eight_mebibytes_come_back_after_a_half_close,
            churn as clients_that_come_and_go_are_all_served,
            stalled_reader as a_stalled_reader_costs_no_other_client,
            reset_storm as a_storm_of_resets_harms_no_other_client,
            full_capacity as clients_beyond_the_capacity_wait_and_get_their_turn,
            idle_timeout as a_silent_client_is_let_go_in_time,
            many_at_once as five_hundred_and_twelve_clients_are_served_at_once,
            stalled_closed as a_stalled_client_is_closed_and_the_others_go_on,
            $($($case)::+ as $test,)*
        }
    };
    (@all $name:ident = $runtime:expr; $($($case:ident)::+ as $test:ident,)+) => {
        mod $name {
            use super::Runtime;
            $(#[test] fn $test() { super::$($case)::+($runtime); })+
        }
    };
}

in_runtimes! {
    {
        allocations as nothing_is_allocated_while_it_serves,
        last_words as what_was_received_is_served_although_no_answer_can_be_sent,
        blocked_end as clients_that_never_read_to_the_end_make_room_for_others,
        conformance::whole_suite as the_contract_holds,
        tasks::echo as an_echo_task_serves_as_the_echo_service_does,
        tasks::frames as frames_are_answered_in_order_and_in_time,
        programs::http as http_requests_are_answered_in_order,
        programs::chat as a_line_of_the_chat_reaches_the_others,
        programs::kv as keys_are_set_and_got_by_several_clients,
    }
    wasmtime_36_wasi_01 = Runtime::Wasmtime01("wasmtime-36"),
    wasmi_wasi_01 = Runtime::Wasmi01,
    wasmtime_36_wasi_02 = Runtime::Wasmtime02("wasmtime-36"),
    wasmtime_48_wasi_02 = Runtime::Wasmtime02("wasmtime-48"),
    wasmtime_49_wasi_02 = Runtime::Wasmtime02("wasmtime-49"),
}

// Less the conformance suite, a few cases of which come out otherwise there: `docs/webassembly.md`
// says which.
in_runtimes! {
    {
        allocations as nothing_is_allocated_while_it_serves,
        blocked_end as clients_that_never_read_to_the_end_make_room_for_others,
    }
    jco_wasi_02 = Runtime::Jco02,
}

// Less the storm of resets, too: jco does not report the reset of a connection that is silent.
in_runtime! {
    @all jco_wasi_03 = Runtime::Jco03;
    interleaved as clients_that_interleave_get_their_own_bytes,
    large_with_half_close as eight_mebibytes_come_back_after_a_half_close,
    churn as clients_that_come_and_go_are_all_served,
    stalled_reader as a_stalled_reader_costs_no_other_client,
    full_capacity as clients_beyond_the_capacity_wait_and_get_their_turn,
    idle_timeout as a_silent_client_is_let_go_in_time,
    many_at_once as five_hundred_and_twelve_clients_are_served_at_once,
    stalled_closed as a_stalled_client_is_closed_and_the_others_go_on,
    programs::http as http_requests_are_answered_in_order,
    programs::chat as a_line_of_the_chat_reaches_the_others,
    programs::kv as keys_are_set_and_got_by_several_clients,
}

// The conformance suite of WASI 0.3 is a program of its own: `tests/wasm-p3`.
in_runtimes! {
    {
        tasks::echo as an_echo_task_serves_as_the_echo_service_does,
        tasks::frames as frames_are_answered_in_order_and_in_time,
        programs::http as http_requests_are_answered_in_order,
        programs::chat as a_line_of_the_chat_reaches_the_others,
        programs::kv as keys_are_set_and_got_by_several_clients,
        tasks::proxy as a_proxy_task_relays_to_the_server_that_accepts,
    }
    wasmtime_48_wasi_03 = Runtime::Wasmtime03("wasmtime-48"),
    wasmtime_49_wasi_03 = Runtime::Wasmtime03("wasmtime-49"),
}

// Where a program can connect.
mod wasmtime_48_wasi_02_connecting {
    use super::{Runtime, tasks};

    #[test]
    fn a_proxy_task_relays_to_the_server_that_accepts() {
        tasks::proxy(Runtime::Wasmtime02("wasmtime-48"));
    }
}

fn interleaved(runtime: Runtime) {
    let Some(mut server) = runtime.echo(64, &[]) else { return };
    clients::interleaved(&server.target());
    assert!(server.is_up());
}

fn large_with_half_close(runtime: Runtime) {
    let Some(mut server) = runtime.echo(64, &[]) else { return };
    clients::large_with_half_close(&server.target(), 8 << 20);
    assert!(server.is_up());
}

fn churn(runtime: Runtime) {
    let Some(mut server) = runtime.echo(8, &[]) else { return };
    clients::churn(&server.target(), 50);
    assert!(server.is_up());
}

fn stalled_reader(runtime: Runtime) {
    let Some(mut server) = runtime.echo(16, &[]) else { return };
    clients::stalled_reader(&server.target(), || ());
    assert!(server.is_up());
}

fn reset_storm(runtime: Runtime) {
    let Some(mut server) = runtime.echo(64, &[]) else { return };
    clients::reset_storm(&server.target(), 200);
    assert!(server.is_up());
}

fn full_capacity(runtime: Runtime) {
    let Some(mut server) = runtime.echo(4, &[]) else { return };
    clients::full_capacity(&server.target());
    assert!(server.is_up());
}

fn idle_timeout(runtime: Runtime) {
    let timeout = runtime.idle_timeout();
    let seconds = timeout.as_secs_f64().to_string();
    let Some(mut server) = runtime.echo(64, &["--idle-timeout", &seconds]) else { return };
    let target = Target { idle_timeout: Some(timeout), ..server.target() };
    clients::idle_timeout(&target);
    assert!(server.is_up());
}

/// Sends from all clients before the first one reads, so that all are ready at once.
fn many_at_once(runtime: Runtime) {
    let Some(mut server) = runtime.echo(512, &[]) else { return };
    let target = server.target();
    let mut clients: Vec<_> = (0..512).map(|_| target.connect()).collect();
    for round in 0..3 {
        let message = |number: usize| clients::pattern((number * 1000 + round) as u64, 20 + number);
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(&message(number)).expect("the server takes a message");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            clients::expect(client, &message(number));
        }
    }
    clients.into_iter().for_each(clients::leave);
    assert!(server.is_up());
}

/// Checks that the server closes a client for which the host still has bytes, without waiting.
fn stalled_closed(runtime: Runtime) {
    let seconds = runtime.idle_timeout().as_secs_f64();
    let options = ["--idle-timeout", &seconds.to_string()];
    let Some(mut server) = runtime.echo(4, &options) else { return };
    let target = server.target();
    let mut stalled = target.connect();
    stalled
        .set_write_timeout(Some(Duration::from_millis(300)))
        .expect("a connected socket takes the option");
    // Until nothing more is taken, or until the server has closed it already.
    while stalled.write(&[3; 8192]).is_ok() {}
    // Longer than the stalled client may live.
    let start = Instant::now();
    let mut lively = clients::Talker::new(&target, runtime.idle_timeout());
    for round in 0.. {
        lively.talk(&clients::pattern(round, 500));
        std::thread::sleep(Duration::from_millis(50));
        if start.elapsed().as_secs_f64() > seconds * 3.0 {
            break;
        }
    }
    target.serves();
    assert!(server.is_up());
}

/// Checks that the program allocates nothing while its clients do anything at all, nor the host on
/// its behalf. (The guest without an allocator, below, could not even be linked if it did.)
fn allocations(runtime: Runtime) {
    let Some((server, mut output)) = runtime.counting() else { return };
    let target = server.target();
    clients::interleaved(&Target { idle_timeout: None, ..target });
    clients::full_capacity(&target);
    clients::large_with_half_close(&target, 1 << 20);
    clients::reset_storm(&target, 40);
    clients::idle_timeout(&target);
    let mut client = target.connect();
    client.write_all(b"count").expect("the server takes a message");
    let mut report = String::new();
    output.read_line(&mut report).expect("its output can be read");
    assert!(report.starts_with("0 calls of the allocator, 0 pages more, "), "{report:?}");
}

/// Returns the number of bytes that the server has received, and ends it.
fn bytes_received(target: &Target, output: &mut impl BufRead) -> u64 {
    let mut client = target.connect();
    client.write_all(b"count").expect("the server takes a message");
    let mut report = String::new();
    output.read_line(&mut report).expect("its output can be read");
    let words = report.trim_end().strip_suffix(" bytes").and_then(|text| text.rsplit(' ').next());
    words.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{report:?}"))
}

/// Sends from a client, and leaves without having read the answers: writes to it fail, and its
/// input is read to the end.
fn last_words(runtime: Runtime) {
    const LENGTH: usize = 60_000;

    let Some((server, mut output)) = runtime.counting() else { return };
    let target = server.target();
    let mut client = target.connect();
    client.write_all(b"sink").expect("the server takes a message");
    clients::expect(&mut client, b"!");
    client.write_all(&clients::pattern(7, LENGTH)).expect("the server takes a message");
    drop(client);
    let all = 4 + LENGTH as u64;
    let received = bytes_received(&target, &mut output);
    assert!(received >= all, "{received} bytes were received of {all}");
}

/// Fills the server with clients that send, end their streams, and read nothing: the host cannot
/// send what it has, nor the end of the stream.
fn blocked_end(runtime: Runtime) {
    let Some((server, _output)) = runtime.counting() else { return };
    let target = server.target();
    let stalled: Vec<_> = (0..target.capacity)
        .map(|_| {
            let mut client = target.connect();
            let timeout = Some(Duration::from_millis(200));
            client.set_write_timeout(timeout).expect("a connected socket takes the option");
            while client.write(&[3; 8192]).is_ok() {}
            let _ = client.shutdown(std::net::Shutdown::Write);
            client
        })
        .collect();
    target.serves();
    drop(stalled);
}

#[test]
fn a_guest_without_an_allocator_serves_on_wasi_01() {
    let Some(mut server) = Runtime::Wasmtime01("wasmtime-36").guest() else { return };
    clients::interleaved(&server.target());
    clients::large_with_half_close(&server.target(), 1 << 20);
    clients::reset_storm(&server.target(), 40);
    assert!(server.is_up());
}

#[test]
fn guests_without_an_allocator_serve_on_wasi_02_and_03() {
    // One after the other, as both listen at the same address.
    for runtime in [Runtime::Wasmtime02("wasmtime-48"), Runtime::Wasmtime03("wasmtime-48")] {
        let Some(mut server) = runtime.guest() else { return };
        clients::interleaved(&server.target());
        clients::large_with_half_close(&server.target(), 1 << 20);
        clients::reset_storm(&server.target(), 40);
        assert!(server.is_up());
    }
}
