//! An echo server with a listener of WASI 0.3 and one of 0.2, in one loop. The platform of 0.3
//! sleeps for both.
//!
//! ```text
//! paired
//! ```
//!
//! It prints the two addresses, that of 0.3 first.

use selkie::adapters::{Either, Pair};
use selkie::memory::{HeapLoop, HeapServer};
use selkie::platform::{IoPoll, IoPollStorage, WaitableSet, WaitableSetStorage};
use selkie::{Config, Error, EventLoop, Peer, Server, Service};

/// Number of sources of each platform at most, and of the loop.
const SOURCES: usize = 32;

struct Echo;

impl Service for Echo {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        peer.send(bytes).map_or(0, |()| bytes.len())
    }
}

selkie::export_run!(main);

fn main() -> Result<(), Error> {
    let mut pair = Pair::new(
        WaitableSet::new(WaitableSetStorage::leaked(SOURCES)),
        IoPoll::new(IoPollStorage::leaked(SOURCES))?,
    );
    let any_port = ([127, 0, 0, 1], 0).into();
    let first = pair.first.listen(any_port, 16)?;
    let second = pair.second.listen(any_port, 16)?;
    println!("clients to {}", pair.first.local_address(first)?);
    println!("clients to {}", pair.second.local_address(second)?);
    let mut memory = HeapServer::new(SOURCES, SOURCES, 4096)?;
    let mut event_loop = EventLoop::new(pair, HeapLoop::new(SOURCES, 16)?);
    let mut server = Server::new(Echo, Config::DEFAULT.connections_max(16), memory.storage());
    server.listen(&mut event_loop.context(), Either::First(first))?;
    server.listen(&mut event_loop.context(), Either::Second(second))?;
    event_loop.run(&mut server)
}
