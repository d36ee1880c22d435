//! The promises of a server to every service, as a task sees them; those that concern the end of a
//! connection are in `closing.rs`, those about time in `timing.rs`.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use embassy_futures::join::join;
use selkie_async::{AsyncService, Conn, Error, TaskSlot, TaskTable, WakeFlags};
use selkie_core::layers::{Framed, Logged, Record};
use selkie_core::platform::Capabilities;
use selkie_core::{CloseReason, Instant};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, with_server};
use crate::support::{Boxed, echo, serve, serve_with};
use crate::toy::{PLATFORM, SERVER};

on_all! {
    sleeps_that_end_at_once_end_in_the_order_in_which_they_began
    the_time_is_known_while_a_task_is_polled
    a_task_that_ends_makes_room_for_a_client_that_waits
    a_message_that_never_fits_is_another_error_than_one_that_does_not_fit_now
    reading_goes_on_while_output_waits
    the_next_client_of_a_slot_begins_anew
    nothing_is_read_into_no_room_and_nothing_is_written_of_no_bytes
    a_peer_that_is_gone_is_noticed_while_its_task_does_not_read
}

fn sleeps_that_end_at_once_end_in_the_order_in_which_they_began<const KIND: u8>() {
    let (ends, end) = (RefCell::new(Vec::new()), Cell::new(Instant::ZERO));
    let task = |mut conn: Conn<'static>| {
        let (ends, end) = (&ends, &end);
        async move {
            while let Ok(Some(name)) = conn.read_line(|line| line[0]).await {
                conn.timer().sleep_until(end.get()).await;
                ends.borrow_mut().push(name);
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let clients = [rig.connected(), rig.connected(), rig.connected()];
        end.set(rig.now + Duration::from_secs(10));
        for (client, line) in [(2, b"c\n"), (0, b"a\n"), (1, b"b\n")] {
            rig.send(clients[client], line);
            rig.settle();
        }
        rig.pass(Duration::from_secs(11));
        assert_eq!(ends.take(), b"cab");
    });
}

fn the_time_is_known_while_a_task_is_polled<const KIND: u8>() {
    let times = RefCell::new(Vec::new());
    let service = AsyncService::boxed(Shape::SMALL.slots, |mut conn: Conn<'static>| {
        let times = &times;
        async move {
            while let Ok(1..) = conn.read(&mut [0; 8]).await {
                times.borrow_mut().push(conn.timer().now());
            }
        }
    });
    let clock = service.table().timer();
    crate::rig::with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        assert_eq!(clock.now(), None, "no task is polled");
        for _ in 0..2 {
            rig.now = rig.now + Duration::from_secs(60);
            rig.send(client, b"x");
            rig.settle();
            assert_eq!(times.take(), [Some(rig.now)]);
        }
    });
}

fn a_task_that_ends_makes_room_for_a_client_that_waits<const KIND: u8>() {
    serve::<_, _, KIND>(echo, |rig| {
        let clients: Vec<_> = (1..Shape::SMALL.slots).map(|_| rig.connected()).collect();
        let waiting = rig.connect();
        rig.send(waiting, b"hello");
        rig.settle();
        assert_eq!(rig.take(waiting), b"");
        rig.end(clients[1]);
        rig.settle();
        assert_eq!(rig.take(waiting), b"hello");
    });
}

fn a_message_that_never_fits_is_another_error_than_one_that_does_not_fit_now<const KIND: u8>() {
    let outcomes = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let outcomes = &outcomes;
        async move {
            let me = conn.token();
            while let Ok(1..) = conn.read(&mut [0; 8]).await {
                for message in [&[b'x'; 16][..], b"y", &[b'z'; 2_000]] {
                    let outcome = conn.send_to(me, message).await;
                    outcomes.borrow_mut().push(outcome);
                }
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connect();
        // In the output buffer, or where the platform has it, in its own.
        rig.give_room(client, if KIND == PLATFORM { 16 } else { 0 });
        rig.send(client, b"go");
        rig.settle();
        assert_eq!(outcomes.take(), [Ok(()), Err(Error::Full), Err(Error::TooLong)]);
    });
}

fn reading_goes_on_while_output_waits<const KIND: u8>() {
    let read = Cell::new(0);
    let task = |mut conn: Conn<'static>| {
        let read = &read;
        async move {
            let (mut reader, mut writer) = conn.split();
            let input = async {
                while let Ok(count @ 1..) = reader.read(&mut [0; 8]).await {
                    read.set(read.get() + count);
                }
            };
            let output = async { while writer.write_all(b"without end").await.is_ok() {} };
            join(input, output).await;
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connect();
        rig.give_room(client, 0);
        for _ in 0..50 {
            rig.send(client, &[0; 16]);
            rig.settle();
        }
        assert_eq!(read.get(), 50 * 16);
    });
}

fn the_next_client_of_a_slot_begins_anew<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        while let Ok(Some(line)) = conn.read_line(<[u8]>::to_vec).await {
            assert_eq!(conn.write_all(&line).await, Ok(()));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        for (lost, line) in [("secret", "one"), ("se", "two"), ("secrets", "three")] {
            let client = rig.connected();
            rig.send(client, lost.as_bytes());
            rig.settle();
            rig.socket(client).read_error = Some(selkie_core::ErrorKind::ConnectionReset);
            rig.settle();
            assert_eq!(rig.server.open_connections(), 0);
            let next = rig.connected();
            rig.send(next, format!("{line}\n").as_bytes());
            rig.settle();
            assert_eq!(rig.take(next), line.as_bytes());
            rig.end(next);
            rig.settle();
        }
    });
}

fn nothing_is_read_into_no_room_and_nothing_is_written_of_no_bytes<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        assert_eq!(conn.read(&mut []).await, Ok(0), "also if nothing has come");
        assert_eq!(conn.read_exact(&mut []).await, Ok(()));
        assert_eq!(conn.write(b"").await, Ok(0));
        assert_eq!(conn.write_all(b"").await, Ok(()));
        assert_eq!(conn.flush().await, Ok(()));
        echo(conn).await;
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"hello");
        rig.settle();
        assert_eq!(rig.take(client), b"hello");
    });
}

fn a_peer_that_is_gone_is_noticed_while_its_task_does_not_read<const KIND: u8>() {
    let outcomes = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let outcomes = &outcomes;
        async move {
            assert_eq!(conn.pause_reading().await, Ok(()));
            conn.sleep(Duration::from_secs(3_600)).await;
            let outcome = conn.read(&mut [0; 8]).await;
            outcomes.borrow_mut().push(outcome);
        }
    };
    for capability in [Capabilities::HANGUP, Capabilities::CHECK] {
        serve::<_, _, KIND>(task, |rig| {
            rig.event_loop.platform.capabilities = capability;
            let client = rig.connected();
            rig.pass(Duration::from_secs(60));
            assert_eq!(rig.closed(client), None, "a live peer is never closed");
            rig.socket(client).hung_up = true;
            rig.pass(Duration::from_secs(6));
            assert_eq!(rig.closed_for(CloseReason::Reset), 1);
            assert_eq!(rig.server.open_connections(), 0);
        });
        assert_eq!(outcomes.take(), [], "it was asleep, and is dropped at its next wait");
    }
}

#[test]
fn the_writes_of_one_poll_are_gathered() {
    let task = |mut conn: Conn<'static>| async move {
        while let Ok(1..) = conn.read(&mut [0; 8]).await {
            for _ in 0..10 {
                assert_eq!(conn.write_all(b"x").await, Ok(()));
            }
        }
    };
    serve::<_, _, SERVER>(task, |rig| {
        let client = rig.connected();
        let writes = rig.socket(client).writes;
        rig.send(client, b"go");
        rig.settle();
        assert_eq!(rig.take(client), b"xxxxxxxxxx");
        assert_eq!(rig.socket(client).writes - writes, 2, "the first, and the others together");
    });
}

#[test]
fn a_server_of_paused_tasks_has_something_to_wait_for() {
    let task = |mut conn: Conn<'static>| async move {
        assert_eq!(conn.pause_reading().await, Ok(()));
        std::future::pending::<()>().await;
        drop(conn);
    };
    serve_with::<_, _, SERVER>(UNLIMITED, task, |rig| {
        rig.event_loop.platform.capabilities = Capabilities::CHECK;
        for _ in 1..Shape::SMALL.slots {
            rig.connected();
        }
        assert!(rig.turn().is_some(), "the peers are checked");
    });
}

#[test]
#[should_panic(expected = "a table of 3 slots has memory for 2 futures")]
fn sizes_that_do_not_agree_are_told_at_start() {
    static WAKES: WakeFlags<1> = WakeFlags::new();

    let slots = [const { TaskSlot::new() }; 3];
    let table = TaskTable::new(&slots, WAKES.wakes());
    let futures = std::pin::pin!([const { None }; 2]);
    let _ = AsyncService::new(&table, futures, echo);
}

#[test]
#[should_panic(expected = "the loop has 6 slots, and the service only 5")]
fn a_loop_with_more_slots_than_its_tasks_is_refused_at_start() {
    let service = Boxed::boxed(Shape::SMALL.slots - 1, echo);
    let service = Logged::new(Framed::new(service), |_: &Record| {});
    with_server::<_, SERVER>(Shape::SMALL, UNLIMITED, service, |_| {});
}
