//! The echo benchmark: clients that send, wait for all of it to come back, and send again. Server
//! and client are processes of their own, which the benchmark starts from its own program.

mod client;
mod connection;
pub(crate) mod embassy;
mod floor;
mod floor_ring;
mod mio;
mod polling;
mod processes;
mod selkie;
mod shards;
mod threads;
mod tokio;

use std::io::Write;
use std::net::TcpListener;

use ::selkie::platform::{Backend, Epoll};
use ::selkie::shards::Distribution;
pub(crate) use processes::{Client, Load, Server, Wrapper};
use selkie::{Pieces, Timers};
use selkie_async::AsyncService;
use selkie_services::{Echo, tasks};
pub(crate) use shards::serve as serve_shards;

use super::arguments::Role;
use super::process;

/// The size of a read, for every contestant alike.
const READ_MAX: usize = 64 * 1024;

/// An implementation of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The hand-written loop.
    Floor,
    /// The same over `io_uring`.
    FloorRing,
    Selkie(Backend),
    /// Ours over `io_uring`.
    Ring,
    /// Ours with a loop on each core.
    Shards,
    Mio,
    Polling,
    /// A blocking thread for each connection.
    Threads,
    /// Ours, with a service that echoes in 16 sends.
    SelkiePieces,
    /// Ours, with a service that sets a timer for each message.
    SelkieTimers,
    /// Ours, with an idle timeout.
    SelkieIdle,
    /// Ours, with an `async fn` that echoes in place.
    TaskInPlace,
    /// Ours, with an `async fn` that echoes through a buffer.
    TaskWithBuffer,
    Tokio,
    /// embassy's executor over an epoll loop by hand.
    Embassy,
}

impl Contestant {
    /// Ours on the best backend.
    pub(crate) const SELKIE: Self = Self::Selkie(Backend::Epoll);

    /// Returns all contestants, the floor first.
    pub(crate) fn all() -> Vec<Self> {
        let ours = Self::BACKENDS.iter().map(|&(backend, _)| Self::Selkie(backend));
        let others =
            [Self::Ring, Self::FloorRing, Self::Shards, Self::Mio, Self::Polling, Self::Threads];
        [Self::Floor].into_iter().chain(ours).chain(others).collect()
    }

    /// Ours with other services, to compare with its echo.
    const VARIANTS: [Self; 7] = [
        Self::SelkiePieces,
        Self::SelkieTimers,
        Self::SelkieIdle,
        Self::TaskInPlace,
        Self::TaskWithBuffer,
        Self::Tokio,
        Self::Embassy,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "hand-written epoll",
            Self::FloorRing => "hand-written io_uring",
            Self::Selkie(backend) => {
                let ours = Self::BACKENDS.iter().find(|(other, _)| *other == backend);
                ours.map_or("selkie", |(_, name)| name)
            }
            Self::Ring => "selkie io_uring",
            Self::Shards => "selkie epoll, a shard on each core",
            Self::Mio => "mio",
            Self::Polling => "polling",
            Self::Threads => "thread per connection",
            Self::SelkiePieces => "selkie epoll, 16 sends a message",
            Self::SelkieTimers => "selkie epoll, a timer a message",
            Self::SelkieIdle => "selkie epoll, an idle timeout",
            Self::TaskInPlace => "selkie epoll, async fn, in place",
            Self::TaskWithBuffer => "selkie epoll, async fn, with a buffer",
            Self::Tokio => "tokio current_thread",
            Self::Embassy => "embassy-executor, epoll by hand",
        }
    }

    /// Accepts so many connections, echoes until all of them are closed, and ends.
    fn serve(self, listener: TcpListener, connections: usize) {
        match self {
            Self::Floor => floor::serve(&listener, connections),
            Self::FloorRing => floor_ring::serve(&listener, connections),
            Self::Selkie(backend) => serve_selkie(backend, listener, connections),
            Self::SelkiePieces => {
                selkie::serve(Epoll::new(connections + 1), Pieces, listener, connections);
            }
            Self::SelkieTimers => {
                selkie::serve(Epoll::new(connections + 1), Timers, listener, connections);
            }
            Self::SelkieIdle => selkie::serve_idle(listener, connections),
            Self::Ring => selkie::serve_ring(listener, connections),
            Self::Shards => unreachable!("shards open their own listeners"),
            Self::TaskInPlace => {
                let slots = connections + 1;
                let service = AsyncService::boxed(slots, tasks::echo_in_place);
                selkie::serve(Epoll::new(slots), service, listener, connections);
            }
            Self::TaskWithBuffer => {
                let slots = connections + 1;
                let service = AsyncService::boxed(slots, tasks::echo);
                selkie::serve(Epoll::new(slots), service, listener, connections);
            }
            Self::Tokio => tokio::serve(listener, connections),
            Self::Embassy => embassy::serve(&listener, connections),
            Self::Mio => mio::serve(listener, connections),
            Self::Polling => polling::serve(&listener, connections),
            Self::Threads => threads::serve(&listener, connections),
        }
    }
}

/// Makes what depends on the list of backends.
macro_rules! backends {
    ($($selector:ident $backend:ident,)+) => {
        impl Contestant {
            /// The backends, and the names of ours on them.
            const BACKENDS: &[(Backend, &str)] =
                &[$((Backend::$selector, concat!("selkie ", stringify!($backend)))),+];
        }

        fn serve_selkie(backend: Backend, listener: TcpListener, connections: usize) {
            let slots = connections + 1;
            match backend {
                $(Backend::$selector => {
                    selkie::serve(::selkie::platform::$selector::new(slots), Echo, listener, connections)
                })+
                _ => unreachable!("all backends are in the list"),
            }
        }
    };
}

::selkie::for_each_backend!(backends);

/// Plays the part of a process that this benchmark started. Returns whether the role is one of this
/// benchmark's.
pub(crate) fn play(role: &Role) -> bool {
    match role.word(0) {
        "serve" => serve(role),
        "drive" => {
            process::pin_to_core(role.number(5));
            client::drive(role.number(1), role.number(2), role.number(3), role.number(4));
        }
        _ => return false,
    }
    true
}

/// Plays `serve CONTESTANT CONNECTIONS`: prints its port first.
fn serve(role: &Role) {
    let mut contestants = Contestant::all().into_iter().chain(Contestant::VARIANTS);
    let contestant = contestants
        .find(|contestant| contestant.name() == role.word(1))
        .expect("a contestant's name");
    process::descriptors_max();
    if contestant == Contestant::Shards {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        serve_shards(cores, Distribution::LeastLoaded, role.number(2), false);
        return;
    }
    if contestant != Contestant::Threads {
        process::pin_to_core(0);
    }
    let listener = listener();
    println!("{}", listener.local_addr().expect("an address").port());
    std::io::stdout().flush().expect("the benchmark reads the port");
    contestant.serve(listener, role.number(2));
}

/// Opens a listener with a long backlog, since clients connect all at once.
pub(crate) fn listener() -> TcpListener {
    use std::os::fd::AsRawFd;

    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    // SAFETY: the call takes no pointers. Calling it again only changes the length of the backlog.
    let result = unsafe { libc::listen(listener.as_raw_fd(), 4096) };
    assert_eq!(result, 0, "a backlog");
    listener
}
