//! The chat: nicknames that are none, lines that are too long or no text, members that vanish.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::Server;
use crate::{answer_to, beside, clients, trickle};

const PROGRAM: &str = env!("CARGO_BIN_EXE_chat");
const NO_NICK: &str = "a nickname has 1 to 16 letters, without spaces and colons\n";
const TOO_LONG: &str = "a line has at most 511 bytes\n";

/// A member that reads line by line.
struct Member(BufReader<TcpStream>);

impl Member {
    fn join(server: &Server, nick: &str) -> Self {
        let mut member = Self(BufReader::new(server.target().connect()));
        assert_eq!(member.line(), "your nickname?\n");
        member.say(format!("{nick}\n"));
        member
    }

    fn say(&mut self, text: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(text.as_ref()).expect("the server takes a line");
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).expect("a line in time");
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Reads lines up to this one.
    fn hear(&mut self, text: &str) {
        while self.line() != text {}
    }
}

/// Returns a call that shows that of two members one hears the other.
fn talk(server: &Server) -> impl Fn() + Sync + use<'_> {
    let round = AtomicU32::new(0);
    move || {
        let round = round.fetch_add(1, Ordering::Relaxed);
        let mut one = Member::join(server, &format!("one{round}"));
        let mut two = Member::join(server, &format!("two{round}"));
        one.hear(&format!("two{round} joined\n"));
        one.say("hello\n");
        two.hear(&format!("one{round}: hello\n"));
    }
}

#[test]
fn what_is_no_nickname_or_too_long_is_answered_and_ends_the_connection() {
    let server = crate::start(PROGRAM, &[]);
    let ann = Member::join(&server, "ann");
    let long = "x".repeat(600);
    let cases = [
        ("\n", NO_NICK),
        ("\r\n", NO_NICK),
        ("two words\nthird\n", NO_NICK),
        ("aaaaaaaaaaaaaaaaa\n", NO_NICK),
        ("a\u{1b}[2J\n", NO_NICK),
        ("a\0b\n", NO_NICK),
        ("J\u{f6}rg\n", NO_NICK),
        ("ann:\n", NO_NICK),
        ("GET / HTTP/1.1\r\n\r\n", NO_NICK),
        ("ann\nhello\n", "that nickname is taken: choose another one\n"),
        (&long, TOO_LONG),
    ];
    beside(talk(&server), || {
        for (request, expected) in cases {
            let answer = answer_to(&server, request.as_bytes());
            let expected = format!("your nickname?\n{expected}");
            assert_eq!(String::from_utf8_lossy(&answer), expected, "{request:.20?}");
        }
        let mut unended = Member::join(&server, "unended");
        unended.say(&long);
        unended.hear(TOO_LONG);
        assert_eq!(unended.line(), "");
    });
    // A name is free again when its member has left.
    let mut bob = Member::join(&server, "bob");
    drop(ann);
    bob.hear("ann left\n");
    let heir = Member::join(&server, "ann");
    bob.hear("ann joined\n");
    drop((bob, heir));
    let report = server.stop();
    assert!(report.figure("turned away") > cases.len() as u64, "{}", report.text);
}

#[test]
fn what_could_change_the_terminals_of_others_is_replaced() {
    let server = crate::start(PROGRAM, &[]);
    let mut ann = Member::join(&server, "ann");
    let mut bob = Member::join(&server, "bob");
    ann.hear("bob joined\n");
    bob.say(b"\x1b[2J\x07\r\0tab\there\x7f\r\n");
    assert_eq!(ann.line(), "bob: ?[2J???tab\there?\n");
    bob.say("a: b, J\u{f6}rg\n".as_bytes());
    assert_eq!(ann.line(), "bob: a: b, J\u{f6}rg\n");
    drop((ann, bob));
    server.stop();
}

#[test]
fn members_that_are_slow_cut_off_or_gone_keep_no_other_from_talking() {
    let server = crate::start(PROGRAM, &[]);
    let mut ann = Member::join(&server, "ann");
    beside(talk(&server), || {
        let mut slow = server.target().connect();
        clients::expect(&mut slow, b"your nickname?\n");
        // Others join and leave meanwhile, which it does not hear before it has joined.
        assert_eq!(trickle(&mut slow, b"slow\n"), 5);
        ann.hear("slow joined\n");
        slow.write_all(b"half a line").expect("the server takes a few bytes");
        slow.shutdown(std::net::Shutdown::Write).expect("the connection is open");
        ann.hear("slow left\n");
        crate::close_in_the_middle(&server, b"gone\nhello\nhello\nhel");
        // A thousand lines at once: none is lost or mixed with others.
        let mut fast = Member::join(&server, "fast");
        let lines: Vec<_> = (0..1000).map(|number| format!("{number}\n")).collect();
        fast.say(lines.concat());
        for line in &lines {
            ann.hear(&format!("fast: {line}"));
        }
    });
    drop(ann);
    server.stop();
}
