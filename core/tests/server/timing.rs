//! The service's own timers: what moves them, and what must not.

use core::time::Duration;

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, just_before, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::PLATFORM;

const TICK: Duration = Duration::from_nanos(1);

on_all! {
    a_timer_that_each_call_moves_fires_once_nothing_new_has_come
    a_timer_fires_although_the_input_buffer_is_full
    a_timer_fires_in_a_drain_that_waits_for_room
}

/// Moves the timer in each call, and takes nothing: the message is not complete.
fn waits_for_more() -> Scripted {
    let mut service = Scripted::sink();
    service.on_received = Box::new(|peer, _| {
        peer.set_timer(Duration::from_secs(5));
        0
    });
    service
}

fn timers<const KIND: u8>(rig: &Rig<'_, Scripted, KIND>) -> usize {
    rig.server.service().count(|call| matches!(call, Call::TimerExpired(_)))
}

fn a_timer_that_each_call_moves_fires_once_nothing_new_has_come<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, waits_for_more(), |rig| {
        let client = rig.connected();
        rig.send(client, b"pa");
        rig.pass(Duration::from_secs(3));
        rig.send(client, b"rt");
        rig.pass(just_before(Duration::from_secs(5)));
        assert_eq!(timers(rig), 0, "what is new moves it");
        rig.pass(TICK);
        assert_eq!(timers(rig), 1);
        // It is offered again after the timer, and so the next one is set.
        rig.pass(Duration::from_secs(50));
        assert_eq!(timers(rig), 11);
    });
}

fn a_timer_fires_although_the_input_buffer_is_full<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, waits_for_more(), |rig| {
        let client = rig.connected();
        rig.send(client, &[b'x'; 40]);
        rig.pass(Duration::from_secs(5));
        assert_eq!(timers(rig), 1);
    });
}

fn a_timer_fires_in_a_drain_that_waits_for_room<const KIND: u8>() {
    let mut service = waits_for_more();
    service.on_opened = Box::new(|peer| {
        peer.send(b"hello").unwrap();
        peer.request_writable();
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connect();
        rig.give_room(client, if KIND == PLATFORM { 5 } else { 0 });
        rig.settle();
        rig.send(client, b"part");
        rig.settle();
        let deadline = rig.now + Duration::from_secs(60);
        rig.server.drain(&mut rig.event_loop.context(), deadline);
        rig.pass(Duration::from_secs(5));
        assert_eq!(timers(rig), 1);
    });
}
