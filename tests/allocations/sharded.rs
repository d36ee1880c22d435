//! Shards that send each other messages allocate nothing once they serve.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use selkie::peers::Peers;
use selkie::shards::{Distribution, ListeningShards, Mail, ShardService, Shards};
use selkie::{Builder, Peer, ServeError, Service};
use selkie_services::{Chain, Entry, Flight, Parcel, ShardTables, ShardedKv, Store};

use super::{CALLS, connect};

const PARCELS: usize = 64;
const SLOTS_MAX: usize = 64;

type Message = &'static mut Parcel<16, 16>;

/// A store that counts the calls of the allocator on its thread from its first client on.
struct Counted {
    kv: ShardedKv<'static, Mail<Message>, 16, 16>,
    calls: u64,
}

impl Counted {
    fn new(mail: Mail<Message>) -> Self {
        let parcels: Vec<_> = (0..PARCELS).map(|_| Parcel::EMPTY).collect();
        let flights: Vec<_> = parcels.leak().iter_mut().map(Flight::new).collect();
        let chains = vec![Chain::EMPTY; SLOTS_MAX].leak();
        let tables = ShardTables { flights: flights.leak(), chains };
        let store = Store::new(vec![0; 2048].leak(), vec![Entry::EMPTY; 2048].leak(), 7);
        Self { kv: ShardedKv::new(store, tables, mail, 7), calls: 0 }
    }

    fn note(&mut self) {
        self.calls = CALLS.get().unwrap_or_default();
    }
}

impl Service for Counted {
    type Session = ();

    fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
        if CALLS.get().is_none() {
            CALLS.set(Some(0));
        }
        self.kv.opened(peer, &mut ());
    }

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        let taken = self.kv.received(peer, &mut (), bytes);
        self.note();
        taken
    }

    fn read_closed(&mut self, peer: &mut Peer<'_>, (): &mut (), untaken: usize) {
        self.kv.read_closed(peer, &mut (), untaken);
    }

    fn closed(&mut self, peer: &mut Peer<'_>, (): &mut (), reason: selkie::CloseReason) {
        self.kv.closed(peer, &mut (), reason);
        self.note();
    }
}

impl ShardService for Counted {
    type Message = Message;

    fn messages(&mut self, peers: &mut Peers<'_>, messages: &mut dyn Iterator<Item = Message>) {
        self.kv.messages(peers, messages);
        self.note();
    }
}

/// Asks for keys of both shards, as many clients, more at once than there are parcels for.
fn ask(address: SocketAddr) {
    let clients: Vec<_> = (0..8)
        .map(|client| {
            thread::spawn(move || {
                use std::io::{Read, Write};
                let mut stream = connect(address);
                for round in 1..=20 {
                    let requests: Vec<_> =
                        (0..50).map(|key| format!("INCR {client}-{key}\r\n")).collect();
                    stream.write_all(requests.concat().as_bytes()).expect("the server reads");
                    let answers = format!(":{round}\r\n").repeat(50);
                    let mut received = vec![0; answers.len()];
                    stream.read_exact(&mut received).expect("the server answers");
                    assert_eq!(String::from_utf8_lossy(&received), answers);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("it was served");
    }
}

#[test]
fn shards_with_messages() {
    serve_with(Shards::listen);
}

#[cfg(target_os = "linux")]
#[test]
fn shards_with_messages_over_rings() {
    serve_with(Shards::listen_ring);
}

fn serve_with(listen: fn(Shards, SocketAddr) -> Result<ListeningShards, ServeError>) {
    let shards = Shards::new(Builder::new().connections(16), 2);
    let shards = shards.distribution(Distribution::LeastLoaded);
    let server = listen(shards, ([127, 0, 0, 1], 0).into()).expect("a free port");
    let (address, handle) = (server.local_address(), server.handle());
    let serving = thread::spawn(move || server.run_with_mail(2 * PARCELS, Counted::new));
    ask(address);
    handle.drain(Duration::from_secs(10));
    let finished = serving.join().expect("it ends").expect("there is memory");
    assert_eq!(finished.counters().accepted, 8);
    for shard in finished.shards {
        let service = shard.expect("no shard fails").service;
        assert_eq!(service.calls, 0, "a shard allocates while it serves");
        assert!(!service.kv.store().is_empty(), "it has a part of the keys");
    }
}
