//! Signals during a wait.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use selkie_core::Instant;
use selkie_core::platform::Wait;
use selkie_std::selectors::Backend;

use crate::{TOKEN, check, events_of, pipe, watching};

/// Makes `handler` the handler of a signal.
fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all bits zero is a valid value of this struct: no flags, and an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the action is valid for the call, and the handlers of these tests only make calls
    // that are safe in one.
    check(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) });
}

/// Runs `wait` while another thread sends a signal to this one every few milliseconds.
fn with_signals(signal: libc::c_int, wait: impl FnOnce()) {
    /// A thread's name, which may be sent to another thread.
    struct Target(libc::pthread_t);
    // SAFETY: the name of a thread is valid in all threads.
    unsafe impl Send for Target {}

    // SAFETY: the call has no preconditions.
    let target = Target(unsafe { libc::pthread_self() });
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let target = &target;
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
                // SAFETY: the target waits for this thread before it ends.
                unsafe { libc::pthread_kill(target.0, signal) };
            }
        });
        wait();
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_signal_ends_a_wait_early_and_without_events() {
    static FLAG: AtomicBool = AtomicBool::new(false);

    extern "C" fn set_flag(_signal: libc::c_int) {
        FLAG.store(true, Ordering::Relaxed);
    }

    handle(libc::SIGUSR1, set_flag);
    for &backend in Backend::available() {
        for has_deadline in [false, true] {
            let (reader, _writer) = pipe();
            let mut selector = watching(backend, reader.as_fd());
            let deadline = has_deadline.then(|| selector.now() + Duration::from_secs(3600));
            FLAG.store(false, Ordering::Relaxed);
            with_signals(libc::SIGUSR1, || {
                // A signal may arrive between two waits, and then ends none.
                while !FLAG.load(Ordering::Relaxed) {
                    let events = events_of(|events| selector.wait(events, deadline).unwrap());
                    assert_eq!(events, [], "{backend}");
                }
            });
        }
    }
}

#[test]
fn a_wait_interrupted_past_its_deadline_reports_what_is_ready() {
    static WRITER: AtomicI32 = AtomicI32::new(-1);
    static CALLS: AtomicU64 = AtomicU64::new(0);

    /// Stays for longer than the wait, and then makes its source ready.
    extern "C" fn stay_and_write(_signal: libc::c_int) {
        if CALLS.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let time = libc::timespec { tv_sec: 0, tv_nsec: 150_000_000 };
        // SAFETY: the time is valid for the call, and the byte for a read. Both calls are allowed
        // in a handler.
        unsafe {
            libc::nanosleep(&raw const time, std::ptr::null_mut());
            libc::write(WRITER.load(Ordering::Relaxed), c"x".as_ptr().cast(), 1);
        }
    }

    handle(libc::SIGUSR2, stay_and_write);
    for &backend in Backend::available() {
        let (reader, writer) = pipe();
        let mut selector = watching(backend, reader.as_fd());
        WRITER.store(writer.as_raw_fd(), Ordering::Relaxed);
        CALLS.store(0, Ordering::Relaxed);
        let mut seen = Vec::new();
        with_signals(libc::SIGUSR2, || {
            // On a busy machine a wait may end before the first signal.
            while CALLS.load(Ordering::Relaxed) == 0 {
                let deadline = selector.now() + Duration::from_millis(100);
                seen = events_of(|events| selector.wait(events, Some(deadline)).unwrap());
            }
        });
        let tokens: Vec<_> = seen.iter().map(|event| event.token).collect();
        assert_eq!(tokens, [TOKEN], "{backend} judged a ready source late");
    }
}

#[test]
fn a_deadline_that_has_passed_still_looks_once() {
    for &backend in Backend::available() {
        let (reader, mut writer) = pipe();
        writer.write_all(b"x").unwrap();
        let mut selector = watching(backend, reader.as_fd());
        let events = events_of(|events| selector.wait(events, Some(Instant::ZERO)).unwrap());
        assert_eq!(events.len(), 1, "{backend}");
    }
}
