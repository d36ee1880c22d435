//! polling, in its level-triggered mode: connections in a table, the key is the position there.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;

use ::polling::{Event, Events, PollMode, Poller};

use super::READ_MAX;
use super::connection::{Connection, Next};
use crate::support::BATCH;

const LISTENER: usize = usize::MAX - 1;

pub(crate) fn serve(listener: &TcpListener, connections: usize) {
    listener.set_nonblocking(true).expect("a listener that does not block");
    let poller = Poller::new().expect("a selector");
    // SAFETY: the listener outlives the poller.
    unsafe { poller.add_with_mode(listener, Event::readable(LISTENER), PollMode::Level) }
        .expect("a registration");
    let mut events = Events::with_capacity(NonZeroUsize::new(BATCH).expect("a batch"));
    let mut buffer = vec![0_u8; READ_MAX];
    let mut table: Vec<Option<Connection<TcpStream>>> = Vec::with_capacity(connections);
    let mut closed = 0;
    while closed < connections {
        events.clear();
        poller.wait(&mut events, None).expect("a wait");
        for event in events.iter() {
            if event.key == LISTENER {
                accept(&poller, listener, &mut table);
                continue;
            }
            let Some(Some(connection)) = table.get_mut(event.key) else { continue };
            let before = connection.waits_for();
            let next = connection.serve(&mut buffer);
            if next == Next::Close {
                poller.delete(&connection.stream).expect("a deregistration");
                table[event.key] = None;
                closed += 1;
            } else if next != before {
                let interest = if next == Next::Read { Event::readable } else { Event::writable };
                let stream = &connection.stream;
                poller
                    .modify_with_mode(stream, interest(event.key), PollMode::Level)
                    .expect("a registration");
            }
        }
    }
}

/// Takes waiting connections, 16 at most, as there may be no end of them.
fn accept(poller: &Poller, listener: &TcpListener, table: &mut Vec<Option<Connection<TcpStream>>>) {
    for _ in 0..16 {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true).expect("a socket option");
                stream.set_nodelay(true).expect("a socket option");
                let interest = Event::readable(table.len());
                // SAFETY: the stream is deregistered before it is dropped.
                unsafe { poller.add_with_mode(&stream, interest, PollMode::Level) }
                    .expect("a registration");
                table.push(Some(Connection::new(stream)));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("accepting: {error}"),
        }
    }
}
