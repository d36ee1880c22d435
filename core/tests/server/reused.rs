//! Memory that was used before: nothing of an earlier server is ever seen.

use core::time::Duration;

use selkie_core::memory::{
    LoopMemory, LoopStorage, ServerMemory, ServerStorage, StaticLoop, StaticServer,
};
use selkie_core::{EventLoop, Instant, Peer, Server, Service};

use crate::on_all;
use crate::rig::UNLIMITED;
use crate::toy::{Handle, Toy};

const SLOTS: usize = 4;

type Memory = StaticServer<Handle, Vec<u8>, SLOTS, 8, 64, 16>;

/// Keeps all that a client has sent in its session, takes no more than a line, and repeats it all
/// at the end of a line.
struct Diary;

impl Service for Diary {
    type Session = Vec<u8>;

    fn opened(&mut self, _: &mut Peer<'_>, session: &mut Vec<u8>) {
        assert!(session.is_empty(), "the session is new");
    }

    fn received(&mut self, peer: &mut Peer<'_>, session: &mut Vec<u8>, bytes: &[u8]) -> usize {
        let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else { return 0 };
        session.extend_from_slice(&bytes[..=end]);
        let _ = peer.send(session);
        end + 1
    }
}

/// Serves for a while in memory that may have been used, and leaves a connection open that has a
/// session, unread input, pending output, and a deadline. Returns what a new client is answered.
fn serve<const KIND: u8>(
    loop_memory: impl LoopMemory,
    memory: impl Storage,
    line: &[u8],
) -> Vec<u8> {
    let now = Instant::from_millis(1000);
    let mut event_loop = EventLoop::new_at(Toy::<KIND>::new(SLOTS), loop_memory, now);
    // A token that is not the server's, in the slot that was a connection's before.
    let alone = event_loop.context().issue().unwrap();
    let config = UNLIMITED.idle_timeout(Some(Duration::from_secs(2)));
    let mut server = Server::new(Diary, config, memory);
    assert_eq!((server.open_connections(), server.blocks_borrowed()), (0, 0));
    assert!(!server.owns(&event_loop.context(), alone), "the slot is not the server's");
    let listener = event_loop.platform.listener();
    server.listen(&mut event_loop.context(), listener).unwrap();
    let client = event_loop.platform.stream();
    event_loop.platform.socket(listener).backlog.push_back(client);
    event_loop.platform.socket(client).incoming.extend(line);
    for _ in 0..10 {
        event_loop.turn(now, &mut server).unwrap();
    }
    let answer = core::mem::take(&mut event_loop.platform.socket(client).outgoing);
    let socket = event_loop.platform.socket(client);
    socket.room = 2;
    socket.incoming.extend(b"more\na piece");
    for _ in 0..10 {
        event_loop.turn(now, &mut server).unwrap();
    }
    assert_eq!(server.open_connections(), 1);
    answer
}

/// Memory of a server of a diary.
trait Storage: ServerMemory<Handle, Vec<u8>> {}

impl<M: ServerMemory<Handle, Vec<u8>>> Storage for M {}

on_all! {
    a_second_server_in_the_same_static_memory_sees_nothing_of_the_first
    a_second_server_in_the_same_lent_tables_sees_nothing_of_the_first
}

fn a_second_server_in_the_same_static_memory_sees_nothing_of_the_first<const KIND: u8>() {
    let mut loop_memory = StaticLoop::<SLOTS, 8>::new();
    let mut memory = Memory::new();
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        assert_eq!(serve::<KIND>(&mut loop_memory, &mut memory, line), line);
    }
}

fn a_second_server_in_the_same_lent_tables_sees_nothing_of_the_first<const KIND: u8>() {
    let mut loop_memory = StaticLoop::<SLOTS, 8>::new();
    let mut memory = Memory::new();
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        let LoopStorage { slots, timers, events } = loop_memory.storage();
        let ServerStorage { connections, sessions, blocks, bytes, scratch, .. } = memory.storage();
        let lent = ServerStorage { connections, sessions, blocks, bytes, scratch, limits: &mut [] };
        assert_eq!(serve::<KIND>(LoopStorage { slots, timers, events }, lent, line), line);
    }
}
