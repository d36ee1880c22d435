//! `chat` beside a broadcast by hand: one client speaks, all others listen.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use selkie::Builder;
use selkie_services::{Chat, Seat};

use super::comparison::{Contestant, Subject, Work, compare};
use super::driver::{Driver, obey};
use super::server::{Server, announce};
use super::{SERVER_CORE, broadcast};
use crate::support::arguments::{Arguments, Role};
use crate::support::{echo, process};

/// The line of the speaker, and what stands before it when it is delivered.
const LINE: &[u8] = b"the quick brown fox jumps over the lazy dog, and over the cat\n";
const PREFIX: &str = "speaker: ";

pub(crate) fn run(arguments: &Arguments) {
    let listeners = arguments.scaled(1000, 20);
    let title = "chat, 1 speaks to 1,000";
    if !arguments.wants(title) {
        return;
    }
    let server = |role: &str| Ok(Server::role(&[role, &listeners.to_string()], SERVER_CORE));
    let contestants = [
        Contestant { name: "selkie chat", goal: None, server: server("chat") },
        Contestant {
            name: "broadcast by hand over epoll",
            goal: Some(1.1),
            server: server("broadcast"),
        },
    ];
    let mut drivers: Vec<Driver> = contestants
        .iter()
        .filter_map(|contestant| {
            let port = contestant.server.as_ref().ok()?.port().to_string();
            Some(Driver::start(&["speak", &port, &listeners.to_string()]))
        })
        .collect();
    let lines = arguments.scaled(100, 5);
    let explanation = "A line of 62 bytes, and the next once all have it.";
    let subject = Subject { title, explanation, unit: "delivered message" };
    compare(arguments, subject, &contestants, |position, _| {
        Work::new(lines * listeners, drivers[position].run(lines))
    });
}

/// Plays `chat LISTENERS`.
pub(crate) fn serve(role: &Role) {
    process::descriptors_max();
    let builder = Builder::new().connections(role.number::<usize>(1) + 1);
    let mut seats = vec![Seat::EMPTY; builder.slots()];
    let mut server = builder.listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    announce(server.local_address().expect("an address").port());
    server.run(Chat::new(&mut seats)).expect("memory");
}

/// Plays `broadcast LISTENERS`.
pub(crate) fn serve_by_hand() {
    process::descriptors_max();
    let listener = echo::listener();
    announce(listener.local_addr().expect("an address").port());
    broadcast::serve(&listener);
}

/// Plays `speak PORT LISTENERS`: says so many lines, each once all have the one before it.
pub(crate) fn speak(role: &Role) {
    process::descriptors_max();
    let port: u16 = role.number(1);
    let join = |name: &str| {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        (&stream).write_all(format!("{name}\n").as_bytes()).expect("the server reads");
        stream
    };
    let listeners: Vec<TcpStream> = (0..role.number(2)).map(|_| join("listener")).collect();
    let speaker = join("speaker");
    listeners.iter().for_each(wait_until_the_speaker_joined);
    let mut message = vec![0; PREFIX.len() + LINE.len()];
    obey(|lines| {
        for _ in 0..lines {
            (&speaker).write_all(LINE).expect("the server reads");
            // The last one first: the server wakes this process once for each line.
            for mut listener in listeners.iter().rev() {
                listener.read_exact(&mut message).expect("the message");
            }
            assert!(message.starts_with(PREFIX.as_bytes()) && message.ends_with(LINE));
        }
    });
}

/// Reads the greetings.
fn wait_until_the_speaker_joined(listener: &TcpStream) {
    // Nothing follows that line, so nothing of what is to be read is lost in the buffer.
    let mut reader = BufReader::new(listener);
    let mut line = String::new();
    while line != "speaker joined\n" {
        line.clear();
        assert!(reader.read_line(&mut line).expect("a line") > 0, "the server closes");
    }
}
