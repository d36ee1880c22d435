//! A server in a thread of its own, which a test talks to.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use selkie::memory::{HeapLoop, HeapServer};
use selkie::platform::{AnySelector, Backend, Platform, Socket};
use selkie::{Config, Counters, EventLoop, Server, Service};

const SLOTS: usize = 16;
/// The time after which a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Serves `service` with two listeners on one backend while `test` runs, which gets their
/// addresses. Returns the service and the counters.
pub(crate) fn serve<S: Service + Send>(
    backend: Backend,
    config: Config,
    service: S,
    test: impl FnOnce([SocketAddr; 2]) + Send,
) -> (S, Counters)
where
    S::Session: Send,
{
    let (platform, listeners, addresses) = listen(backend);
    let memory = HeapLoop::new(SLOTS, 16).expect("there is memory");
    let mut event_loop = EventLoop::new(platform, memory);
    let mut server_memory = HeapServer::new(SLOTS, 2 * SLOTS, 4096).expect("there is memory");
    let mut server = Server::new(service, config, server_memory.storage());
    for listener in listeners {
        server.listen(&mut event_loop.context(), listener).expect("there is room");
    }
    let (_, waker) = event_loop.context().waker().expect("there is room");
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        let tester = scope.spawn(move || {
            // Also if the test panics, so that the server ends.
            let _done = OnDrop(|| {
                let _ = done.send(());
                waker.wake();
            });
            test(addresses);
        });
        while !event_loop.is_stopped() {
            event_loop.run_once(&mut server).expect("the platform can wait");
            if is_done.try_recv().is_ok() {
                let deadline = event_loop.context().now() + Duration::from_secs(1);
                server.drain(&mut event_loop.context(), deadline);
            }
        }
        if let Err(panic) = tester.join() {
            std::panic::resume_unwind(panic);
        }
    });
    let counters = *server.counters();
    (server.into_service(), counters)
}

/// Opens two listeners on one backend.
fn listen(backend: Backend) -> (Platform<AnySelector<'static>>, [Socket; 2], [SocketAddr; 2]) {
    let selector = AnySelector::new(backend, SLOTS).expect("the machine has this backend");
    let mut platform = Platform::new(selector, SLOTS).expect("there is memory");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listeners = [(); 2].map(|()| platform.listen(any, 16).expect("there is a free port"));
    let addresses =
        listeners.map(|listener| platform.local_address(listener).expect("it is bound"));
    (platform, listeners, addresses)
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Connects a client.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("the server listens");
    client.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
    client
}

/// Opens a listener of the test, and returns its address.
pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}
