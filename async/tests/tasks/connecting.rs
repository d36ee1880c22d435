//! Tasks that connect to somebody else.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::Duration;

use embassy_futures::join::join;
use selkie_async::{AsyncService, Conn, Error, ReadHalf, WriteHalf};
use selkie_core::platform::Close;
use selkie_core::{CloseReason, ErrorKind};

use crate::on_all;
use crate::rig::{Rig, Shape, UNLIMITED, with_server};
use crate::support::{Boxed, echo};
use crate::toy::Handle;

on_all! {
    a_task_relays_in_both_directions
    a_refused_connection_is_an_error_and_the_next_address_is_tried
    what_can_be_told_at_once_is_an_error
    a_cancelled_attempt_is_given_up
    a_task_that_is_gone_takes_its_connections_with_it
    draining_waits_for_the_reply_of_an_upstream_and_does_not_spin
    a_service_that_does_not_connect_says_so
}

fn upstream() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 80))
}

type Connecting<'a, F, Fut, const KIND: u8> =
    Rig<'a, AsyncService<'static, F, Box<[Option<Fut>]>, true>, KIND>;

fn serve<F, Fut, const KIND: u8>(start: F, test: impl FnOnce(&mut Connecting<'_, F, Fut, KIND>))
where
    F: Fn(Conn<'static>) -> Fut,
    Fut: Future<Output = ()>,
{
    let service = Boxed::boxed(Shape::SMALL.slots, start).connecting();
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, service, test);
}

/// Returns the last attempt to connect, which is established.
fn stand<F, Fut, const KIND: u8>(rig: &mut Connecting<'_, F, Fut, KIND>) -> Handle
where
    F: Fn(Conn<'static>) -> Fut,
    Fut: Future<Output = ()>,
{
    let attempt = *rig.event_loop.platform.attempts.last().expect("the platform was asked");
    rig.socket(attempt).attempt = Ok(());
    rig.settle();
    attempt
}

/// Copies what one connection receives to the other.
async fn pipe(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
    let mut buffer = [0; 5];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown_write().await;
}

async fn relay(mut client: Conn<'_>) {
    let Ok(mut server) = client.connect(upstream()).await else { return };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    join(pipe(from_client, to_server), pipe(from_server, to_client)).await;
}

fn a_task_relays_in_both_directions<const KIND: u8>() {
    serve::<_, _, KIND>(relay, |rig| {
        let client = rig.connected();
        rig.send(client, b"early bytes");
        rig.settle();
        let server = stand(rig);
        assert_eq!(rig.take(server), b"early bytes");
        for round in 0..20_u8 {
            rig.send(client, &[round; 11]);
            rig.send(server, &[round; 7]);
            rig.settle();
            assert_eq!(rig.take(server), [round; 11]);
            assert_eq!(rig.take(client), [round; 7]);
        }
        rig.send(client, b"last");
        rig.end(client);
        rig.settle();
        assert_eq!(rig.take(server), b"last");
        assert!(rig.socket(server).write_ended, "the end is passed on");
        rig.send(server, b"answer");
        rig.end(server);
        rig.settle();
        assert_eq!(rig.take(client), b"answer");
        assert_eq!(rig.server.open_connections(), 0);
        assert_eq!(rig.closed_for(CloseReason::Finished), 2);
    });
}

fn a_refused_connection_is_an_error_and_the_next_address_is_tried<const KIND: u8>() {
    let outcomes = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let outcomes = &outcomes;
        async move {
            let first = conn.connect(upstream()).await.err();
            outcomes.borrow_mut().push(first);
            let mut second = conn.connect(upstream()).await.expect("it is established");
            assert_eq!(second.write_all(b"hello").await, Ok(()));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        rig.connected();
        let attempt = rig.event_loop.platform.attempts[0];
        rig.socket(attempt).attempt = Err(ErrorKind::ConnectionRefused);
        rig.socket(attempt).hung_up = true;
        rig.settle();
        assert_eq!(outcomes.take(), [Some(Error::NotConnected(CloseReason::Refused))]);
        assert_eq!(rig.event_loop.platform.attempts.len(), 2);
        let server = stand(rig);
        assert_eq!(rig.take(server), b"hello");
        assert_eq!(rig.closed(server), Some(Close::Graceful), "dropped at the end of the task");
    });
}

fn what_can_be_told_at_once_is_an_error<const KIND: u8>() {
    let outcomes = RefCell::new(Vec::new());
    let task = |mut conn: Conn<'static>| {
        let outcomes = &outcomes;
        async move {
            let _ = conn.read(&mut [0; 8]).await;
            let outcome = conn.connect(upstream()).await.err();
            outcomes.borrow_mut().push(outcome);
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.event_loop.platform.connect_errors.push_back(ErrorKind::Unreachable);
        rig.send(client, b"x");
        rig.settle();
        assert_eq!(outcomes.take(), [Some(Error::CannotConnect(ErrorKind::Unreachable))]);
    });
}

fn a_cancelled_attempt_is_given_up<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let timer = conn.timer();
        let second = Duration::from_secs(1);
        assert!(timer.timeout(second, conn.connect(upstream())).await.is_err());
        assert_eq!(conn.write_all(b"sorry").await, Ok(()));
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        assert_eq!(rig.server.open_connections(), 2);
        rig.pass(Duration::from_secs(1));
        assert_eq!(rig.take(client), b"sorry");
        let attempt = rig.event_loop.platform.attempts[0];
        assert_eq!(rig.closed(attempt), Some(Close::Abort));
        assert_eq!(rig.server.open_connections(), 0);
    });
}

fn a_task_that_is_gone_takes_its_connections_with_it<const KIND: u8>() {
    serve::<_, _, KIND>(relay, |rig| {
        let client = rig.connected();
        let server = stand(rig);
        rig.socket(client).read_error = Some(ErrorKind::ConnectionReset);
        rig.settle();
        assert!(rig.closed(server).is_some());
        assert_eq!(rig.server.open_connections(), 0);
    });
}

fn draining_waits_for_the_reply_of_an_upstream_and_does_not_spin<const KIND: u8>() {
    let task = |mut client: Conn<'static>| async move {
        let Ok(mut server) = client.connect(upstream()).await else { return };
        let mut buffer = [0; 5];
        while let Ok(count @ 1..) = server.read(&mut buffer).await {
            assert_eq!(client.write_all(&buffer[..count]).await, Ok(()));
        }
        assert!(client.is_draining() && server.is_draining());
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        let server = stand(rig);
        // Never read, so the server offers it again in each turn of the drain.
        rig.send(client, b"left");
        rig.settle();
        rig.send(server, b"the first and ");
        let deadline = rig.now + Duration::from_secs(60);
        rig.server.drain(&mut rig.event_loop.context_at(rig.now), deadline);
        rig.pass(Duration::from_secs(10));
        rig.send(server, b"the last");
        rig.end(server);
        rig.settle();
        assert_eq!(rig.take(client), b"the first and the last");
        assert!(rig.server.is_drained());
        assert_eq!(rig.closed_for(CloseReason::Drained), 0);
    });
}

fn a_service_that_does_not_connect_says_so<const KIND: u8>() {
    let task = |mut conn: Conn<'static>| async move {
        let error = conn.connect(upstream()).await.expect_err("it is not asked for");
        assert_eq!(error, Error::CannotConnect(ErrorKind::Unsupported));
        assert!(error.to_string().contains("not `connecting()`"), "{error}");
        echo(conn).await;
    };
    crate::support::serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        rig.send(client, b"hello");
        rig.settle();
        assert_eq!(rig.take(client), b"hello");
    });
}
