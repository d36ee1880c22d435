//! The chat: lines reach everybody else, and who does not read is disconnected.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chat");

/// A member that reads line by line.
struct Member {
    stream: BufReader<TcpStream>,
}

impl Member {
    fn join(server: &Server, nick: &str) -> Self {
        let mut member = Self { stream: BufReader::new(server.target().connect()) };
        assert_eq!(member.line(), "your nickname?\n");
        member.say(nick);
        member
    }

    fn say(&mut self, line: &str) {
        let bytes = format!("{line}\n");
        self.stream.get_mut().write_all(bytes.as_bytes()).expect("the server takes a line");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line comes in time");
        line
    }
}

#[test]
fn a_line_reaches_everybody_but_its_speaker() {
    let server = crate::start(PROGRAM, &[]);
    let mut ann = Member::join(&server, "ann");
    let mut bob = Member::join(&server, "bob");
    assert_eq!(ann.line(), "bob joined\n");
    let mut eve = Member::join(&server, "eve");
    assert_eq!((ann.line(), bob.line()), ("eve joined\n".to_owned(), "eve joined\n".to_owned()));
    bob.say("hello");
    assert_eq!((ann.line(), eve.line()), ("bob: hello\n".to_owned(), "bob: hello\n".to_owned()));
    drop(ann);
    assert_eq!((bob.line(), eve.line()), ("ann left\n".to_owned(), "ann left\n".to_owned()));
    eve.say("goodbye");
    assert_eq!(bob.line(), "eve: goodbye\n", "and no client gets its own line");
    drop((bob, eve));
    server.stop();
}

#[test]
fn a_member_who_does_not_read_is_disconnected_and_no_other_waits() {
    let server = crate::start(PROGRAM, &[]);
    let mut speaker = Member::join(&server, "speaker");
    let slow = Member::join(&server, "slow");
    assert_eq!(speaker.line(), "slow joined\n");
    let mut reader = Member::join(&server, "reader");
    assert_eq!(speaker.line(), "reader joined\n");
    // What a member is sent goes into the socket buffers of two kernels, then into the server's.
    let long = "x".repeat(400);
    let mut said = 0;
    while said < 200_000 {
        speaker.say(&long);
        said += 1;
        let line = reader.line();
        if line == "slow left\n" {
            break;
        }
        assert_eq!(line, format!("speaker: {long}\n"), "after {said} lines");
    }
    assert!(said < 200_000, "a member who reads nothing is never disconnected");
    drop((speaker, reader, slow));
    server.stop();
}

#[test]
fn nicknames_and_lines_have_limits() {
    let server = crate::start(PROGRAM, &[]);
    for bad in ["", "two words", "a-nickname-of-many-letters"] {
        let mut refused = Member::join(&server, bad);
        assert!(refused.line().starts_with("a nickname has"), "{bad:?} is no nickname");
        assert_eq!(refused.line(), "", "and the connection is closed");
    }
    let mut long = Member::join(&server, "long");
    // The line never ends.
    let unended = [b'x'; 4096];
    let sent = long.stream.get_mut().write_all(&unended);
    sent.expect("the kernel takes a page");
    let mut rest = String::new();
    long.stream.read_to_string(&mut rest).expect("the connection ends in time");
    assert_eq!(rest, "a line has at most 511 bytes\n");
    server.stop();
}
