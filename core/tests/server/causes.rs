//! Nothing happens without a cause: no reads, no writes, no offers, no deadlines.

use core::time::Duration;

use selkie_core::{Event, Readiness, SendError};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::scripted::{Call, Scripted};
use crate::toy::{Handle, PLATFORM, SERVER};

on_all! {
    without_limits_there_are_no_deadlines
    a_writable_event_reads_nothing
    a_held_piece_is_not_offered_again
    more_than_the_room_is_refused_whole
}

fn offers<const KIND: u8>(rig: &Rig<'_, Scripted, KIND>) -> usize {
    rig.server.service().count(|call| matches!(call, Call::Received(..)))
}

fn report<const KIND: u8>(rig: &mut Rig<'_, Scripted, KIND>, client: Handle, readiness: Readiness) {
    let token = rig.token(client);
    rig.event_loop.platform.made_up.push(Event { token, readiness });
    rig.settle();
}

fn without_limits_there_are_no_deadlines<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.send(client, b"hello");
        rig.end(client);
        rig.settle();
        assert_eq!(rig.take(client), b"hello");
        assert_eq!(rig.event_loop.counters().deadlines, 0);
    });
}

fn a_writable_event_reads_nothing<const KIND: u8>() {
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        report(rig, client, Readiness::WRITABLE);
        assert_eq!(rig.socket(client).reads, 0);
        report(rig, client, Readiness::READABLE | Readiness::WRITABLE);
        assert_eq!(rig.socket(client).reads, 1);
        assert_eq!(rig.server.counters().reads_spurious, 1);
    });
}

fn a_held_piece_is_not_offered_again<const KIND: u8>() {
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(10)));
    with_server::<_, KIND>(Shape::SMALL, config, Scripted::lines(), |rig| {
        let client = rig.connected();
        // Where the platform keeps what waits, exactly as much room as there are bytes.
        rig.give_room(client, 2);
        rig.send(client, b"a");
        rig.settle();
        rig.pass(Duration::from_secs(5));
        rig.send(client, b"b");
        rig.settle();
        assert_eq!(offers(rig), 2);
        if KIND != PLATFORM {
            report(rig, client, Readiness::WRITABLE);
        }
        rig.pass(Duration::from_secs(9));
        assert_eq!(
            offers(rig),
            2,
            "it was judged, since it may have been idle, but no byte had arrived"
        );
        assert_eq!(rig.closed(client), None);
    });
}

fn more_than_the_room_is_refused_whole<const KIND: u8>() {
    let mut service = Scripted::echo();
    service.on_received = Box::new(|peer, bytes| {
        let ever = KIND == PLATFORM;
        let error = if ever { SendError::Full } else { SendError::TooLong };
        assert_eq!(peer.send(&[0; 17]), Err(error));
        bytes.len()
    });
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 16);
        rig.send(client, b"x");
        rig.settle();
        assert_eq!(rig.take(client), b"");
        assert_eq!(rig.closed(client), None);
    });
}

#[test]
fn what_does_not_fit_the_output_buffer_waits_until_it_drains() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::lines(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"0123456789ab\n");
        rig.settle();
        rig.send(client, b"abcd\n");
        rig.settle();
        assert_eq!(offers(rig), 2);
        rig.pass(Duration::from_secs(1));
        assert_eq!(offers(rig), 2);
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(client), b"0123456789ab\nabcd\n");
    });
}

#[test]
fn a_peer_with_pending_output_is_read_while_there_is_room() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        for text in [b"abc", b"def"] {
            rig.send(client, text);
            rig.settle();
            assert!(rig.socket(client).incoming.is_empty());
        }
        assert_eq!(
            rig.server.counters().blocks_max,
            1,
            "nothing is held, so there is an output buffer and no input buffer"
        );
        rig.give_room(client, usize::MAX);
        rig.settle();
        assert_eq!(rig.take(client), b"abcdef");
    });
}

#[test]
fn an_output_buffer_is_written_once_for_each_of_its_pieces() {
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, Scripted::echo(), |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"0123456789ab");
        rig.settle();
        let writes = rig.socket(client).writes;
        rig.give_room(client, 8);
        rig.turn();
        assert_eq!(rig.take(client), b"01234567");
        assert_eq!(
            rig.socket(client).writes,
            writes + 1,
            "the platform took a part, and is not asked again"
        );
        rig.send(client, b"cdefghij");
        rig.settle();
        let writes = rig.socket(client).writes;
        rig.give_room(client, usize::MAX);
        rig.turn();
        assert_eq!(rig.take(client), b"89abcdefghij", "all that waits in one turn");
        assert_eq!(rig.socket(client).writes, writes + 1, "and in one call");
    });
}
