//! Two shards with recorded peers. The test delivers their messages by hand.

use std::boxed::Box;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::format;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use selkie_core::Token;
use selkie_core::layers::Ending;
use selkie_core::testing::{Recorder, Request};

use super::*;
use crate::kv::Entry;

type Message = &'static mut Parcel<16, 8>;
type Boxes = Rc<RefCell<Vec<Option<VecDeque<Message>>>>>;

/// The mailboxes of a test; one without a queue has ended.
struct Mail {
    shard: usize,
    boxes: Boxes,
}

impl Post<Message> for Mail {
    fn shard(&self) -> usize {
        self.shard
    }

    fn shards(&self) -> usize {
        self.boxes.borrow().len()
    }

    fn post(&mut self, shard: usize, message: Message) -> Result<(), Message> {
        match &mut self.boxes.borrow_mut()[shard] {
            Some(queue) => queue.push_back(message),
            None => return Err(message),
        }
        Ok(())
    }
}

type Shard = ShardedKv<'static, Mail, 16, 8>;

const A: Token = Token::new(0, 1);
const B: Token = Token::new(1, 1);

/// Two shards, and the peers of the first one.
struct Pair {
    shards: [Shard; 2],
    boxes: Boxes,
    recorder: Recorder<8192>,
}

impl Pair {
    fn new() -> Self {
        let boxes: Boxes =
            Rc::new(RefCell::new(Vec::from([(); 2].map(|()| Some(VecDeque::new())))));
        let shards = [0, 1].map(|shard| {
            let entries = Box::leak(Box::new([const { Entry::EMPTY }; 64]));
            let store = Store::new(Box::leak(Box::new([0; 64])), entries, 7);
            let flights = Box::leak(Box::new([(); 32]))
                .map(|()| Flight::new(Box::leak(Box::new(Parcel::EMPTY))));
            let flights = Box::leak(Box::new(flights));
            let tables = ShardTables { flights, chains: Box::leak(Box::new([Chain::EMPTY; 2])) };
            ShardedKv::new(store, tables, Mail { shard, boxes: Rc::clone(&boxes) }, 7)
        });
        let mut pair = Self { shards, boxes, recorder: Recorder::new() };
        for token in [A, B] {
            pair.shards[0].opened(&mut pair.recorder.peer(token), &mut ());
        }
        pair
    }

    /// Returns a key of a shard, one for each number.
    fn key(&self, shard: usize, number: usize) -> String {
        let mut keys = (0..).map(|number| format!("k{number}"));
        let is_of = |key: &String| self.shards[0].shard_of(key.as_bytes(), &Action::Get) == shard;
        keys.by_ref().filter(is_of).nth(number).expect("there is no end of keys")
    }

    fn receive(&mut self, token: Token, bytes: &[u8]) -> usize {
        self.shards[0].received(&mut self.recorder.peer(token), &mut (), bytes)
    }

    /// Delivers the messages for a shard.
    fn deliver(&mut self, shard: usize) {
        let messages = self.boxes.borrow_mut()[shard].as_mut().map(core::mem::take);
        self.shards[shard]
            .messages(&mut self.recorder.peers(), &mut messages.into_iter().flatten());
    }

    /// Delivers all messages, there and back.
    fn deliver_all(&mut self) {
        self.deliver(1);
        self.deliver(0);
    }

    fn sent(&mut self, token: Token) -> String {
        let sent = String::from_utf8_lossy(self.recorder.sent_to(token)).into_owned();
        self.recorder.clear();
        sent
    }

    fn free(&self) -> usize {
        self.shards[0].flights.free_len()
    }
}

#[test]
fn replies_come_in_the_order_of_the_commands_wherever_their_keys_are() {
    let mut pair = Pair::new();
    let (here, there) = (pair.key(0, 0), pair.key(1, 0));
    let requests =
        format!("SET {here} h\r\nSET {there} t\r\nGET {here}\r\nGET {there}\r\nINCR n\r\nPING\r\n");
    let up_to_ping = requests.len() - "PING\r\n".len();
    assert_eq!(pair.receive(A, requests.as_bytes()), up_to_ping, "it waits for the replies");
    assert_eq!(pair.sent(A), "+OK\r\n", "the first one needs no other shard");
    assert_eq!(pair.receive(A, b"PING\r\n"), 0, "still held");
    pair.deliver_all();
    assert_eq!(pair.recorder.requests(), [Request::SetReading(A, true)]);
    assert_eq!(pair.sent(A), "+OK\r\n$1\r\nh\r\n$1\r\nt\r\n:1\r\n");
    assert_eq!(pair.receive(A, b"PING\r\n"), 6);
    assert_eq!(pair.sent(A), "+PONG\r\n");
    assert_eq!(pair.free(), 32);
}

#[test]
fn a_command_of_several_keys_is_answered_by_all_shards_together() {
    let mut pair = Pair::new();
    let keys: Vec<_> = (0..4).map(|number| pair.key(number % 2, number)).collect();
    let all = keys.join(" ");
    for key in &keys {
        pair.receive(A, format!("SET {key} v\r\n").as_bytes());
        pair.deliver_all();
    }
    pair.sent(A);
    for (request, answer) in [
        (format!("MGET {all} none\r\n"), format!("*5\r\n{}$-1\r\n", "$1\r\nv\r\n".repeat(4))),
        (format!("EXISTS {all} none\r\n"), String::from(":4\r\n")),
        (String::from("DBSIZE\r\n"), String::from(":4\r\n")),
        (format!("DEL {} {}\r\n", keys[0], keys[1]), String::from(":2\r\n")),
        (String::from("FLUSHALL\r\n"), String::from("+OK\r\n")),
        (String::from("DBSIZE\r\n"), String::from(":0\r\n")),
    ] {
        assert_eq!(pair.receive(A, request.as_bytes()), request.len());
        pair.deliver_all();
        assert_eq!(pair.sent(A), answer, "{request}");
    }
}

#[test]
fn a_shard_without_a_free_parcel_takes_requests_when_one_is_back() {
    let mut pair = Pair::new();
    let request = format!("INCR {}\r\n", pair.key(1, 0));
    let (len, many) = (request.len(), request.repeat(40));
    assert_eq!(pair.receive(A, many.as_bytes()), 32 * len);
    assert_eq!(pair.receive(B, request.as_bytes()), 0, "none is free, and the other one waits");
    pair.deliver_all();
    let replies: Vec<_> = (1..=32).map(|number| format!(":{number}\r\n")).collect();
    assert_eq!(pair.recorder.requests(), [Request::SetReading(A, true)], "the first in the queue");
    assert_eq!(pair.sent(A), replies.concat());
    assert_eq!(pair.receive(B, request.as_bytes()), 0, "not before the first one");
    assert_eq!(pair.receive(A, request.repeat(8).as_bytes()), 8 * len);
    assert!(pair.recorder.requests().contains(&Request::SetReading(B, true)), "its turn");
    assert_eq!(pair.receive(B, request.as_bytes()), len);
    pair.deliver_all();
    assert_eq!(pair.sent(B), ":41\r\n");
    assert_eq!(pair.free(), 32);
}

#[test]
fn replies_have_room_before_their_commands_are_executed() {
    let mut pair = Pair::new();
    pair.recorder.set_room(400);
    let request = format!("GET {}\r\n", pair.key(1, 0));
    let taken = pair.receive(A, request.repeat(9).as_bytes());
    assert_eq!(taken, 2 * request.len());
    pair.deliver_all();
    assert_eq!(pair.recorder.requests(), [Request::SetReading(A, true)]);
    assert_eq!(pair.sent(A), "$-1\r\n$-1\r\n");
}

#[test]
fn parcels_of_a_client_that_has_left_come_back() {
    let mut pair = Pair::new();
    let request = format!("INCR {}\r\n", pair.key(1, 0));
    pair.receive(A, request.repeat(32).as_bytes());
    assert_eq!(pair.receive(B, request.as_bytes()), 0);
    let mut peer = pair.recorder.peer(A);
    pair.shards[0].closed(&mut peer, &mut (), CloseReason::Closed);
    let heir = Token::new(0, 2);
    pair.shards[0].opened(&mut pair.recorder.peer(heir), &mut ());
    pair.deliver_all();
    assert_eq!((pair.free(), pair.sent(heir)), (32, String::new()));
    assert_eq!(pair.receive(B, request.as_bytes()), request.len());
    pair.deliver_all();
    assert_eq!(pair.sent(B), ":33\r\n");
}

#[test]
fn a_client_that_has_ended_its_stream_gets_all_replies_before_the_end() {
    let mut pair = Pair::new();
    let request = format!("INCR {}\r\n", pair.key(1, 0));
    pair.receive(A, request.as_bytes());
    pair.shards[0].read_closed(&mut pair.recorder.peer(A), &mut (), 0);
    assert_eq!(pair.recorder.requests(), []);
    pair.shards[0].draining(&mut pair.recorder.peer(A), &mut ());
    assert_eq!(pair.recorder.requests(), []);
    pair.deliver_all();
    assert_eq!(pair.recorder.requests(), [Request::Close(A, Ending::Finished)]);
    assert_eq!(pair.sent(A), ":1\r\n");
}

#[test]
fn keys_of_a_shard_that_has_ended_are_answered_with_an_error() {
    let mut pair = Pair::new();
    let (here, there) = (pair.key(0, 0), pair.key(1, 0));
    let request = format!("GET {there}\r\nEXISTS {here} {there}\r\nDBSIZE\r\n");
    // What is in its mailbox comes back.
    pair.receive(A, request.as_bytes());
    let queue = pair.boxes.borrow_mut()[1].take();
    pair.boxes.borrow_mut()[0].as_mut().expect("it runs").extend(queue.into_iter().flatten());
    pair.deliver(0);
    let error = String::from_utf8_lossy(ENDED);
    assert_eq!(pair.sent(A), error.repeat(3));
    assert_eq!(pair.receive(A, request.as_bytes()), request.len());
    assert_eq!(pair.sent(A), error.repeat(3));
    assert_eq!(pair.free(), 32);
}
