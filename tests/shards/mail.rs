//! Messages between the services of shards.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use selkie::peers::Peers;
use selkie::shards::{
    Distribution, FinishedShards, Mail, Post, ShardService, Shards, ShardsHandle,
};
use selkie::{Builder, Peer, Service, Token};

use super::fleet::{PATIENCE, Waits, uninterrupted};

/// A question to another shard, and the answer to it.
struct Question {
    origin: usize,
    client: Token,
    answer: u8,
}

/// Answers each byte with the numbers of its own shard and of the one that it has asked; `!` makes
/// that one panic.
struct Asker {
    mail: Mail<Question>,
}

impl Asker {
    fn answer(question: &Question, own: u8) -> [u8; 2] {
        [b'0' + own, question.answer]
    }

    fn shard(&self) -> u8 {
        u8::try_from(self.mail.shard()).expect("few shards")
    }
}

impl Service for Asker {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        let (origin, other) = (self.mail.shard(), 1 - self.mail.shard());
        for &byte in bytes {
            let question = Question { origin, client: peer.token(), answer: byte };
            if let Err(question) = self.mail.post(other, question) {
                assert_eq!(question.answer, byte, "a message that is refused comes back");
                peer.send(&[b'0' + self.shard(), b'-']).expect("there is room");
            }
        }
        bytes.len()
    }

    fn draining(&mut self, _: &mut Peer<'_>, (): &mut ()) {}
}

impl ShardService for Asker {
    type Message = Question;

    fn messages(&mut self, peers: &mut Peers<'_>, messages: &mut dyn Iterator<Item = Question>) {
        for mut question in messages {
            let own = self.shard();
            if question.origin == self.mail.shard() {
                let answer = Self::answer(&question, own);
                peers.send_to(question.client, &answer).expect("there is room");
                continue;
            }
            assert_ne!(question.answer, b'!', "asked to panic");
            question.answer = b'0' + own;
            assert!(self.mail.post(question.origin, question).is_ok(), "there is room");
        }
    }
}

struct Askers {
    handle: ShardsHandle,
    clients: Vec<TcpStream>,
    thread: JoinHandle<FinishedShards<Asker>>,
}

/// Starts two shards with one client each.
fn start(waits: Waits) -> Askers {
    let shards = Shards::new(Builder::new().connections(4), 2);
    let server = waits.listen(shards.distribution(Distribution::LeastLoaded));
    let (address, handle) = (server.local_address(), server.handle());
    let thread = thread::spawn(move || {
        server.run_with_mail(16, |mail| Asker { mail }).expect("memory for both")
    });
    let connect = |_| {
        let client = TcpStream::connect(address).expect("the listener is open");
        client.set_read_timeout(Some(PATIENCE)).expect("an option");
        client
    };
    let mut askers = Askers { handle, clients: (0..2).map(connect).collect(), thread };
    assert_eq!(ask(&mut askers.clients[0]), Some(*b"01"));
    assert_eq!(ask(&mut askers.clients[1]), Some(*b"10"));
    askers
}

/// Asks a client's shard for its number and that of the other one.
fn ask(client: &mut TcpStream) -> Option<[u8; 2]> {
    client.write_all(b"?").ok()?;
    let mut answer = [0; 2];
    client.read_exact(&mut answer).ok().map(|()| answer)
}

pub(crate) fn a_shard_that_has_drained_answers_messages_until_all_have(waits: Waits) {
    let Askers { handle, mut clients, thread } = start(waits);
    handle.drain_shard(0, PATIENCE);
    drop(clients.remove(0));
    for _ in 0..100 {
        assert_eq!(ask(&mut clients[0]), Some(*b"10"));
    }
    assert!(!thread.is_finished());
    handle.drain(PATIENCE);
    drop(clients);
    let finished = thread.join().expect("they end");
    assert!(finished.shards.iter().all(Result::is_ok));
}

pub(crate) fn messages_to_a_shard_that_fails_are_given_back(waits: Waits) {
    let Askers { handle, mut clients, thread } = start(waits);
    clients[0].write_all(b"!abc").expect("the server reads");
    // The first is lost with the shard; what it had not taken, or is posted later, comes back.
    let mut answers = [0; 6];
    let count = uninterrupted(|| clients[0].read(&mut answers)).expect("the other shard serves on");
    assert!(count > 0 && answers[..count].iter().step_by(2).all(|&own| own == b'0'));
    super::fleet::wait_until("the mailbox of the other shard is closed", || {
        ask(&mut clients[0]) == Some(*b"0-")
    });
    handle.drain(Duration::ZERO);
    let finished = thread.join().expect("they end");
    assert_eq!(finished.shards.iter().filter(|shard| shard.is_err()).count(), 1);
}
