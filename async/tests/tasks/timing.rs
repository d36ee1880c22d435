//! Sleeping and timeouts.

use std::cell::RefCell;
use std::pin::pin;
use std::time::Duration;

use embassy_futures::join::join3;
use embassy_futures::select::{Either, select};
use futures_util::future;
use selkie_async::{Conn, Elapsed};
use selkie_core::Instant;

use crate::on_all;
use crate::support::serve;

on_all! {
    a_sleep_ends_at_its_time
    sleeps_of_one_task_end_each_at_its_time
    a_timeout_strikes_unless_the_future_is_ready
    a_timeout_for_each_message_keeps_a_talking_client
    a_sleep_of_no_time_lets_the_others_have_a_turn
    bytes_that_arrive_with_the_timeout_are_read
    select_takes_what_is_first
    the_combinations_of_futures_util_work
}

fn a_sleep_ends_at_its_time<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        conn.sleep(Duration::from_secs(3)).await;
        assert_eq!(conn.write_all(b"x").await, Ok(()));
        let deadline = conn.timer().now().expect("it is polled") + Duration::from_secs(4);
        conn.timer().sleep_until(deadline).await;
        assert_eq!(conn.write_all(b"y").await, Ok(()));
        conn.timer().sleep_until(Instant::ZERO).await;
        assert_eq!(conn.write_all(b"z").await, Ok(()));
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        for (millis, text) in [(2_999, ""), (1, "x"), (3_999, ""), (1, "yz")] {
            rig.pass(Duration::from_millis(millis));
            assert_eq!(rig.take(client), text.as_bytes());
        }
    });
}

fn sleeps_of_one_task_end_each_at_its_time<const KIND: u8>() {
    let ends = RefCell::new(Vec::new());
    let task = |conn: Conn<'static>| {
        let ends = &ends;
        async move {
            let timer = conn.timer();
            let note = async |seconds| {
                timer.sleep(Duration::from_secs(seconds)).await;
                ends.borrow_mut().push(seconds);
            };
            join3(note(5), note(2), note(9)).await;
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        for (seconds, expected) in [(1, &[][..]), (1, &[2]), (2, &[]), (1, &[5]), (4, &[9])] {
            rig.pass(Duration::from_secs(seconds));
            assert_eq!(ends.take(), expected);
        }
        assert!(rig.closed(client).is_some());
    });
}

fn a_timeout_strikes_unless_the_future_is_ready<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let mut buffer = [0; 8];
        let timer = conn.timer();
        loop {
            match timer.timeout(Duration::from_secs(10), conn.read(&mut buffer)).await {
                Ok(Ok(count @ 1..)) => assert_eq!(conn.write_all(&buffer[..count]).await, Ok(())),
                Ok(_) => return,
                Err(Elapsed) => assert_eq!(conn.write_all(b"?").await, Ok(())),
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.pass(Duration::from_secs(9));
        rig.send(client, b"hello");
        rig.settle();
        assert_eq!(rig.take(client), b"hello");
        rig.pass(Duration::from_secs(9));
        assert_eq!(rig.take(client), b"");
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.take(client), b"?");
    });
}

fn a_timeout_for_each_message_keeps_a_talking_client<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let mut buffer = [0; 8];
        let timer = conn.timer();
        while let Ok(Ok(1..)) = timer.timeout(Duration::from_secs(2), conn.read(&mut buffer)).await
        {
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        for _ in 0..20 {
            rig.send(client, b"x");
            rig.pass(Duration::from_millis(1_999));
            assert!(rig.closed(client).is_none());
        }
        rig.pass(Duration::from_millis(1));
        assert!(rig.closed(client).is_some());
    });
}

fn a_sleep_of_no_time_lets_the_others_have_a_turn<const KIND: u8>() {
    let turns = RefCell::new(0);
    let task = |conn: Conn<'static>| {
        let turns = &turns;
        async move {
            loop {
                conn.sleep(Duration::ZERO).await;
                conn.timer().yield_now().await;
                *turns.borrow_mut() += 1;
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        rig.connect();
        for _ in 0..20 {
            rig.turn();
        }
        assert!((5..=20).contains(&turns.take()), "one for each turn or two");
    });
}

fn bytes_that_arrive_with_the_timeout_are_read<const KIND: u8>() {
    let outcome = RefCell::new(None);
    let task = |mut conn: Conn<'static>| {
        let outcome = &outcome;
        async move {
            let timer = conn.timer();
            let read = timer.timeout(Duration::from_secs(1), conn.read(&mut [0; 8])).await;
            outcome.replace(Some(read));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        // The process was stopped meanwhile.
        rig.send(client, b"late");
        rig.now = rig.now + Duration::from_secs(5);
        rig.settle();
        assert_eq!(outcome.take(), Some(Ok(Ok(4))));
    });
}

fn select_takes_what_is_first<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let timer = conn.timer();
        let mut buffer = [0; 8];
        loop {
            let sleep = timer.sleep(Duration::from_secs(1));
            match select(conn.read(&mut buffer), sleep).await {
                Either::First(Ok(count @ 1..)) => {
                    assert_eq!(conn.write_all(&buffer[..count]).await, Ok(()));
                }
                Either::First(_) => return,
                Either::Second(()) => assert_eq!(conn.write_all(b".").await, Ok(())),
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.pass(Duration::from_millis(2_500));
        assert_eq!(rig.take(client), b"..");
        rig.send(client, b"abc");
        rig.pass(Duration::from_millis(1_500));
        assert_eq!(rig.take(client), b"abc.");
    });
}

fn the_combinations_of_futures_util_work<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let timer = conn.timer();
        let (mut reader, mut writer) = conn.split();
        let read = async {
            let mut buffer = [0; 4];
            let read = pin!(reader.read(&mut buffer));
            match future::select(read, pin!(timer.sleep(Duration::from_secs(10)))).await {
                future::Either::Left((count, _)) => count,
                future::Either::Right(((), _)) => Ok(0),
            }
        };
        let write = async {
            timer.sleep(Duration::from_secs(1)).await;
            writer.write_all(b"x").await
        };
        assert_eq!(future::join(read, write).await, (Ok(3), Ok(())));
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.pass(Duration::from_secs(2));
        assert_eq!(rig.take(client), b"x");
        rig.pass(Duration::from_secs(2));
        rig.send(client, b"abc");
        rig.settle();
        assert!(rig.closed(client).is_some());
    });
}
