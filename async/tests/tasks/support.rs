//! A server of tasks in a rig, and futures that tests need.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use selkie_async::{AsyncService, Conn};
use selkie_core::Config;

use crate::rig::{Rig, Shape, UNLIMITED, with_server};

/// The service of a function whose futures are boxed.
pub(crate) type Boxed<F, Fut> = AsyncService<'static, F, Box<[Option<Fut>]>>;

/// Hands a server that runs `start` for each connection to a test.
pub(crate) fn serve<F, Fut, const KIND: u8>(
    start: F,
    test: impl FnOnce(&mut Rig<'_, Boxed<F, Fut>, KIND>),
) where
    F: Fn(Conn<'static>) -> Fut,
    Fut: Future<Output = ()>,
{
    serve_with(UNLIMITED, start, test);
}

/// Serves like [`serve`], with other limits.
pub(crate) fn serve_with<F, Fut, const KIND: u8>(
    config: Config,
    start: F,
    test: impl FnOnce(&mut Rig<'_, Boxed<F, Fut>, KIND>),
) where
    F: Fn(Conn<'static>) -> Fut,
    Fut: Future<Output = ()>,
{
    let service = AsyncService::boxed(Shape::SMALL.slots, start);
    with_server::<_, KIND>(Shape::SMALL, config, service, test);
}

/// Polls a future once, within a task.
pub(crate) async fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    let mut future = Some(future);
    poll_fn(|context| Poll::Ready(future.take().expect("polled once").poll(context))).await
}

/// Polls a future once, and cancels it. Fails if it is ready.
pub(crate) async fn cancel<F: Future>(future: F) {
    let mut future = pin!(future);
    assert!(poll_once(future.as_mut()).await.is_pending(), "ready before it could be cancelled");
}

/// Connects a client that takes four bytes at first, and sends `input`. Returns the bytes that the
/// client received once it took all.
pub(crate) fn received_slowly<F, Fut, const KIND: u8>(
    rig: &mut Rig<'_, Boxed<F, Fut>, KIND>,
    input: &[u8],
) -> Vec<u8>
where
    F: Fn(Conn<'static>) -> Fut,
    Fut: Future<Output = ()>,
{
    let client = rig.connect();
    rig.give_room(client, 4);
    rig.settle();
    rig.send(client, input);
    rig.settle();
    rig.give_room(client, 1_000);
    rig.settle();
    rig.take(client)
}

/// Sends back what it receives.
pub(crate) async fn echo(mut conn: Conn<'_>) {
    let mut buffer = [0; 7];
    while let Ok(count @ 1..) = conn.read(&mut buffer).await {
        if conn.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
