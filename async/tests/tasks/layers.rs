//! Tasks behind a layer that makes messages of what they send.

use std::cell::RefCell;

use selkie_async::{AsyncService, Conn, Error};
use selkie_core::layers::Framed;

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, with_server};

on_all! {
    a_task_behind_frames_sends_each_message_once_and_no_empty_one
    a_message_that_never_fits_into_a_frame_is_an_error
}

/// Returns a frame.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&length.to_be_bytes(), message].concat()
}

fn a_task_behind_frames_sends_each_message_once_and_no_empty_one<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        while let Ok(Some(message)) = conn.read_with(|all| (all.len(), Some(all.to_vec()))).await {
            assert_eq!(conn.flush().await, Ok(()));
            assert_eq!(conn.write_all(&message).await, Ok(()));
            assert_eq!(conn.flush().await, Ok(()));
        }
    };
    let service = Framed::new(AsyncService::boxed(Shape::SMALL.slots, task));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        rig.give_room(client, 0);
        let messages: [&[u8]; 4] = [b"the first", b"one more", b"the third", b"last"];
        for message in messages {
            rig.send(client, &frame(message));
            rig.settle();
        }
        rig.give_room(client, 1_000);
        rig.settle();
        assert_eq!(rig.take(client), messages.map(frame).concat());
        rig.end(client);
        rig.settle();
        assert_eq!(rig.server.open_connections(), 0);
    });
}

fn a_message_that_never_fits_into_a_frame_is_an_error<const KIND: u8>() {
    let outcome = RefCell::new(None);
    let task = |mut conn: Conn<'static>| {
        let outcome = &outcome;
        async move {
            let result = conn.write_all(&[7; 13]).await;
            outcome.replace(Some(result));
            let _ = conn.write_all(&[8; 12]).await;
        }
    };
    let service = Framed::new(AsyncService::boxed(Shape::SMALL.slots, task));
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, |rig| {
        let client = rig.connected();
        let sent = match outcome.take() {
            Some(Ok(())) => frame(&[7; 13]),
            other => {
                assert_eq!(other, Some(Err(Error::TooLong)));
                Vec::new()
            }
        };
        assert_eq!(rig.take(client), [sent, frame(&[8; 12])].concat());
    });
}
