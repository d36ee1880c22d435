use std::vec::Vec;

use selkie_core::datagrams::DatagramOps;
use selkie_core::{Error, Instant};

use super::*;

/// The address of the resolver. Clients are other numbers.
const RESOLVER: u16 = 53;
const TABLE: [HostEntry<'static>; 3] = [
    ("selkie.test", Ipv4Addr::new(192, 0, 2, 1)),
    ("two.test", Ipv4Addr::new(192, 0, 2, 2)),
    ("two.test", Ipv4Addr::new(192, 0, 2, 3)),
];

/// Records what is sent, at a time that the test sets.
#[derive(Default)]
struct Recorder {
    sent: Vec<(Vec<u8>, u16)>,
    now: Instant,
    deadline: Option<Instant>,
}

impl DatagramOps<u16> for Recorder {
    fn send_to(&mut self, bytes: &[u8], address: &u16) -> Result<(), Error> {
        self.sent.push((bytes.to_vec(), *address));
        Ok(())
    }

    fn request_writable(&mut self) {}

    fn now(&mut self) -> Instant {
        self.now
    }

    fn set_timer(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }
}

/// Returns a query for the addresses of a name.
fn query(id: u16, name: &str, record: u16) -> Vec<u8> {
    let mut query = Vec::from(id.to_be_bytes());
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for part in name.split('.') {
        query.push(u8::try_from(part.len()).unwrap());
        query.extend(part.as_bytes());
    }
    query.push(0);
    query.extend(record.to_be_bytes());
    query.extend([0, 1]);
    query
}

/// Gives the service a message, and returns what it sends.
fn tell(
    dns: &mut Dns<'_, u16>,
    recorder: &mut Recorder,
    from: u16,
    bytes: &[u8],
) -> Vec<(Vec<u8>, u16)> {
    recorder.sent.clear();
    let message = Message { bytes, is_truncated: false, sender: Some(from) };
    dns.received(&mut DatagramSocket::new(recorder), message);
    core::mem::take(&mut recorder.sent)
}

#[test]
fn names_are_answered_in_any_case_and_others_do_not_exist() {
    let mut dns = Dns::new(&TABLE, None, &mut [], 1);
    let mut recorder = Recorder::default();
    let sent = tell(&mut dns, &mut recorder, 9, &query(7, "SELKIE.test", 1));
    let (reply, to) = &sent[0];
    assert_eq!((*to, &reply[..4], &reply[6..8]), (9, &[0, 7, 0x85, 0][..], &[0, 1][..]));
    assert!(reply.ends_with(&[0, 4, 192, 0, 2, 1]));
    let reply = &tell(&mut dns, &mut recorder, 9, &query(7, "two.test", 1))[0].0;
    assert_eq!(reply[6..8], [0, 2]);
    // A name without a record of this type exists; a part of a name does not.
    let reply = &tell(&mut dns, &mut recorder, 9, &query(7, "two.test", 28))[0].0;
    assert_eq!((reply[3], &reply[6..8]), (0, &[0, 0][..]));
    for other in ["test", "x.selkie.test", "selkie"] {
        let reply = &tell(&mut dns, &mut recorder, 9, &query(7, other, 1))[0].0;
        assert_eq!(reply[3], 3, "{other}");
    }
}

#[test]
fn malformed_messages_get_an_error_and_responses_get_nothing() {
    let mut dns = Dns::new(&TABLE, None, &mut [], 1);
    let mut recorder = Recorder::default();
    let good = query(7, "selkie.test", 1);
    for cut in 12..good.len() {
        let reply = &tell(&mut dns, &mut recorder, 9, &good[..cut])[0].0;
        assert_eq!((reply.len(), reply[3]), (12, 1), "{cut} bytes");
    }
    let mut pointer = good.clone();
    pointer[12] = 0xc0;
    assert_eq!(tell(&mut dns, &mut recorder, 9, &pointer)[0].0[3], 1);
    let mut status = good.clone();
    status[2] = 2 << 3;
    assert_eq!(tell(&mut dns, &mut recorder, 9, &status)[0].0[3], 4);
    let mut response = good.clone();
    response[2] |= 0x80;
    assert!(tell(&mut dns, &mut recorder, 9, &response).is_empty());
    assert!(tell(&mut dns, &mut recorder, 9, &good[..11]).is_empty());
    assert_eq!(dns.counters().ignored, 2);
}

#[test]
fn an_answer_that_does_not_fit_says_that_it_is_cut() {
    let table = [("many.test", Ipv4Addr::LOCALHOST); 40];
    let mut dns = Dns::new(&table, None, &mut [], 1);
    let reply = &tell(&mut dns, &mut Recorder::default(), 9, &query(7, "many.test", 1))[0].0;
    assert!(reply.len() <= UDP_MAX);
    assert_eq!(reply[2] & 2, 2);
    assert_eq!(usize::from(reply[7]), (reply.len() - 12 - 15) / 16);
}

#[test]
fn a_silent_resolver_is_asked_again_and_then_given_up() {
    let mut places = [PendingQuery::EMPTY; 1];
    let mut dns = Dns::new(&TABLE, Some(RESOLVER), &mut places, 1);
    let mut recorder = Recorder::default();
    let asked = tell(&mut dns, &mut recorder, 9, &query(7, "else.test", 1));
    assert_eq!((asked.len(), asked[0].1), (1, RESOLVER));
    // A second one finds no room.
    let full = tell(&mut dns, &mut recorder, 8, &query(6, "other.test", 1));
    assert_eq!((full[0].1, full[0].0[3]), (8, 2));
    recorder.sent.clear();
    while let Some(deadline) = recorder.deadline {
        recorder.now = deadline;
        dns.timer_expired(&mut DatagramSocket::new(&mut recorder));
    }
    let (last, again) = recorder.sent.split_last().unwrap();
    assert_eq!(again, [asked[0].clone(), asked[0].clone(), asked[0].clone()]);
    assert_eq!((last.1, &last.0[..2], last.0[3]), (9, &[0, 7][..], 2));
    assert_eq!(recorder.now, Instant::ZERO + Duration::from_millis(500 + 1000 + 2000 + 4000));
    assert_eq!((dns.counters().retransmitted, dns.counters().failed), (3, 2));
}

#[test]
fn only_the_answer_to_a_question_reaches_its_client() {
    let mut places = [PendingQuery::EMPTY; 2];
    let mut dns = Dns::new(&TABLE, Some(RESOLVER), &mut places, 1);
    let mut recorder = Recorder::default();
    let mut asked = tell(&mut dns, &mut recorder, 9, &query(7, "else.test", 1)).remove(0).0;
    assert!(tell(&mut dns, &mut recorder, RESOLVER, &asked).is_empty(), "no response");
    asked[2] |= 0x80;
    let mut other = asked.clone();
    other[13] ^= 1;
    assert!(tell(&mut dns, &mut recorder, RESOLVER, &other).is_empty(), "another question");
    let mut guessed = asked.clone();
    guessed[0] ^= 1;
    assert!(tell(&mut dns, &mut recorder, RESOLVER, &guessed).is_empty(), "another identifier");
    let answered = tell(&mut dns, &mut recorder, RESOLVER, &asked);
    assert_eq!((answered[0].1, &answered[0].0[..2]), (9, &[0, 7][..]));
    assert_eq!(recorder.deadline, None);
    assert!(tell(&mut dns, &mut recorder, RESOLVER, &asked).is_empty(), "only once");
}
