//! Cancel safety: a future that is dropped before it is ready loses no byte.

use std::cell::RefCell;

use selkie_async::Conn;

use crate::on_all;
use crate::support::{cancel, received_slowly, serve};

on_all! {
    cancelled_reads_lose_no_byte
    a_cancelled_write_sends_nothing
    a_cancelled_write_of_the_rest_leaves_what_was_not_sent
    a_cancelled_sleep_does_not_disturb_the_next
    a_cancelled_write_of_all_has_sent_a_first_part
    a_call_that_is_dropped_before_it_is_polled_does_nothing
    cancelled_calls_of_the_halves_lose_no_byte
    cancelled_calls_of_the_traits_lose_no_byte
}

fn cancelled_reads_lose_no_byte<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        // Some bytes are there, and fewer than each of these waits for.
        while conn.read_with(|bytes| (0, (bytes.len() >= 5).then_some(()))).await != Ok(Some(())) {}
        cancel(conn.read_exact(&mut [0; 9])).await;
        cancel(conn.read_until(b'!', |_| ())).await;
        cancel(conn.read_line(|_| ())).await;
        cancel(conn.read_with(|_| (0, None::<()>))).await;
        cancel(conn.receive(|_, _| (0, None::<()>))).await;
        let mut buffer = [0; 9];
        assert_eq!(conn.read_exact(&mut buffer).await, Ok(()));
        assert_eq!(&buffer, b"123456789");
        // Nothing is there.
        cancel(conn.read(&mut buffer)).await;
        let read = conn.timer().timeout(std::time::Duration::from_secs(1), conn.read(&mut buffer));
        assert!(read.await.is_err(), "the time has passed");
        assert_eq!(conn.read(&mut buffer).await, Ok(3));
        assert_eq!(conn.write_all(b"done").await, Ok(()));
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"12345");
        rig.settle();
        rig.send(client, b"6789");
        rig.settle();
        rig.pass(std::time::Duration::from_secs(2));
        rig.send(client, b"abc");
        rig.settle();
        assert_eq!(rig.take(client), b"done");
    });
}

/// Fills the output buffer, as far as it can be.
async fn fill(conn: &mut Conn<'_>) -> usize {
    let mut sent = 0;
    let mut write = async || {
        while let Ok(count) = conn.write(b"x").await {
            sent += count;
        }
    };
    cancel(write()).await;
    sent
}

fn a_cancelled_write_sends_nothing<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let sent = fill(&mut conn).await;
        cancel(conn.write(b"lost")).await;
        cancel(conn.write_all(b"lost")).await;
        let length = u8::try_from(sent).expect("small buffers");
        assert_eq!(conn.write_all(&[length]).await, Ok(()));
    };
    serve::<_, _, KIND>(task, |rig| {
        let received = received_slowly(rig, b"");
        let (length, rest) = received.split_last().expect("something was sent");
        assert_eq!(rest.len(), usize::from(*length));
        assert!(rest.iter().all(|&byte| byte == b'x'));
    });
}

fn a_cancelled_write_of_the_rest_leaves_what_was_not_sent<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let text: Vec<u8> = (0..100).collect();
        let mut rest = &text[..];
        while !rest.is_empty() {
            let timer = conn.timer();
            let second = std::time::Duration::from_secs(1);
            let _ = timer.timeout(second, conn.write_rest(&mut rest)).await;
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connect();
        rig.give_room(client, 4);
        rig.settle();
        let mut received = Vec::new();
        while rig.closed(client).is_none() {
            rig.pass(std::time::Duration::from_secs(3));
            rig.give_room(client, 7);
            received.extend(rig.take(client));
            assert!(received.len() <= 100);
        }
        received.extend(rig.take(client));
        assert_eq!(received, (0..100).collect::<Vec<u8>>());
    });
}

fn a_cancelled_sleep_does_not_disturb_the_next<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        cancel(conn.sleep(std::time::Duration::from_secs(1))).await;
        conn.sleep(std::time::Duration::from_secs(5)).await;
        assert_eq!(conn.write_all(b"five").await, Ok(()));
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.pass(std::time::Duration::from_millis(4_999));
        assert_eq!(rig.take(client), b"");
        rig.pass(std::time::Duration::from_millis(1));
        assert_eq!(rig.take(client), b"five");
    });
}

fn a_cancelled_write_of_all_has_sent_a_first_part<const KIND: u8>() {
    let text: Vec<u8> = (0..100).collect();
    let task = |mut conn: Conn<'static>| {
        let text = &text;
        async move {
            cancel(conn.write_all(text)).await;
            assert_eq!(conn.write_all(b"!").await, Ok(()));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let received = received_slowly(rig, b"");
        let (last, first) = received.split_last().expect("something was sent");
        assert_eq!(*last, b'!');
        assert!(!first.is_empty() && first.len() < text.len(), "a part of it");
        assert!(text.starts_with(first), "in order and without a gap");
    });
}

fn a_call_that_is_dropped_before_it_is_polled_does_nothing<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let me = conn.token();
        drop(conn.shutdown_write());
        drop(conn.send_to(me, b"lost"));
        drop(conn.write(b"lost"));
        drop(conn.write_all(b"lost"));
        drop(conn.flush());
        drop(conn.pause_reading());
        drop(conn.connect(([127, 0, 0, 1], 1).into()));
        drop(conn.sleep(std::time::Duration::from_secs(1)));
        crate::support::echo(conn).await;
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        assert!(!rig.socket(client).write_ended);
        rig.send(client, b"hello");
        rig.settle();
        assert_eq!(rig.take(client), b"hello");
        assert!(rig.event_loop.platform.attempts.is_empty());
    });
}

fn cancelled_calls_of_the_halves_lose_no_byte<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let sent = fill(&mut conn).await;
        let (mut reader, mut writer) = conn.split();
        cancel(reader.read(&mut [0; 8])).await;
        cancel(reader.read_exact(&mut [0; 8])).await;
        cancel(reader.read_line(|_| ())).await;
        cancel(reader.read_until(b'!', |_| ())).await;
        cancel(reader.read_with(|_| (0, None::<()>))).await;
        cancel(writer.write(b"lost")).await;
        cancel(writer.write_all(b"lost")).await;
        let mut rest = &b"kept"[..];
        cancel(writer.write_rest(&mut rest)).await;
        assert_eq!(rest, b"kept");
        let mut buffer = [0; 5];
        assert_eq!(reader.read_exact(&mut buffer).await, Ok(()));
        assert_eq!(&buffer, b"hello");
        let length = u8::try_from(sent).expect("small buffers");
        assert_eq!(writer.write_all(&[length]).await, Ok(()));
    };
    serve::<_, _, KIND>(task, |rig| {
        let received = received_slowly(rig, b"hello");
        let (length, rest) = received.split_last().expect("something was sent");
        assert_eq!(rest, b"x".repeat(usize::from(*length)));
    });
}

fn cancelled_calls_of_the_traits_lose_no_byte<const KIND: u8>() {
    /// Cancels a read and a write, as generic code does that knows the traits only.
    async fn cancel_both<S: embedded_io_async::Read + embedded_io_async::Write>(stream: &mut S) {
        cancel(stream.read(&mut [0; 8])).await;
        cancel(async { while stream.write(b"x").await.is_ok() {} }).await;
        cancel(stream.write(b"lost")).await;
    }
    let read = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let read = &read;
        async move {
            cancel_both(&mut conn).await;
            let mut buffer = [0; 8];
            while let Ok(count @ 1..) = conn.read(&mut buffer).await {
                read.borrow_mut().extend_from_slice(&buffer[..count]);
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let received = received_slowly(rig, b"hello");
        assert_eq!(read.take(), b"hello");
        assert!(received.iter().all(|&byte| byte == b'x'));
    });
}
