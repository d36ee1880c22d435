//! The ends of connections, and the server's promises about them.

use std::time::Duration;

use selkie_async::{Conn, Error};
use selkie_core::platform::Close;
use selkie_core::{CloseReason, ErrorKind};

use crate::on_all;
use crate::rig::UNLIMITED;
use crate::support::{echo, serve, serve_with};

on_all! {
    a_task_that_returns_sends_what_is_pending_first
    closing_within_a_task_closes_after_what_was_written
    aborting_throws_away_what_is_pending
    a_failed_write_does_not_end_reading
    a_half_closed_client_gets_its_whole_reply
    draining_ends_reading_when_all_is_read
    draining_waits_for_a_reply_in_progress
    a_stalled_client_is_closed_and_its_task_told
}

fn a_task_that_returns_sends_what_is_pending_first<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        assert_eq!(conn.write_all(b"0123456789").await, Ok(()));
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connect();
        rig.give_room(client, 3);
        rig.settle();
        let mut received = rig.take(client);
        while rig.closed(client).is_none() {
            rig.give_room(client, 3);
            rig.pass(Duration::from_secs(1));
            received.extend(rig.take(client));
        }
        assert_eq!(received, b"0123456789");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

fn closing_within_a_task_closes_after_what_was_written<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let _ = conn.read(&mut [0; 8]).await;
        assert_eq!(conn.write_all(b"bye").await, Ok(()));
        conn.close();
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"quit");
        rig.settle();
        assert_eq!(rig.take(client), b"bye");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
    });
}

fn aborting_throws_away_what_is_pending<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let _ = conn.read(&mut [0; 8]).await;
        conn.abort();
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"quit");
        rig.settle();
        assert_eq!(rig.closed(client), Some(Close::Abort));
        assert_eq!(rig.closed_for(CloseReason::Aborted), 1);
    });
}

fn a_failed_write_does_not_end_reading<const KIND: u8>() {
    let read = std::cell::RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let read = &read;
        async move {
            let mut buffer = [0; 5];
            let mut errors = 0;
            while let Ok(count @ 1..) = conn.read(&mut buffer).await {
                read.borrow_mut().extend_from_slice(&buffer[..count]);
                errors += usize::from(conn.write_all(b"ok").await == Err(Error::Closed));
            }
            assert!(errors > 0, "a write has failed");
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.socket(client).write_error = Some(ErrorKind::ConnectionReset);
        rig.send(client, b"all of these bytes were received");
        rig.end(client);
        rig.settle();
        assert_eq!(read.take(), b"all of these bytes were received");
        assert_eq!(rig.server.open_connections(), 0);
    });
}

fn a_half_closed_client_gets_its_whole_reply<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let mut sum = 0;
        let mut buffer = [0; 8];
        while let Ok(count @ 1..) = conn.read(&mut buffer).await {
            sum += count;
        }
        for _ in 0..sum {
            assert_eq!(conn.write_all(b"reply ").await, Ok(()));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        rig.send(client, b"0123456789");
        rig.end(client);
        rig.settle();
        let mut received = Vec::new();
        while rig.closed(client).is_none() {
            rig.give_room(client, 5);
            rig.pass(Duration::from_secs(1));
            received.extend(rig.take(client));
        }
        assert_eq!(received, b"reply ".repeat(10));
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

fn draining_ends_reading_when_all_is_read<const KIND: u8>() {
    serve::<_, _, KIND>(echo, |rig| {
        let client = rig.connected();
        rig.send(client, b"sent before the drain");
        let deadline = rig.now + Duration::from_secs(10);
        rig.server.drain(&mut rig.event_loop.context_at(rig.now), deadline);
        rig.settle();
        assert_eq!(rig.take(client), b"sent before the drain");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
        assert!(rig.server.is_drained());
    });
}

fn draining_waits_for_a_reply_in_progress<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        while let Ok(1..) = conn.read(&mut [0; 8]).await {
            conn.sleep(Duration::from_secs(3)).await;
            assert!(conn.is_draining());
            assert_eq!(conn.write_all(b"reply").await, Ok(()));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"request");
        rig.settle();
        let deadline = rig.now + Duration::from_secs(10);
        rig.server.drain(&mut rig.event_loop.context_at(rig.now), deadline);
        rig.pass(Duration::from_secs(2));
        assert!(rig.closed(client).is_none());
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.take(client), b"reply");
        assert_eq!(rig.closed(client), Some(Close::Graceful));
        assert!(rig.server.is_drained());
    });
}

fn a_stalled_client_is_closed_and_its_task_told<const KIND: u8>() {
    let outcomes = std::cell::RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let outcomes = &outcomes;
        async move {
            let outcome = conn.write_all(&[0; 100]).await;
            outcomes.borrow_mut().push(outcome);
        }
    };
    let config = UNLIMITED.stall_timeout(Some(Duration::from_secs(10)));
    serve_with::<_, _, KIND>(config, task, |rig| {
        let client = rig.connect();
        rig.give_room(client, 0);
        rig.pass(Duration::from_secs(30));
        assert_eq!(outcomes.take(), [Err(Error::Closed)]);
        assert_eq!(rig.closed_for(CloseReason::Stalled), 1);
    });
}
