//! The echo example while its system calls fail: strace attaches to the running server and has the
//! calls that it makes fail, one error after the other, as a system does that is short of something
//! or whose network breaks.
//!
//! Real clients check that the server goes on serving, that no byte is lost on a connection that
//! did not break, that a broken one ends and the others go on, that nothing spins, and that the
//! server stops orderly in the end. `strace.rs` says what counts as spinning: more than twice the
//! calls that the work takes.
//!
//! `ci/test faults` installs strace, and names it in `SELKIE_STRACE`. Without it, each test says
//! that it was not run.

#![cfg(target_os = "linux")]

mod accepting;
#[path = "../clients/mod.rs"]
#[allow(unused_imports, reason = "other tests use it")]
mod clients;
mod group;
#[path = "../echo/server.rs"]
#[allow(dead_code, reason = "other tests use it")]
mod server;
mod strace;
mod streams;
mod waits;
mod watching;

/// Lists the names of the backends.
macro_rules! names {
    ($($backend:ident $name:ident,)+) => {
        /// The backends of the platform.
        const BACKENDS: &[&str] = &[$(stringify!($name)),+];
    };
}

selkie::for_each_backend!(names);

/// Makes a test of each fault, which is tried on every backend.
macro_rules! faults {
    ($($name:ident: $case:expr;)+) => {
        $(#[test]
        fn $name() {
            on(BACKENDS, $case);
        })+
    };
}

/// Runs a case on these backends, and says on which.
fn on(backends: &[&'static str], case: fn(&'static str)) {
    if strace::program().is_none() {
        println!(
            "not run: {} names no strace; `ci/test faults` installs one and sets it",
            strace::PROGRAM
        );
        return;
    }
    for backend in backends {
        println!("{backend}:");
        case(backend);
    }
}

faults! {
    waits_are_interrupted: |backend| waits::disturbed(backend, "error=EINTR", "1+2");
    waits_are_interrupted_many_times_in_a_row: |backend| {
        waits::disturbed(backend, "error=EINTR", "5..500");
    };
    waits_end_with_nothing: |backend| waits::disturbed(backend, "retval=0", "1+2");
    waits_with_a_deadline_are_interrupted: |backend| {
        waits::disturbed_with_a_deadline(backend, "error=EINTR");
    };
    waits_with_a_deadline_end_with_nothing: |backend| {
        waits::disturbed_with_a_deadline(backend, "retval=0");
    };

    the_process_is_out_of_descriptors: |backend| accepting::shortage(backend, "EMFILE");
    the_system_is_out_of_descriptors: |backend| accepting::shortage(backend, "ENFILE");
    accept_is_out_of_buffers: |backend| accepting::shortage(backend, "ENOBUFS");
    accept_is_out_of_memory: |backend| accepting::shortage(backend, "ENOMEM");
    descriptors_are_short_for_long: accepting::lasting_shortage;
    connections_are_aborted_before_accept: |backend| accepting::aborted(backend, "ECONNABORTED");
    connections_fail_by_protocol_before_accept: |backend| accepting::aborted(backend, "EPROTO");
    connections_are_cut_off_before_accept: |backend| accepting::aborted(backend, "EHOSTUNREACH");
    accept_is_interrupted: |backend| accepting::disturbed(backend, "EINTR");
    accept_finds_nothing: |backend| accepting::disturbed(backend, "EAGAIN");
    connections_take_no_options: accepting::without_options;

    reads_are_interrupted: |backend| streams::disturbed(backend, "recvfrom", "EINTR");
    reads_find_nothing: |backend| streams::disturbed(backend, "recvfrom", "EAGAIN");
    writes_are_interrupted: |backend| streams::disturbed(backend, "sendto", "EINTR");
    writes_find_no_room: |backend| streams::disturbed(backend, "sendto", "EAGAIN");
    a_read_finds_a_reset: |backend| streams::broken(backend, "recvfrom", "ECONNRESET", "1 reset");
    a_read_times_out: |backend| streams::broken(backend, "recvfrom", "ETIMEDOUT", "1 failed");
    a_read_finds_a_broken_pipe: |backend| streams::broken(backend, "recvfrom", "EPIPE", "1 reset");
    a_write_finds_a_reset: |backend| streams::broken(backend, "sendto", "ECONNRESET", "1 reset");
    a_write_finds_a_broken_pipe: |backend| streams::broken(backend, "sendto", "EPIPE", "1 reset");
    a_write_is_out_of_memory: |backend| streams::broken(backend, "sendto", "ENOMEM", "1 failed");
    pending_output_finds_a_broken_pipe: |backend| {
        streams::broken_with_pending_output(backend, "EPIPE");
    };
    every_third_read_finds_a_reset: streams::broken_again_and_again;
    streams_cannot_be_ended: streams::draining_without_shutdown;
}

#[test]
fn waits_are_short_of_memory_for_a_moment() {
    on(&["poll", "select"], |backend| waits::disturbed(backend, "error=ENOMEM", "1+2"));
    on(&["poll"], |backend| waits::disturbed(backend, "error=EAGAIN", "1+2"));
}

#[test]
fn the_kernel_does_not_count_in_nanoseconds() {
    on(&["epoll"], |_| waits::without_nanoseconds("ENOSYS"));
}

#[test]
fn a_sandbox_refuses_to_count_in_nanoseconds() {
    on(&["epoll"], |_| waits::without_nanoseconds("EPERM"));
}

#[test]
fn there_is_no_memory_to_watch_a_connection() {
    on(&["epoll"], |_| watching::refused("ENOMEM"));
}

#[test]
fn the_user_may_watch_no_more_connections() {
    on(&["epoll"], |_| watching::refused("ENOSPC"));
}

#[test]
fn there_is_no_memory_to_watch_a_connection_for_something_else() {
    on(&["epoll"], |_| watching::unchanged("ENOMEM"));
}

#[test]
fn there_is_no_memory_to_disarm_the_listener() {
    on(&["epoll"], |_| watching::still_armed("ENOMEM"));
}

#[test]
fn there_is_no_memory_to_arm_the_listener() {
    on(&["epoll"], |_| watching::not_armed_again("ENOMEM"));
}

#[test]
fn there_is_no_memory_to_stop_watching_a_connection() {
    on(&["epoll"], |_| watching::still_watched("ENOMEM"));
}
