//! Reading and writing.

use std::cell::RefCell;

use embassy_futures::join::join;
use selkie_async::{Conn, Error};
use selkie_core::CloseReason;

use crate::on_all;
use crate::support::{echo, serve};

on_all! {
    an_echo_through_a_buffer_returns_every_byte
    an_echo_in_place_returns_every_byte
    a_line_is_read_when_it_is_whole
    several_lines_are_read_in_one_poll
    frames_are_filled_or_nothing_is_taken
    a_line_that_fills_the_input_buffer_is_too_long
    a_stream_that_ends_within_a_frame_ends_unexpectedly
    writing_waits_for_room
    bytes_that_were_left_are_read_later
    the_halves_go_their_own_ways
    after_a_shutdown_reading_goes_on
    generic_code_runs_on_a_connection
    reading_pauses_until_the_next_read
    another_connection_can_be_sent_to
}

/// Plays a client that sends a text in pieces, with little room for the answer.
fn converse<const KIND: u8, F, Fut>(start: F) -> Vec<u8>
where
    F: Fn(Conn<'static>) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut received = Vec::new();
    serve::<_, _, KIND>(start, |rig| {
        let client = rig.connected();
        let text: Vec<u8> = (0..100).collect();
        rig.give_room(client, 0);
        for piece in text.chunks(9) {
            rig.send(client, piece);
            rig.settle();
            rig.give_room(client, 5);
            rig.settle();
            received.extend(rig.take(client));
        }
        rig.end(client);
        while rig.closed(client).is_none() {
            rig.give_room(client, 3);
            rig.pass(std::time::Duration::from_secs(1));
            let more = rig.take(client);
            assert!(!more.is_empty() || rig.closed(client).is_some(), "stuck: {received:?}");
            received.extend(more);
        }
        assert_eq!(received, text);
    });
    received
}

fn an_echo_through_a_buffer_returns_every_byte<const KIND: u8>() {
    converse::<KIND, _, _>(echo);
}

fn an_echo_in_place_returns_every_byte<const KIND: u8>() {
    converse::<KIND, _, _>(|mut conn: Conn<'static>| async move {
        let end = conn.receive(|peer, bytes| (peer.send_some(bytes), None::<()>)).await;
        assert_eq!(end, Ok(None));
    });
}

fn a_line_is_read_when_it_is_whole<const KIND: u8>() {
    let lines = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let lines = &lines;
        async move {
            while let Ok(Some(line)) = conn.read_line(<[u8]>::to_vec).await {
                lines.borrow_mut().push(line);
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"one\r");
        rig.settle();
        assert!(lines.borrow().is_empty());
        rig.send(client, b"\ntw");
        rig.settle();
        assert_eq!(lines.take(), [b"one"]);
        rig.send(client, b"o\n");
        rig.end(client);
        rig.settle();
        assert_eq!(lines.take(), [b"two"]);
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

fn several_lines_are_read_in_one_poll<const KIND: u8>() {
    let lines = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let lines = &lines;
        async move {
            while let Ok(Some(line)) = conn.read_until(b';', <[u8]>::to_vec).await {
                lines.borrow_mut().push(line);
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"a;bb;ccc;d");
        rig.turn();
        assert_eq!(lines.take(), [&b"a;"[..], b"bb;", b"ccc;"]);
        rig.send(client, b"d;");
        rig.settle();
        assert_eq!(lines.take(), [b"dd;"]);
    });
}

fn frames_are_filled_or_nothing_is_taken<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let mut frame = [0; 5];
        while conn.read_exact(&mut frame).await.is_ok() {
            frame.reverse();
            assert_eq!(conn.write_all(&frame).await, Ok(()));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        for (piece, answer) in [("123", ""), ("45678", "54321"), ("90", "09876")] {
            rig.send(client, piece.as_bytes());
            rig.settle();
            assert_eq!(rig.take(client), answer.as_bytes());
        }
    });
}

fn a_line_that_fills_the_input_buffer_is_too_long<const KIND: u8>() {
    let outcome = RefCell::new(None);
    let task = |mut conn: Conn<'static>| {
        let outcome = &outcome;
        async move {
            outcome.replace(Some(conn.read_line(<[u8]>::len).await));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, &[b'x'; 15]);
        rig.settle();
        assert_eq!(outcome.take(), None);
        rig.send(client, &[b'x'; 15]);
        rig.settle();
        assert_eq!(outcome.take(), Some(Err(Error::TooLong)));
    });
}

fn a_stream_that_ends_within_a_frame_ends_unexpectedly<const KIND: u8>() {
    let outcome = RefCell::new(None);
    let task = |mut conn: Conn<'static>| {
        let outcome = &outcome;
        async move {
            outcome.replace(Some(conn.read_exact(&mut [0; 8]).await));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"1234");
        rig.settle();
        assert_eq!(outcome.take(), None);
        rig.end(client);
        rig.settle();
        assert_eq!(outcome.take(), Some(Err(Error::UnexpectedEnd)));
        assert_eq!(rig.server.open_connections(), 0);
    });
}

fn writing_waits_for_room<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let text: Vec<u8> = (0..200).collect();
        assert_eq!(conn.write_all(&text).await, Ok(()));
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connect();
        rig.give_room(client, 1);
        rig.settle();
        let mut received = rig.take(client);
        while rig.closed(client).is_none() {
            rig.give_room(client, 11);
            rig.pass(std::time::Duration::from_secs(1));
            received.extend(rig.take(client));
        }
        assert_eq!(received, (0..200).collect::<Vec<u8>>());
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

fn bytes_that_were_left_are_read_later<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let mut byte = [0];
        while let Ok(1) = conn.read(&mut byte).await {
            assert_eq!(conn.write(&byte).await, Ok(1));
            conn.sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"abcdefghijklmnopqrstuvwxyz");
        rig.settle();
        assert_eq!(rig.take(client), b"a");
        rig.pass(std::time::Duration::from_millis(2));
        assert_eq!(rig.take(client), b"bc");
        rig.end(client);
        rig.pass(std::time::Duration::from_millis(100));
        assert_eq!(rig.take(client), b"defghijklmnopqrstuvwxyz");
        assert_eq!(rig.server.open_connections(), 0);
    });
}

fn the_halves_go_their_own_ways<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let (mut reader, mut writer) = conn.split();
        let mut sum = 0;
        let read = async {
            let mut buffer = [0; 4];
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                sum += count;
            }
        };
        let write = async {
            for letter in b'a'..=b'z' {
                assert_eq!(writer.write_all(&[letter; 3]).await, Ok(()));
            }
            assert_eq!(writer.shutdown_write().await, Ok(()));
        };
        join(read, write).await;
        assert_eq!(sum, 60);
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connect();
        rig.give_room(client, 2);
        let mut received = Vec::new();
        for _ in 0..60 {
            rig.send(client, b"x");
            rig.pass(std::time::Duration::from_secs(1));
            rig.give_room(client, 2);
            received.extend(rig.take(client));
        }
        rig.end(client);
        rig.settle();
        assert_eq!(received.len(), 3 * 26);
        assert!(received.is_sorted());
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

fn after_a_shutdown_reading_goes_on<const KIND: u8>() {
    let read = RefCell::new(0);
    let task = |mut conn: Conn<'static>| {
        let read = &read;
        async move {
            assert_eq!(conn.shutdown_write().await, Ok(()));
            assert_eq!(conn.write(b"more").await, Err(Error::Closed));
            assert_eq!(conn.flush().await, Err(Error::Closed));
            let mut buffer = [0; 4];
            while let Ok(count @ 1..) = conn.read(&mut buffer).await {
                *read.borrow_mut() += count;
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        assert!(rig.socket(client).write_ended);
        rig.send(client, b"123456");
        rig.settle();
        rig.send(client, b"789");
        rig.end(client);
        rig.settle();
        assert_eq!(read.take(), 9);
        assert_eq!(rig.closed_for(CloseReason::Finished), 1);
    });
}

/// Copies, as code does that knows nothing of Selkie.
async fn copy<S: embedded_io_async::Read + embedded_io_async::Write>(stream: &mut S) {
    let mut buffer = [0; 3];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        stream.write_all(&buffer[..count]).await.expect("a stream that takes bytes");
        stream.flush().await.expect("a stream that takes bytes");
    }
}

fn generic_code_runs_on_a_connection<const KIND: u8>() {
    converse::<KIND, _, _>(|mut conn: Conn<'static>| async move { copy(&mut conn).await });
}

fn reading_pauses_until_the_next_read<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let mut buffer = [0; 16];
        while let Ok(count @ 1..) = conn.read(&mut buffer).await {
            assert_eq!(conn.pause_reading().await, Ok(()));
            conn.sleep(std::time::Duration::from_secs(60)).await;
            assert_eq!(conn.write_all(&buffer[..count]).await, Ok(()));
        }
    };
    let config = crate::rig::UNLIMITED.input_timeout(Some(std::time::Duration::from_secs(10)));
    crate::support::serve_with::<_, _, KIND>(config, task, |rig| {
        let client = rig.connected();
        rig.send(client, &[1; 16]);
        rig.settle();
        rig.send(client, &[2; 40]);
        rig.pass(std::time::Duration::from_secs(59));
        assert!(rig.take(client).is_empty());
        rig.pass(std::time::Duration::from_secs(300));
        assert_eq!(rig.take(client), [&[1; 16][..], &[2; 40]].concat());
        assert_eq!(rig.server.open_connections(), 1);
    });
}

fn another_connection_can_be_sent_to<const KIND: u8>() {
    let members = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let members = &members;
        async move {
            members.borrow_mut().push(conn.token());
            while let Ok(Some(line)) = conn.read_line(<[u8]>::to_vec).await {
                let others = members.borrow().clone();
                for other in others {
                    let _ = conn.send_to(other, &line).await;
                }
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let clients = [rig.connected(), rig.connected()];
        rig.send(clients[0], b"hello\n");
        rig.settle();
        assert_eq!(clients.map(|client| rig.take(client)), [b"hello", b"hello"]);
        rig.give_room(clients[1], 0);
        rig.send(clients[0], b"0123456789\n0123456789\n0123456789\n");
        rig.settle();
        assert_eq!(rig.take(clients[0]), b"012345678901234567890123456789", "it does not wait");
    });
}
