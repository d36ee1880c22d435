//! Anything in any order, against what each client must have received in the end.

use core::time::Duration;
use std::collections::BTreeMap;

use proptest::prelude::*;
use selkie_core::{CloseReason, Config, ErrorKind};

use crate::rig::{Rig, Shape, with_server};
use crate::scripted::Scripted;
use crate::toy::{Handle, PLATFORM, READS_ON, SERVER};

/// One thing that a client, the network or the clock does. Clients are named by the order in which
/// they connected.
#[derive(Clone, Debug)]
enum Step {
    Connect,
    /// Sends so many bytes, the last of which ends a line.
    Line(usize, u8),
    Piece(usize, u8),
    /// The network takes so many bytes more for a client.
    Room(usize, u8),
    End(usize),
    Reset(usize),
    NoDescriptors,
    RegisterFails,
    Wait(u16),
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..12_usize;
    prop_oneof![
        3 => Just(Step::Connect),
        6 => (client(), 1..40_u8).prop_map(|(client, length)| Step::Line(client, length)),
        3 => (client(), 1..10_u8).prop_map(|(client, length)| Step::Piece(client, length)),
        6 => (client(), 0..30_u8).prop_map(|(client, room)| Step::Room(client, room)),
        2 => client().prop_map(Step::End),
        1 => client().prop_map(Step::Reset),
        1 => Just(Step::NoDescriptors),
        1 => Just(Step::RegisterFails),
        3 => (1..500_u16).prop_map(Step::Wait),
        4 => Just(Step::Turn),
    ]
}

/// The facts that the test knows of a client.
#[derive(Default)]
struct Client {
    sent: Vec<u8>,
    received: Vec<u8>,
    ended: bool,
    reset: bool,
}

/// A run: the clients in the order in which they connected.
struct Run {
    clients: BTreeMap<Handle, Client>,
    order: Vec<Handle>,
}

impl Run {
    fn client(&mut self, number: usize) -> Option<(Handle, &mut Client)> {
        let handle = *self.order.get(number)?;
        self.clients.get_mut(&handle).map(|client| (handle, client))
    }

    fn take<const KIND: u8>(&mut self, rig: &mut Rig<'_, Scripted, KIND>) {
        for (&handle, client) in &mut self.clients {
            client.received.extend(rig.take(handle));
            assert!(
                client.sent.starts_with(&client.received),
                "only what was sent comes back, in order"
            );
        }
    }

    fn act<const KIND: u8>(&mut self, rig: &mut Rig<'_, Scripted, KIND>, step: &Step) {
        match *step {
            Step::Connect => {
                let handle = rig.connect();
                rig.give_room(handle, 20);
                self.order.push(handle);
                self.clients.insert(handle, Client::default());
            }
            Step::Line(number, length) => self.send(rig, number, length, true),
            Step::Piece(number, length) => self.send(rig, number, length, false),
            Step::Room(number, room) => {
                let Some((handle, _)) = self.client(number) else { return };
                let before = rig.socket(handle).room;
                rig.give_room(handle, before.min(50) + usize::from(room));
            }
            Step::End(number) => {
                let Some((handle, client)) = self.client(number) else { return };
                client.ended = true;
                rig.end(handle);
            }
            Step::Reset(number) => {
                let Some((handle, client)) = self.client(number) else { return };
                client.reset = true;
                rig.socket(handle).read_error = Some(ErrorKind::ConnectionReset);
                rig.socket(handle).write_error = Some(ErrorKind::ConnectionReset);
            }
            Step::NoDescriptors => {
                let listener = rig.listener;
                rig.socket(listener).accept_errors.push_back(ErrorKind::OutOfDescriptors);
            }
            Step::RegisterFails => {
                rig.event_loop.platform.register_errors.push_back(ErrorKind::OutOfMemory);
            }
            Step::Wait(millis) => rig.pass(Duration::from_millis(u64::from(millis))),
            Step::Turn => {
                rig.turn();
            }
        }
        self.take(rig);
    }

    /// Sends a line, or the beginning of one.
    fn send<const KIND: u8>(
        &mut self,
        rig: &mut Rig<'_, Scripted, KIND>,
        number: usize,
        length: u8,
        is_whole: bool,
    ) {
        let Some((handle, client)) = self.client(number) else { return };
        if client.ended || client.reset {
            return;
        }
        // A service for lines cannot use a line that is longer than its input buffer.
        let open = client.sent.iter().rev().take_while(|&&byte| byte != b'\n').count();
        let length = usize::from(length).min(Shape::SMALL.scratch - 1 - open);
        let mut text = vec![b'a' + u8::try_from(number).unwrap(); length];
        if is_whole || length == 0 {
            text.push(b'\n');
        }
        client.sent.extend(&text);
        rig.send(handle, &text);
    }

    /// Lets every client end, and gives the network all the time and room that it needs.
    fn finish<const KIND: u8>(&mut self, rig: &mut Rig<'_, Scripted, KIND>, whole_lines: bool) {
        for &handle in &self.order {
            rig.give_room(handle, usize::MAX);
        }
        // A client that sent only a piece of a line keeps its block until it ends, and others may
        // wait for it.
        rig.pass(Duration::from_secs(1));
        for &handle in &self.order {
            rig.end(handle);
        }
        rig.pass(Duration::from_secs(1));
        rig.event_loop.platform.register_errors.clear();
        // Its connection stays for as long as the service may still take the piece.
        for _ in &self.order {
            rig.pass(Duration::from_secs(3601));
        }
        self.take(rig);
        self.check_end(rig, whole_lines);
    }

    /// Checks that each client has its bytes, and that nothing is left of the connections.
    fn check_end<const KIND: u8>(&self, rig: &mut Rig<'_, Scripted, KIND>, whole_lines: bool) {
        assert_eq!(rig.server.open_connections(), 0, "every connection was closed");
        for (&handle, client) in &self.clients {
            assert!(rig.closed(handle).is_some());
            let refused = rig.socket(handle).reads == 0;
            if client.reset || refused {
                continue;
            }
            let whole = client
                .sent
                .iter()
                .rposition(|&byte| byte == b'\n')
                .map_or(0, |position| position + 1);
            let expected = if whole_lines { whole } else { client.sent.len() };
            assert_eq!(client.received.len(), expected, "of {handle:?}");
        }
        let counters = rig.server.counters();
        assert_eq!(counters.accepted + counters.refused, self.order.len() as u64);
        assert_eq!(counters.closed_for(CloseReason::Failed), 0, "{counters:?}");
        assert_eq!(counters.close_failures, 0);
        assert_eq!(rig.server.blocks_borrowed(), 0, "every block is given back");
        assert_eq!(rig.turn(), None, "no deadline outlives its connection");
        assert!(
            rig.event_loop
                .platform
                .sockets
                .iter()
                .all(|socket| socket.is_listener == socket.watched.is_some())
        );
    }
}

fn run<const KIND: u8>(steps: &[Step], blocks: usize, linger: bool, whole_lines: bool) {
    let config = Config::DEFAULT
        .linger(Duration::from_millis(if linger { 100 } else { 0 }))
        .idle_timeout(Some(Duration::from_secs(360_000)))
        .stall_timeout(Some(Duration::from_secs(3600)))
        .accepts_per_turn(2)
        .buffer_grace(Duration::MAX);
    let service = if whole_lines { Scripted::lines() } else { Scripted::echo() };
    let shape = Shape { blocks, events: 3, ..Shape::SMALL };
    with_server::<_, KIND>(shape, config, service, |rig| {
        let mut run = Run { clients: BTreeMap::new(), order: Vec::new() };
        for step in steps {
            run.act(rig, step);
        }
        run.finish(rig, whole_lines);
    });
}

/// Returns the number of cases, fewer under Miri, which is hundreds of times slower; no files are
/// written beside the tests.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if cfg!(miri) { 1 } else { usual.cases };
    ProptestConfig { cases, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_client_receives_what_it_must(
        steps in prop::collection::vec(step(), 1..if cfg!(miri) { 15 } else { 120 }),
        blocks in 2..14_usize,
        linger: bool,
        whole_lines: bool,
    ) {
        run::<SERVER>(&steps, blocks, linger, whole_lines);
        run::<READS_ON>(&steps, blocks, linger, whole_lines);
        run::<PLATFORM>(&steps, blocks, linger, whole_lines);
    }
}
