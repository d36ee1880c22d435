//! A source that is dropped, leaked or registered again while its poll is pending.

use std::time::Instant as Time;

use super::polls::State;
use super::*;
use crate::sys::io;
use crate::sys::source::OwnedSource;
use crate::sys::testing::{lend, pair};

/// The first token of a test, and its successor in the same slot.
const TOKEN: Token = Token::new(0, 1);
const HEIR: Token = Token::new(0, 2);

/// The time that a test waits for what is going to happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns a selector that watches `source` for reading, by a poll that is pending.
fn watching(source: &OwnedSource) -> Afd<'_> {
    let mut selector = Afd::new(2).unwrap();
    selector.register(lend(source), TOKEN, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(polled(&mut selector), []);
    assert_eq!(selector.polls.state(0), State::Pending);
    selector
}

/// Returns what is ready now.
fn polled(selector: &mut Afd<'_>) -> Vec<Event> {
    let mut slots = [Event::EMPTY; 4];
    let mut events = Events::new(&mut slots);
    selector.poll(Instant::ZERO, &mut events).unwrap();
    events.as_slice().to_vec()
}

/// Waits until something is ready, and returns it.
fn waited(selector: &mut Afd<'_>) -> Vec<Event> {
    let mut slots = [Event::EMPTY; 4];
    let mut events = Events::new(&mut slots);
    selector.wait_for(&mut events, PATIENCE).unwrap();
    events.as_slice().to_vec()
}

/// Lends a source to a selector that may outlast it. Each test says when it is closed.
fn lend_unchecked(source: &OwnedSource) -> BorrowedSource<'static> {
    // SAFETY: a selector passes the number of a source on to the system only, which refuses one
    // that is closed. Only sources of the same test are watched under it.
    unsafe { crate::sys::source::borrowed(raw(source)) }
}

fn send(source: &OwnedSource) {
    assert_eq!(io::send(raw(source), b"x"), 1);
}

#[test]
fn a_cancelled_poll_has_its_memory_until_its_completion_was_taken() {
    let (near, far) = pair();
    let (other, other_far) = pair();
    let mut selector = watching(&near);
    selector.deregister(lend(&near), TOKEN).unwrap();
    assert_eq!(selector.polls.state(0), State::Cancelling);
    selector.register(lend(&other), HEIR, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(selector.polls.state(0), State::Cancelling, "its memory is not used again yet");
    // What the old source receives is reported to no token.
    send(&far);
    send(&other_far);
    let expected = [Event { token: HEIR, readiness: Readiness::READABLE }];
    assert_eq!(waited(&mut selector), expected);
}

#[test]
fn the_same_source_can_be_registered_again_at_once() {
    let (near, far) = pair();
    let mut selector = watching(&near);
    for round in 1..100 {
        selector.deregister(lend(&near), Token::new(0, round)).unwrap();
        let token = Token::new(0, round + 1);
        selector.register(lend(&near), token, Interest::READABLE, Mode::Level).unwrap();
    }
    assert_eq!(polled(&mut selector), []);
    send(&far);
    let expected = [Event { token: Token::new(0, 100), readiness: Readiness::READABLE }];
    assert_eq!(waited(&mut selector), expected);
}

#[test]
fn a_completion_that_waits_in_the_port_is_dropped_with_its_registration() {
    let (near, far) = pair();
    let mut selector = watching(&near);
    send(&far);
    selector.deregister(lend(&near), TOKEN).unwrap();
    selector.register(lend(&near), HEIR, Interest::WRITABLE, Mode::Level).unwrap();
    let expected = [Event { token: HEIR, readiness: Readiness::WRITABLE }];
    assert_eq!(waited(&mut selector), expected);
}

#[test]
fn a_source_that_is_closed_after_its_deregistration_ends_its_poll() {
    let (near, _far) = pair();
    let (other, other_far) = pair();
    let mut selector = Afd::new(2).unwrap();
    let lent = lend_unchecked(&near);
    selector.register(lent, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(polled(&mut selector), []);
    selector.deregister(lent, TOKEN).unwrap();
    drop(near);
    selector.register(lend(&other), HEIR, Interest::READABLE, Mode::Level).unwrap();
    send(&other_far);
    let expected = [Event { token: HEIR, readiness: Readiness::READABLE }];
    assert_eq!(waited(&mut selector), expected);
}

#[test]
fn a_socket_that_is_closed_while_its_poll_is_pending_is_reported_under_its_own_token() {
    let (near, _far) = pair();
    let (other, other_far) = pair();
    let mut selector = Afd::new(2).unwrap();
    let lent = lend_unchecked(&near);
    selector.register(lent, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    let beside = Token::new(1, 1);
    selector.register(lend(&other), beside, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(polled(&mut selector), []);
    drop(near);
    assert_eq!(waited(&mut selector), [Event { token: TOKEN, readiness: Readiness::ERROR }]);
    selector.deregister(lent, TOKEN).unwrap();
    send(&other_far);
    let expected = [Event { token: beside, readiness: Readiness::READABLE }];
    assert_eq!(waited(&mut selector), expected);
}

#[test]
fn a_closed_socket_is_not_mistaken_for_the_next_one_with_its_number() {
    let mut selector = Afd::new(2).unwrap();
    for round in 1..100 {
        let (near, far) = pair();
        let lent = lend_unchecked(&near);
        let token = Token::new(0, 2 * round);
        selector.register(lent, token, Interest::READABLE, Mode::Level).unwrap();
        assert_eq!(polled(&mut selector), []);
        selector.deregister(lent, token).unwrap();
        // Its poll is being cancelled when the system gives its number to the next one.
        drop((near, far));
        let (next, next_far) = pair();
        let heir = Token::new(0, 2 * round + 1);
        let lent = lend_unchecked(&next);
        selector.register(lent, heir, Interest::READABLE, Mode::Level).unwrap();
        assert_eq!(polled(&mut selector), [], "nothing was sent yet");
        send(&next_far);
        let expected = [Event { token: heir, readiness: Readiness::READABLE }];
        assert_eq!(waited(&mut selector), expected);
        selector.deregister(lent, heir).unwrap();
    }
}

#[test]
fn a_source_that_is_leaked_while_its_poll_is_pending_can_be_registered_again() {
    let (near, far) = pair();
    let lent = lend_unchecked(&near);
    let mut selector = Afd::new(2).unwrap();
    selector.register(lent, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(polled(&mut selector), []);
    std::mem::forget(near);
    selector.deregister(lent, TOKEN).unwrap();
    assert_eq!(selector.polls.state(0), State::Cancelling);
    selector.register(lent, HEIR, Interest::READABLE, Mode::Level).unwrap();
    send(&far);
    assert_eq!(waited(&mut selector), [Event { token: HEIR, readiness: Readiness::READABLE }]);
    // Its next poll is pending, or has completed, when the selector goes.
    assert_eq!(polled(&mut selector).len(), 1);
    assert!(selector.polls.finish_all(&selector.port), "the kernel has no poll of it any more");
}

#[test]
fn a_selector_that_is_dropped_takes_back_every_poll() {
    let pairs: Vec<_> = (0..100).map(|_| pair()).collect();
    let mut selector = Afd::new(100).unwrap();
    for (index, (near, _)) in (0..).zip(&pairs) {
        let token = Token::new(index, 1);
        selector.register(lend(near), token, Interest::READABLE, Mode::Level).unwrap();
    }
    assert_eq!(polled(&mut selector), []);
    let start = Time::now();
    assert!(selector.polls.finish_all(&selector.port));
    assert!((0..100).all(|index| selector.polls.state(index) == State::Idle));
    drop(selector);
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn the_kernel_has_no_poll_of_a_selector_that_was_dropped() {
    let (near, _far) = pair();
    let operations = Box::leak(Box::new([const { AfdOperation::EMPTY }; 2]));
    let start = operations.as_mut_ptr();
    let mut selector = Afd::in_memory(operations).unwrap();
    let port = Arc::clone(&selector.port);
    selector.register(lend(&near), TOKEN, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(polled(&mut selector), []);
    // SAFETY: the memory is lent without end, and the kernel alone writes into it.
    assert!(unsafe { afd::is_pending(start) });
    drop(selector);
    // SAFETY: as above; the selector was the last that used it.
    assert!(!unsafe { afd::is_pending(start) });
    // Closing the device completes a poll too, but late; so the drop waits for the completion.
    assert_eq!(port.take(&mut [Packet::EMPTY; 4], Some(Duration::ZERO)), Ok(0));
}

#[test]
fn the_memory_of_a_forgotten_selector_stays() {
    let (near, far) = pair();
    let operations = Box::leak(Box::new([const { AfdOperation::EMPTY }; 2]));
    let start = operations.as_mut_ptr();
    let lent = lend_unchecked(&near);
    let mut selector = Afd::in_memory(operations).unwrap();
    selector.register(lent, TOKEN, Interest::READABLE, Mode::Level).unwrap();
    assert_eq!(polled(&mut selector), []);
    std::mem::forget(selector);
    // The poll completes into memory that is still there.
    send(&far);
    let start_of_wait = Time::now();
    // SAFETY: the kernel writes into the memory, which is lent without end; nothing else does.
    while unsafe { afd::is_pending(start) } && start_of_wait.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    drop(near);
    let (near, far) = pair();
    let mut selector = watching(&near);
    send(&far);
    assert_eq!(waited(&mut selector).len(), 1);
}

#[test]
fn an_interest_that_shrinks_and_grows_while_its_poll_is_pending_is_obeyed() {
    let (near, far) = pair();
    let mut selector = watching(&near);
    selector.modify(lend(&near), TOKEN, Interest::NONE, Mode::Level).unwrap();
    send(&far);
    assert_eq!(polled(&mut selector), []);
    for interest in
        [Interest::WRITABLE, Interest::READABLE, Interest::READABLE | Interest::WRITABLE]
    {
        selector.modify(lend(&near), TOKEN, interest, Mode::Level).unwrap();
        let readiness = Readiness::from_bits(u32::from(interest.bits()));
        assert_eq!(waited(&mut selector), [Event { token: TOKEN, readiness }]);
    }
}

#[test]
fn wakes_of_a_waker_that_was_given_back_are_dropped() {
    let mut selector = Afd::new(2).unwrap();
    let old = selector.waker(TOKEN).unwrap();
    old.wake();
    selector.release_waker(TOKEN).unwrap();
    let new = selector.waker(HEIR).unwrap();
    old.wake();
    assert_eq!(polled(&mut selector), []);
    for _ in 0..3 {
        new.wake();
        new.wake();
        let expected = [Event { token: HEIR, readiness: Readiness::READABLE }];
        assert_eq!(polled(&mut selector), expected);
        assert_eq!(polled(&mut selector), []);
    }
}
