//! Tasks that wake each other, and wakers that outlive what they wake.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::channel::Channel;
use selkie_async::Conn;
use selkie_core::ErrorKind;

use crate::on_all;
use crate::support::serve;

on_all! {
    a_channel_carries_messages_from_one_task_to_another
    a_wake_for_a_former_tenant_is_at_most_one_spurious_poll
    a_waker_may_outlive_everything
}

fn a_channel_carries_messages_from_one_task_to_another<const KIND: u8>() {
    let channel = Channel::<NoopRawMutex, u8, 2>::new();
    let number = Cell::new(0);
    let task = |mut conn: Conn<'static>| {
        let (channel, number) = (&channel, number.replace(number.get() + 1));
        async move {
            if number == 0 {
                // Takes one a second, so that the channel is full at times.
                loop {
                    let byte = channel.receive().await;
                    assert_eq!(conn.write_all(&[byte]).await, Ok(()));
                    conn.sleep(Duration::from_secs(1)).await;
                }
            }
            let mut byte = [0];
            while let Ok(1) = conn.read(&mut byte).await {
                channel.send(byte[0]).await;
            }
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let [one, other] = [rig.connected(), rig.connected()];
        rig.send(other, b"abcdefgh");
        rig.settle();
        assert_eq!(rig.take(one), b"a");
        rig.pass(Duration::from_secs(3));
        assert_eq!(rig.take(one), b"bcd");
        rig.pass(Duration::from_secs(10));
        assert_eq!(rig.take(one), b"efgh");
    });
}

/// Gives its waker to the test and waits.
async fn lend_waker(wakers: &RefCell<Vec<Waker>>, polls: &Cell<u32>) {
    poll_fn::<(), _>(|context| {
        polls.set(polls.get() + 1);
        wakers.borrow_mut().push(context.waker().clone());
        Poll::Pending
    })
    .await;
}

fn a_wake_for_a_former_tenant_is_at_most_one_spurious_poll<const KIND: u8>() {
    let (wakers, polls) = (RefCell::default(), Cell::new(0));
    let task = |conn: Conn<'static>| {
        let (wakers, polls) = (&wakers, &polls);
        async move {
            let _conn = conn;
            lend_waker(wakers, polls).await;
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        let first = rig.connected();
        rig.socket(first).read_error = Some(ErrorKind::ConnectionReset);
        rig.settle();
        let second = rig.connected();
        let before = polls.get();
        for waker in wakers.take() {
            waker.wake_by_ref();
            waker.wake();
        }
        // An event of any connection makes the service look at the flags.
        rig.end(second);
        rig.settle();
        assert!(polls.get() - before <= 2, "one for the event, one for the wake");
        assert!(rig.closed(second).is_none());
    });
}

fn a_waker_may_outlive_everything<const KIND: u8>() {
    let (wakers, polls) = (RefCell::<Vec<Waker>>::default(), Cell::new(0));
    let task = |conn: Conn<'static>| {
        let (wakers, polls) = (&wakers, &polls);
        async move {
            let _conn = conn;
            lend_waker(wakers, polls).await;
        }
    };
    serve::<_, _, KIND>(task, |rig| {
        rig.connected();
    });
    let wakers = wakers.take();
    std::thread::spawn(move || {
        for waker in wakers {
            assert!(waker.will_wake(&waker.clone()));
            waker.wake();
        }
    })
    .join()
    .expect("nothing is touched that is gone");
}
