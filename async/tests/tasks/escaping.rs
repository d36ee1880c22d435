//! Connections that have left their task.

use std::cell::RefCell;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use selkie_async::{Conn, Error};
use selkie_core::CloseReason;

use crate::on_all;
use crate::support::{echo, serve};

on_all! {
    an_escaped_connection_is_closed_for_its_finder_and_never_the_next_tenant
    an_escaped_connection_waits_in_another_task_until_it_is_closed
    a_connection_waits_while_no_task_is_polled
    a_connection_that_is_dropped_outside_is_closed
    a_connection_that_is_aborted_outside_is_reset
    a_task_that_ends_takes_its_escaped_connection_with_it
}

type Found = RefCell<Option<Conn<'static>>>;

fn an_escaped_connection_is_closed_for_its_finder_and_never_the_next_tenant<const KIND: u8>() {
    let (found, outcomes) = (Found::default(), RefCell::new(Vec::new()));
    let task = |conn: Conn<'static>| {
        let (found, outcomes) = (&found, &outcomes);
        async move {
            if found.borrow().is_none() {
                found.replace(Some(conn));
                return pending().await;
            }
            let mut own = conn;
            let mut other = found.take().expect("it has escaped");
            assert_eq!(own.token().index(), other.token().index(), "the same slot");
            let push = |outcome| outcomes.borrow_mut().push(outcome);
            let mut buffer = [0; 8];
            push(other.write_all(b"wrong").await.err());
            push(other.read(&mut buffer).await.err());
            push(other.read_with(|bytes| (bytes.len(), Some(()))).await.err());
            push(other.receive(|_, bytes| (bytes.len(), Some(()))).await.err());
            push(other.shutdown_write().await.err());
            push(other.send_to(own.token(), b"wrong").await.err());
            push(other.flush().await.err());
            drop(other);
            assert_eq!(own.write_all(b"right").await, Ok(()));
            let count = own.read(&mut buffer).await;
            assert_eq!(count, Ok(4));
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let first = rig.connected();
        rig.socket(first).read_error = Some(selkie_core::ErrorKind::ConnectionReset);
        rig.settle();
        assert_eq!(rig.server.open_connections(), 0);
        let second = rig.connect();
        rig.send(second, b"mine");
        rig.settle();
        assert_eq!(outcomes.take(), [Some(Error::Closed); 7]);
        assert_eq!(rig.take(second), b"right");
    });
}

fn an_escaped_connection_waits_in_another_task_until_it_is_closed<const KIND: u8>() {
    let (found, outcomes) = (Found::default(), RefCell::new(Vec::new()));
    let task = |conn: Conn<'static>| {
        let (found, outcomes) = (&found, &outcomes);
        async move {
            if found.borrow().is_none() {
                found.replace(Some(conn));
                return pending().await;
            }
            let _own = conn;
            let mut other = found.take().expect("it has escaped");
            let outcome = other.write_all(b"wrong").await;
            outcomes.borrow_mut().push(outcome);
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let [first, second] = [rig.connected(), rig.connected()];
        rig.pass(std::time::Duration::from_secs(60));
        assert_eq!(rig.take(first), b"", "it is not its task that is polled");
        assert!(outcomes.borrow().is_empty());
        rig.socket(first).read_error = Some(selkie_core::ErrorKind::ConnectionReset);
        rig.settle();
        assert_eq!(outcomes.take(), [Err(Error::Closed)]);
        assert_eq!(rig.take(second), b"");
        assert_eq!(rig.server.open_connections(), 0);
    });
}

fn a_connection_waits_while_no_task_is_polled<const KIND: u8>() {
    let found = Found::default();
    let task = |conn: Conn<'static>| {
        found.replace(Some(conn));
        pending()
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        let mut conn = found.take().expect("it has escaped");
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut write = pin!(conn.write(b"early"));
            assert!(write.as_mut().poll(&mut context).is_pending());
            let mut sleep = pin!(async {});
            assert!(sleep.as_mut().poll(&mut context).is_ready());
        }
        assert_eq!(rig.take(client), b"");
        rig.socket(client).read_error = Some(selkie_core::ErrorKind::ConnectionReset);
        rig.settle();
        let mut write = pin!(conn.write(b"late"));
        assert_eq!(write.as_mut().poll(&mut context), Poll::Ready(Err(Error::Closed)));
    });
}

fn a_connection_that_is_dropped_outside_is_closed<const KIND: u8>() {
    let found = Found::default();
    let task = |conn: Conn<'static>| {
        found.replace(Some(conn));
        pending()
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        assert!(rig.closed(client).is_none());
        found.take();
        // The next thing that happens to it is seen.
        rig.send(client, b"x");
        rig.settle();
        assert!(rig.closed(client).is_some());
        assert_eq!(rig.closed_for(CloseReason::Closed), 1);
    });
}

fn a_connection_that_is_aborted_outside_is_reset<const KIND: u8>() {
    let found = Found::default();
    let task = |conn: Conn<'static>| {
        found.replace(Some(conn));
        pending()
    };
    serve::<_, _, KIND>(task, |rig| {
        let client = rig.connected();
        found.take().expect("it has escaped").abort();
        rig.send(client, b"x");
        rig.settle();
        assert_eq!(rig.closed(client), Some(selkie_core::platform::Close::Abort));
        assert_eq!(rig.closed_for(CloseReason::Aborted), 1);
    });
}

fn a_task_that_ends_takes_its_escaped_connection_with_it<const KIND: u8>() {
    let found = Found::default();
    let task = |conn: Conn<'static>| {
        let found = &found;
        async move {
            if found.borrow().is_none() {
                found.replace(Some(conn));
            } else {
                echo(conn).await;
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let first = rig.connected();
        assert!(rig.closed(first).is_some());
        let second = rig.connected();
        rig.send(second, b"hello");
        rig.settle();
        assert_eq!(rig.take(second), b"hello");
    });
}
