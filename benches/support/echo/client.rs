//! The client: one process that holds all connections of one server, some of them active.
//!
//! It connects, has every connection echo one message, and says `ready`. Then for each line that it
//! reads, a number of messages, it keeps one message under way on each active connection until so
//! many have come back, and says how many nanoseconds that took. At the end of its input it closes
//! everything.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Instant;

use crate::support::epoll::{self, Epoll};
use crate::support::process;

/// One connection.
struct Connection {
    stream: TcpStream,
    /// The number of bytes of the current message that have not returned.
    missing: usize,
}

/// All connections, and what they have still to do.
struct Client {
    epoll: Epoll,
    events: Box<[libc::epoll_event]>,
    buffer: Vec<u8>,
    message: Vec<u8>,
    connections: Vec<Connection>,
    to_send: u64,
    to_receive: u64,
}

pub(crate) fn drive(port: u16, active: usize, idle: usize, message_bytes: usize) {
    process::descriptors_max();
    let mut client = Client::connected(port, active + idle, message_bytes);
    client.exchange(active + idle, (active + idle) as u64);
    say("ready");
    for line in std::io::stdin().lock().lines() {
        let messages = line.expect("a line").parse().expect("a number of messages");
        let before = Instant::now();
        client.exchange(active, messages);
        say(&before.elapsed().as_nanos().to_string());
    }
}

/// Sends a line to the benchmark.
fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the benchmark listens");
}

impl Client {
    fn connected(port: u16, count: usize, message_bytes: usize) -> Self {
        let epoll = Epoll::new();
        let connections: Vec<Connection> = (0..count)
            .map(|index| {
                let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
                stream.set_nodelay(true).expect("a socket option");
                epoll.control(libc::EPOLL_CTL_ADD, stream.as_raw_fd(), libc::EPOLLIN, index as u64);
                Connection { stream, missing: 0 }
            })
            .collect();
        let (message, buffer) = (vec![b'x'; message_bytes], vec![0; message_bytes]);
        Self {
            epoll,
            events: epoll::batch(),
            buffer,
            message,
            connections,
            to_send: 0,
            to_receive: 0,
        }
    }

    /// Exchanges `messages` messages on the first `active` connections.
    fn exchange(&mut self, active: usize, messages: u64) {
        self.to_send = messages;
        self.to_receive = messages;
        for index in 0..active {
            self.send(index);
        }
        let mut events = std::mem::take(&mut self.events);
        while self.to_receive > 0 {
            for event in self.epoll.wait(&mut events) {
                #[expect(clippy::cast_possible_truncation, reason = "it was an index before")]
                let index = event.u64 as usize;
                if self.receive(index) {
                    self.send(index);
                }
            }
        }
        self.events = events;
    }

    /// Sends the next message, if there is one left.
    fn send(&mut self, index: usize) {
        if self.to_send > 0 {
            self.to_send -= 1;
            let connection = &mut self.connections[index];
            connection.missing = self.message.len();
            connection.stream.write_all(&self.message).expect("the server reads");
        }
    }

    /// Receives the available bytes; returns whether they complete the message.
    fn receive(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let count = connection
            .stream
            .read(&mut self.buffer[..connection.missing])
            .expect("the server answers");
        assert!(count > 0, "the server closed a connection");
        connection.missing -= count;
        if connection.missing == 0 {
            self.to_receive -= 1;
        }
        connection.missing == 0
    }
}
