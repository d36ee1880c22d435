//! Tasks that do what they should not: the outcome is stated, and the others go on.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use selkie_async::{Conn, Error};
use selkie_core::CloseReason;

use crate::on_all;
use crate::rig::UNLIMITED;
use crate::support::{echo, serve, serve_with};

on_all! {
    a_task_that_panics_is_dropped_and_its_connection_reset
    the_others_go_on_after_a_task_that_does_not_wait_for_long
    a_task_that_is_never_woken_is_timed_out
    a_task_that_takes_nothing_of_a_full_input_buffer_is_timed_out
    a_task_that_ignores_errors_does_not_stop_the_loop
    a_task_that_ignores_the_end_does_not_stop_the_loop
    a_read_across_a_reset_ends_with_an_error_and_the_task_goes_on_to_its_end
    a_task_that_waits_after_its_connection_is_closed_is_dropped
}

/// Says that it was dropped.
struct Dropped<'d>(&'d Cell<u32>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn a_task_that_panics_is_dropped_and_its_connection_reset<const KIND: u8>() {
    let drops = Cell::new(0);
    let task = |mut conn: Conn<'static>| {
        let drops = &drops;
        async move {
            let _dropped = Dropped(drops);
            while let Ok(Some(line)) = conn.read_line(<[u8]>::to_vec).await {
                assert_ne!(line, b"panic", "as it was told");
                assert_eq!(conn.write_all(&line).await, Ok(()));
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let clients = [rig.connected(), rig.connected()];
        rig.send(clients[0], b"panic\n");
        assert!(catch_unwind(AssertUnwindSafe(|| rig.turn())).is_err());
        assert_eq!(drops.get(), 1);
        rig.settle();
        assert_eq!(rig.closed(clients[0]), Some(selkie_core::platform::Close::Abort));
        rig.send(clients[1], b"hello\n");
        rig.settle();
        assert_eq!(rig.take(clients[1]), b"hello");
        let next = rig.connected();
        rig.send(next, b"again\n");
        rig.settle();
        assert_eq!(rig.take(next), b"again");
    });
}

fn a_task_that_is_never_woken_is_timed_out<const KIND: u8>() {
    let drops = Cell::new(0);
    let task = |conn: Conn<'static>| {
        let drops = &drops;
        async move {
            let (_conn, _dropped) = (conn, Dropped(drops));
            pending::<()>().await;
        }
    };
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(10)));
    serve_with::<_, _, KIND>(config, task, |rig| {
        rig.connected();
        rig.pass(Duration::from_secs(11));
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
        assert_eq!(drops.get(), 1);
    });
}

fn a_task_that_takes_nothing_of_a_full_input_buffer_is_timed_out<const KIND: u8>() {
    let task = |conn: Conn<'static>| async move {
        let _conn = conn;
        pending::<()>().await;
    };
    let config = UNLIMITED.input_timeout(Some(Duration::from_secs(10)));
    serve_with::<_, _, KIND>(config, task, |rig| {
        let client = rig.connected();
        rig.send(client, &[0; 100]);
        rig.pass(Duration::from_secs(30));
        assert_eq!(rig.closed_for(CloseReason::InputNotTaken), 1);
    });
}

fn a_task_that_ignores_errors_does_not_stop_the_loop<const KIND: u8>() {
    let calls = Cell::new(0);
    let task = |mut conn: Conn<'static>| {
        let calls = &calls;
        async move {
            loop {
                let _ = conn.write_all(b"x").await;
                let _ = conn.read(&mut [0; 8]).await;
                calls.set(calls.get() + 1);
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"hello");
        rig.settle();
        rig.socket(client).read_error = Some(selkie_core::ErrorKind::ConnectionReset);
        rig.settle();
        assert_eq!(rig.server.open_connections(), 0);
        assert!(calls.get() < 100, "{}", calls.get());
    });
}

fn a_task_that_ignores_the_end_does_not_stop_the_loop<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        loop {
            let _ = conn.read(&mut [0; 8]).await;
        }
    };
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(10)));
    serve_with::<_, _, KIND>(config, task, |rig| {
        let client = rig.connected();
        rig.end(client);
        for _ in 0..100 {
            rig.turn();
        }
        rig.now = rig.now + Duration::from_secs(11);
        for _ in 0..100 {
            rig.turn();
        }
        assert_eq!(rig.closed_for(CloseReason::Idle), 1);
    });
}

fn a_read_across_a_reset_ends_with_an_error_and_the_task_goes_on_to_its_end<const KIND: u8>() {
    let outcomes = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let outcomes = &outcomes;
        async move {
            let read = conn.read(&mut [0; 8]).await;
            let write = conn.write(b"x").await;
            outcomes.borrow_mut().push((read, write));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.socket(client).read_error = Some(selkie_core::ErrorKind::ConnectionReset);
        rig.settle();
        assert_eq!(outcomes.take(), [(Err(Error::Closed), Err(Error::Closed))]);
        assert_eq!(rig.closed_for(CloseReason::Reset), 1);
    });
}

fn a_task_that_waits_after_its_connection_is_closed_is_dropped<const KIND: u8>() {
    let drops = Cell::new(0);
    let task = |conn: Conn<'static>| {
        let drops = &drops;
        async move {
            let _dropped = Dropped(drops);
            let timer = conn.timer();
            echo(conn).await;
            timer.sleep(Duration::from_secs(1_000)).await;
            unreachable!("its connection is closed by then");
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"hello");
        rig.end(client);
        rig.settle();
        assert_eq!(rig.take(client), b"hello");
        assert!(rig.closed(client).is_some());
        assert_eq!(drops.get(), 1);
        rig.pass(Duration::from_secs(2_000));
    });
}

fn the_others_go_on_after_a_task_that_does_not_wait_for_long<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        while let Ok(Some(line)) = conn.read_line(<[u8]>::to_vec).await {
            // As long as this takes, nothing else is served.
            let rounds = if line == b"busy" { 100_000 } else { 0 };
            let sum = (0..rounds).fold(0_u64, |sum, round| std::hint::black_box(sum ^ round));
            assert_eq!(sum, 0);
            assert_eq!(conn.write_all(&line).await, Ok(()));
        }
    };
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(10)));
    serve_with::<_, _, KIND>(config, task, |rig| {
        let clients = [rig.connected(), rig.connected()];
        rig.pass(Duration::from_secs(9));
        rig.send(clients[0], b"busy\n");
        rig.send(clients[1], b"hello\n");
        // The time has passed meanwhile.
        rig.now = rig.now + Duration::from_secs(60);
        rig.settle();
        assert_eq!(rig.take(clients[0]), b"busy");
        assert_eq!(rig.take(clients[1]), b"hello");
        assert_eq!(rig.server.open_connections(), 2, "who has sent is served");
    });
}
