//! Input that the service leaves: until when, and what it costs others.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use selkie_core::platform::Close;
use selkie_core::{CloseReason, Config, ErrorKind, Peer, Readiness};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, just_before, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{PLATFORM, SERVER};

/// Pauses reading, as a whole call of the service.
fn pause(peer: &mut Peer<'_>) {
    peer.pause_reading();
}

const SECOND: Duration = Duration::from_secs(1);
const INPUT: Config = UNLIMITED.input_timeout(Some(Duration::from_secs(2)));

on_all! {
    a_piece_of_a_message_may_wait_for_longer_than_the_input_timeout
    a_paused_service_may_leave_a_full_input_buffer_for_longer_than_the_input_timeout
    a_service_that_takes_a_byte_now_and_then_keeps_its_full_input_buffer
    what_is_left_at_the_end_has_a_whole_input_timeout
    a_service_that_takes_a_byte_now_and_then_keeps_what_is_left_at_the_end
    a_service_that_finishes_is_offered_what_it_left_as_long_as_it_takes_some
    what_a_service_left_is_offered_once_more_when_it_finishes_from_outside
    what_is_left_when_a_connection_lingers_is_given_up
    a_drain_is_told_at_once_although_a_piece_is_left
    a_drain_is_told_when_all_that_had_arrived_was_offered
    a_failed_write_is_not_followed_by_an_end
    a_connection_that_closes_with_output_can_be_idle
    a_service_that_finishes_is_called_by_its_timer_before_the_close
    a_service_that_finishes_answers_all_of_its_input_as_the_peer_takes_it
    a_paused_connection_is_not_idle
    input_that_is_offered_again_and_not_taken_is_no_progress
    a_refused_service_is_offered_its_input_once_and_closed
}

fn a_piece_of_a_message_may_wait_for_longer_than_the_input_timeout<const KIND: u8>() {
    let mut service = Scripted::lines();
    service.on_opened = Box::new(|peer| peer.set_timer(SECOND * 5));
    with_server::<_, KIND>(Shape::SMALL, INPUT, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"piece");
        rig.pass(SECOND * 10);
        assert_eq!(rig.closed(client), None);
        rig.send(client, b"\n");
        rig.settle();
        assert_eq!(rig.take(client), b"piece\n");
    });
}

fn a_paused_service_may_leave_a_full_input_buffer_for_longer_than_the_input_timeout<
    const KIND: u8,
>() {
    let mut service = Scripted::lines();
    service.on_received = Box::new(|peer, _| {
        peer.pause_reading();
        peer.set_timer(SECOND * 5);
        0
    });
    with_server::<_, KIND>(Shape::SMALL, INPUT, service, |rig| {
        let client = rig.connected();
        rig.send(client, &[b'x'; 40]);
        rig.pass(SECOND * 10);
        assert_eq!(rig.closed(client), None);
    });
}

fn a_service_that_takes_a_byte_now_and_then_keeps_its_full_input_buffer<const KIND: u8>() {
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| peer.set_timer(SECOND));
    service.on_received = Box::new(|_, _| 1);
    service.on_timer_expired = Box::new(|peer| peer.set_timer(SECOND));
    with_server::<_, KIND>(Shape::SMALL, INPUT, service, |rig| {
        let client = rig.connected();
        rig.send(client, &[b'x'; 60]);
        rig.pass(SECOND * 20);
        assert_eq!(rig.closed(client), None);
    });
}

fn what_is_left_at_the_end_has_a_whole_input_timeout<const KIND: u8>() {
    let mut service = Scripted::lines();
    service.on_read_closed = Some(Box::new(|_| ()));
    with_server::<_, KIND>(Shape::SMALL, INPUT, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"piece");
        rig.pass(SECOND * 5);
        rig.end(client);
        rig.settle();
        rig.pass(just_before(SECOND * 2));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::InputNotTaken), 1);
    });
}

fn a_service_that_takes_a_byte_now_and_then_keeps_what_is_left_at_the_end<const KIND: u8>() {
    let every = Duration::from_millis(1500);
    let mut service = Scripted::sink();
    service.on_opened = Box::new(move |peer| peer.set_timer(every));
    service.on_received = Box::new(|_, _| 1);
    service.on_timer_expired = Box::new(move |peer| peer.set_timer(every));
    service.on_read_closed = Some(Box::new(|_| ()));
    with_server::<_, KIND>(Shape::SMALL, INPUT, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"012345678");
        rig.end(client);
        rig.pass(every * 5);
        assert_eq!(rig.closed(client), None);
    });
}

fn a_service_that_finishes_is_offered_what_it_left_as_long_as_it_takes_some<const KIND: u8>() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| {
        peer.close_when_finished();
        peer.send_some(&bytes[..1])
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"0123456789");
        rig.settle();
        assert_eq!(rig.take(client), b"0123456789");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

fn what_a_service_left_is_offered_once_more_when_it_finishes_from_outside<const KIND: u8>() {
    let takes = Rc::new(Cell::new(false));
    let asked = Rc::clone(&takes);
    let mut service = Scripted::sink();
    service.on_received =
        Box::new(move |peer, bytes| if asked.get() { peer.send_some(bytes) } else { 0 });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.send(client, b"hello");
        rig.settle();
        takes.set(true);
        rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| {
            peer.close_when_finished();
        });
        rig.settle();
        assert_eq!(rig.take(client), b"hello");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

fn what_is_left_when_a_connection_lingers_is_given_up<const KIND: u8>() {
    let config = UNLIMITED.linger(SECOND * 10);
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::lines(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.send(client, b"piece");
        rig.settle();
        rig.server.with(&mut rig.event_loop.context(), token, |_, peer, ()| peer.close());
        rig.settle();
        assert_eq!(rig.closed(client), None, "it lingers");
        assert_eq!(rig.server.blocks_borrowed(), 0);
        assert!(rig.socket(client).incoming.is_empty(), "a close with unread input is a reset");
        rig.end(client);
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

fn a_drain_is_told_at_once_although_a_piece_is_left<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::lines(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.send(client, b"line\npiece");
        rig.settle();
        let deadline = rig.now + SECOND * 60;
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        rig.settle();
        assert_eq!(rig.server.service().count(|call| *call == Call::Draining(token)), 1);
        assert_eq!(rig.take(client), b"line\n");
        assert_eq!(rig.closed_for(CloseReason::Drained), 1);
    });
}

fn a_drain_is_told_when_all_that_had_arrived_was_offered<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::sink(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.send(client, &[b'x'; 60]);
        let deadline = rig.now + SECOND * 60;
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        rig.settle();
        let calls = &rig.server.service().calls;
        let told = calls.iter().position(|call| *call == Call::Draining(token)).expect("it is");
        let bytes = |call: &Call| if let Call::Received(_, bytes) = call { bytes.len() } else { 0 };
        assert_eq!(calls[..told].iter().map(bytes).sum::<usize>(), 60);
    });
}

fn a_failed_write_is_not_followed_by_an_end<const KIND: u8>() {
    let mut service = Scripted::echo();
    // It takes what it cannot answer.
    service.on_received = Box::new(|peer, bytes| {
        peer.send_some(bytes);
        bytes.len()
    });
    service.on_read_closed = Some(Box::new(|_| ()));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.socket(client).write_error = Some(ErrorKind::BrokenPipe);
        rig.send(client, b"hello");
        rig.end(client);
        rig.settle();
        assert_eq!(rig.server.service().reason(token), Some(CloseReason::Reset));
        let ends = rig.server.service().count(|call| matches!(call, Call::ReadClosed(..)));
        assert_eq!(ends, 0, "it is no end of a stream, but what is left of a reset");
    });
}

fn a_connection_that_closes_with_output_can_be_idle<const KIND: u8>() {
    if KIND == PLATFORM {
        // What the platform has taken is its own to send.
        return;
    }
    let config = UNLIMITED.idle_timeout(Some(SECOND * 2));
    let mut service = Scripted::echo();
    service.on_received = Box::new(|peer, bytes| {
        let count = peer.send_some(bytes);
        peer.close();
        count
    });
    with_server::<_, KIND>(Shape::SMALL, config, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"hello");
        rig.pass(just_before(SECOND * 2));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
    });
}

#[test]
fn input_that_waits_for_room_in_the_platform_has_no_input_timeout() {
    with_server::<_, PLATFORM>(Shape::SMALL, INPUT, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, &[b'x'; 20]);
        rig.pass(SECOND * 10);
        assert_eq!(rig.closed(client), None);
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(client), [b'x'; 20]);
    });
}

#[test]
fn what_others_ask_of_a_connection_costs_it_no_read() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let (one, other) = (rig.connected(), rig.connected());
        let tokens = [rig.token(one), rig.token(other)];
        let reads = rig.socket(other).reads;
        rig.server.with(&mut rig.event_loop.context(), tokens[0], |_, peer, ()| {
            peer.shutdown_write_of(tokens[1]);
        });
        rig.settle();
        assert!(rig.socket(other).write_ended);
        assert_eq!(rig.socket(other).reads, reads);
    });
}

#[test]
fn a_service_whose_pending_output_failed_is_not_told_that_there_is_room() {
    let mut service = Scripted::echo();
    service.on_read_closed = Some(Box::new(|_| ()));
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.give_room(client, 0);
        rig.send(client, b"hello");
        rig.settle();
        rig.socket(client).write_error = Some(ErrorKind::BrokenPipe);
        rig.event_loop.platform.made_up =
            vec![selkie_core::Event { token, readiness: Readiness::WRITABLE }];
        rig.settle();
        assert_eq!(rig.server.service().count(|call| *call == Call::Writable(token)), 0);
    });
}

fn a_service_that_finishes_is_called_by_its_timer_before_the_close<const KIND: u8>() {
    let is_late = Rc::new(Cell::new(false));
    let late = Rc::clone(&is_late);
    let mut service = Scripted::sink();
    service.on_received = Box::new(move |peer, bytes| {
        if late.get() {
            return peer.send_some(bytes);
        }
        peer.set_timer(SECOND);
        peer.close_when_finished();
        0
    });
    service.on_timer_expired = Box::new(move |_| is_late.set(true));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"hello");
        rig.pass(just_before(SECOND));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.take(client), b"hello");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

fn a_service_that_finishes_answers_all_of_its_input_as_the_peer_takes_it<const KIND: u8>() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| {
        peer.close_when_finished();
        peer.send_some(bytes)
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 2);
        rig.send(client, b"0123456789abcdef");
        let mut all = Vec::new();
        for _ in 0..30 {
            rig.settle();
            all.extend(rig.take(client));
            rig.give_room(client, 2);
        }
        assert_eq!(all, b"0123456789abcdef");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

fn a_paused_connection_is_not_idle<const KIND: u8>() {
    let config = UNLIMITED.idle_timeout(Some(SECOND * 2));
    let mut service = Scripted::echo();
    service.on_opened = Box::new(|peer| {
        peer.pause_reading();
        peer.set_timer(SECOND * 5);
    });
    with_server::<_, KIND>(Shape::SMALL, config, service, |rig| {
        let client = rig.connected();
        rig.pass(SECOND * 10);
        assert_eq!(rig.closed(client), None);
    });
}

fn input_that_is_offered_again_and_not_taken_is_no_progress<const KIND: u8>() {
    let config = UNLIMITED.idle_timeout(Some(SECOND * 3));
    let mut service = Scripted::lines();
    service.on_opened = Box::new(|peer| peer.set_timer(SECOND));
    service.on_timer_expired = Box::new(|peer| peer.set_timer(SECOND));
    with_server::<_, KIND>(Shape::SMALL, config, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"piece");
        rig.settle();
        let reads = rig.socket(client).reads;
        rig.pass(SECOND * 2);
        if KIND != PLATFORM {
            // One look before each timer is judged.
            assert_eq!(rig.socket(client).reads, reads + 2, "what was left is not read again");
        }
        rig.pass(just_before(SECOND));
        assert_eq!(rig.closed(client), None);
        rig.pass(Duration::from_nanos(1));
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
    });
}

fn a_refused_service_is_offered_its_input_once_and_closed<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.socket(client).write_error = Some(ErrorKind::BrokenPipe);
        rig.send(client, b"hello");
        rig.settle();
        let offers = rig.server.service().count(|call| matches!(call, Call::Received(..)));
        assert_eq!(offers, 1);
        assert_eq!(rig.closed_for(CloseReason::Reset), 1);
    });
}

#[test]
fn what_is_taken_from_the_platform_when_offered_again_is_progress() {
    let config = UNLIMITED.idle_timeout(Some(SECOND * 3));
    let is_late = Rc::new(Cell::new(false));
    let late = Rc::clone(&is_late);
    let mut service = Scripted::sink();
    service.on_opened = Box::new(|peer| peer.set_timer(SECOND * 2));
    service.on_received = Box::new(move |_, bytes| if late.get() { bytes.len() } else { 0 });
    service.on_timer_expired = Box::new(move |_| is_late.set(true));
    with_server::<_, PLATFORM>(Shape::SMALL, config, service, |rig| {
        let client = rig.connected();
        rig.send(client, b"hello");
        rig.pass(SECOND * 4);
        assert_eq!(rig.closed(client), None);
        rig.pass(SECOND);
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
    });
}

#[test]
fn a_full_platform_is_waited_for_only_if_input_was_left() {
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.give_room(client, 5);
        rig.send(client, b"hello");
        rig.settle();
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.server.service().count(|call| *call == Call::Writable(token)), 0);
    });
}

#[test]
fn a_platform_that_cannot_tell_if_a_peer_is_gone_costs_no_connection() {
    let mut service = Scripted::echo();
    service.on_opened = Box::new(pause);
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.socket(client).can_check = false;
        rig.pass(SECOND * 20);
        assert!(rig.socket(client).checks > 0, "it was asked");
        assert_eq!(rig.closed(client), None);
    });
}
