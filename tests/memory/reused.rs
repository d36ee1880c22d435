//! A server that is dropped with connections open, and another one in the same memory.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use selkie::memory::{HeapLoop, HeapServer, ServerMemory};
use selkie::platform::{AnySelector, Backend, Platform, Socket};
use selkie::{Config, EventLoop, Peer, Server, Service};

const SLOTS: usize = 6;

/// Keeps all lines of a client in its session, and repeats them.
struct Diary;

impl Service for Diary {
    type Session = Vec<u8>;

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut Vec<u8>, bytes: &[u8]) -> usize {
        let Some(end) = bytes.iter().rposition(|&byte| byte == b'\n') else { return 0 };
        session.extend_from_slice(&bytes[..=end]);
        let _ = peer.send(session);
        end + 1
    }
}

/// Serves one client that is answered `line`, and leaves it with a piece of another line. A waker
/// has the slot that was a connection's before.
fn serve(
    backend: Backend,
    loop_memory: &mut HeapLoop,
    memory: impl ServerMemory<Socket, Vec<u8>>,
    line: &[u8],
) -> TcpStream {
    let selector = AnySelector::new(backend, SLOTS).expect("a selector");
    let mut platform = Platform::new(selector, SLOTS).expect("memory");
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 8).expect("a free port");
    let address = platform.local_address(listener).expect("it is bound");
    let mut event_loop = EventLoop::new(platform, loop_memory);
    let mut server = Server::new(Diary, Config::DEFAULT, memory);
    assert_eq!((server.open_connections(), server.blocks_borrowed()), (0, 0));
    server.listen(&mut event_loop.context(), listener).expect("room");
    let (token, waker) = event_loop.context().waker().expect("a waker");
    assert!(!server.owns(&event_loop.context(), token), "the waker's slot is not the server's");
    waker.wake();
    let mut client = TcpStream::connect(address).expect("it listens");
    client.write_all(line).expect("a small message fits");
    client.write_all(b"a piece").expect("a small message fits");
    while server.counters().bytes_in < (line.len() + 7) as u64 {
        event_loop.run_once(&mut server).expect("a wait");
    }
    let mut answer = vec![0; line.len()];
    client.set_read_timeout(Some(Duration::from_secs(30))).expect("an option");
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, line, "nothing of an earlier session");
    assert_eq!((server.open_connections(), server.blocks_borrowed()), (1, 1));
    client
}

fn check(backend: &str) {
    let backend: Backend = backend.parse().expect("a name from the list");
    let mut loop_memory = HeapLoop::new(SLOTS, 16).expect("memory");
    let mut memory = HeapServer::new(SLOTS, 2 * SLOTS, 64).expect("memory");
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        let mut client = serve(backend, &mut loop_memory, &mut memory, line);
        // Its server is gone: the connection ends, by a FIN or a reset.
        let _ = client.shutdown(Shutdown::Write);
        assert_eq!(client.read(&mut [0; 16]).unwrap_or(0), 0);
    }
    for line in [&b"four\n"[..], b"five\n"] {
        serve(backend, &mut loop_memory, memory.storage(), line);
    }
}

/// Makes a test for each backend.
macro_rules! tests {
    ($($backend:ident $name:ident,)+) => {
        $(
            mod $name {
                #[test]
                fn a_second_server_in_the_same_memory_sees_nothing_of_the_first() {
                    super::check(stringify!($name));
                }
            }
        )+
    };
}

selkie::for_each_backend!(tests);
