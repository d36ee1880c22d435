//! Room that comes and goes where the platform owns the buffers.

use core::time::Duration;

use selkie_core::{CloseReason, Config, Event, Readiness};

use crate::rig::{Shape, UNLIMITED, just_before, with_server};
use crate::scripted::Scripted;
use crate::toy::PLATFORM;

const STALL: Duration = Duration::from_secs(1);

fn stalls_after_a_second() -> Config {
    UNLIMITED.stall_timeout(Some(STALL))
}

#[test]
fn input_is_offered_again_although_room_was_regained_before_the_callback_ended() {
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 4);
        rig.socket(client).refill = Some(100);
        rig.send(client, b"abcdefgh");
        rig.settle();
        assert_eq!(rig.take(client), b"abcdefgh");
    });
}

#[test]
fn who_left_its_input_for_too_little_room_is_offered_it_when_there_is_more() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| {
        // It answers with all or nothing, and does not try to send what does not fit.
        if peer.room() < bytes.len() {
            return 0;
        }
        peer.send(bytes).map_or(0, |()| bytes.len())
    });
    with_server::<_, PLATFORM>(Shape::SMALL, stalls_after_a_second(), service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 4);
        rig.send(client, b"abcdefgh");
        rig.pass(3 * STALL);
        assert_eq!(rig.take(client), b"");
        rig.give_room(client, 100);
        rig.pass(STALL);
        assert_eq!(rig.take(client), b"abcdefgh");
    });
}

#[test]
fn too_little_room_is_no_stall_until_there_is_none() {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, bytes| peer.send(bytes).map_or(0, |()| bytes.len()));
    with_server::<_, PLATFORM>(Shape::SMALL, stalls_after_a_second(), service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 4);
        rig.send(client, b"abcdefgh");
        rig.pass(3 * STALL);
        rig.give_room(client, 0);
        // It is tried again within a second, and then there is no room at all.
        rig.pass(just_before(STALL));
        assert_eq!(rig.closed(client), None);
        rig.pass(2 * STALL);
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
    });
}

#[test]
fn bytes_that_were_written_meanwhile_end_a_stall() {
    with_server::<_, PLATFORM>(Shape::SMALL, stalls_after_a_second(), Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 4);
        rig.send(client, b"abcdefgh");
        rig.pass(STALL / 2);
        // The peer takes bytes, and sends some: only this is reported.
        rig.give_room(client, 4);
        rig.send(client, b"ijkl");
        let event = Event { token: rig.token(client), readiness: Readiness::READABLE };
        rig.event_loop.platform.made_up.push(event);
        rig.event_loop.platform.is_silent = true;
        rig.turn();
        rig.event_loop.platform.is_silent = false;
        assert_eq!(rig.take(client), b"abcdefgh");
        rig.pass(STALL / 4 * 3);
        assert_eq!(rig.closed(client), None);
        rig.pass(STALL / 2);
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
    });
}
