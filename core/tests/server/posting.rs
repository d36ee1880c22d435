//! Messages from a mailbox: to open connections, and to none else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use selkie_core::mailbox::{Mailbox, Receives};
use selkie_core::{CloseReason, Peer, Service, Token};

use crate::on_all;
use crate::rig::{Shape, UNLIMITED, with_server};
use crate::toy::PLATFORM;

/// Sends each message to the client that it is for.
#[derive(Default)]
struct Postman {
    delivered: Vec<(Token, u64)>,
}

impl Service for Postman {
    type Session = ();

    fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        bytes.len()
    }
}

impl Receives<u64> for Postman {
    fn message(&mut self, peer: &mut Peer<'_>, (): &mut (), message: u64) {
        assert_ne!(message, BAD, "as the test wants");
        self.delivered.push((peer.token(), message));
        peer.send(&message.to_be_bytes()[7..]).expect("there is room");
    }
}

/// A message whose callback panics.
const BAD: u64 = 66;

on_all! {
    messages_are_delivered_in_order_and_flushed
    a_message_for_a_stale_token_is_dropped_and_counted
    a_panic_costs_one_message_and_its_connection
}

fn messages_are_delivered_in_order_and_flushed<const KIND: u8>() {
    let mailbox = Mailbox::<u64, 8>::new();
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Postman::default(), |rig| {
        let clients = [rig.connected(), rig.connected()];
        let tokens = clients.map(|client| rig.token(client));
        for number in 0..8 {
            let token = tokens[usize::from(number % 2 == 1)];
            mailbox.post(token, number).expect("there is room");
        }
        assert_eq!(mailbox.post(tokens[0], 99), Err(99), "a full mailbox gives it back");
        assert_eq!(rig.server.deliver(&mut rig.event_loop.context(), &mailbox), 8);
        assert_eq!(rig.take(clients[0]), [0, 2, 4, 6]);
        assert_eq!(rig.take(clients[1]), [1, 3, 5, 7]);
        assert!(rig.server.service().delivered.iter().map(|entry| entry.1).eq(0..8));
        assert_eq!(rig.server.deliver(&mut rig.event_loop.context(), &mailbox), 0);
        assert_eq!(mailbox.post(tokens[0], 99), Ok(()));
    });
}

fn a_message_for_a_stale_token_is_dropped_and_counted<const KIND: u8>() {
    let mailbox = Mailbox::<u64, 8>::new();
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Postman::default(), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        rig.end(client);
        rig.settle();
        let heir = rig.connected();
        assert_eq!(rig.token(heir).index(), token.index(), "the slot is used again");
        for token in [token, Token::new(99, 1), rig.token(rig.listener)] {
            mailbox.post(token, 1).expect("there is room");
        }
        assert_eq!(rig.server.deliver(&mut rig.event_loop.context(), &mailbox), 0);
        assert_eq!(rig.server.counters().messages_dropped, 3);
        assert_eq!(rig.take(heir), []);
    });
}

fn a_panic_costs_one_message_and_its_connection<const KIND: u8>() {
    let mailbox = Mailbox::<u64, 8>::new();
    with_server::<_, KIND>(Shape::SMALL, UNLIMITED, Postman::default(), |rig| {
        let (bad, good) = (rig.connected(), rig.connected());
        let tokens = [rig.token(bad), rig.token(good)];
        for (token, number) in [(tokens[0], BAD), (tokens[1], 1), (tokens[1], 2)] {
            mailbox.post(token, number).expect("there is room");
        }
        let deliver = AssertUnwindSafe(|| {
            rig.server.deliver(&mut rig.event_loop.context(), &mailbox);
        });
        assert!(catch_unwind(deliver).is_err());
        assert_eq!(rig.server.deliver(&mut rig.event_loop.context(), &mailbox), 2);
        rig.settle();
        assert_eq!(rig.take(good), [1, 2]);
        assert_eq!(rig.closed_for(CloseReason::Failed), 1);
    });
}

#[test]
fn no_more_is_delivered_at_once_than_a_mailbox_has_room_for() {
    /// Posts again for each message.
    struct Endless<'m>(&'m Mailbox<u64, 4>, usize);

    impl Service for Endless<'_> {
        type Session = ();

        fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
            bytes.len()
        }
    }

    impl Receives<u64> for Endless<'_> {
        fn message(&mut self, peer: &mut Peer<'_>, (): &mut (), message: u64) {
            self.1 += 1;
            self.0.post(peer.token(), message).expect("one was taken out");
        }
    }

    let mailbox = Mailbox::new();
    with_server::<_, PLATFORM>(Shape::SMALL, UNLIMITED, Endless(&mailbox, 0), |rig| {
        let client = rig.connected();
        let token = rig.token(client);
        mailbox.post(token, 7).expect("there is room");
        assert_eq!(rig.server.deliver(&mut rig.event_loop.context(), &mailbox), 4);
        assert_eq!(rig.server.service().1, 4);
        assert_eq!(mailbox.take(), Some((token, 7)));
    });
}
