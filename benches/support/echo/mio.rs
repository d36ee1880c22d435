//! mio, as its examples and tokio use it: edge-triggered, connections in a table, the token is the
//! position there.

use std::io::ErrorKind;
use std::net;

use ::mio::net::{TcpListener, TcpStream};
use ::mio::{Events, Interest, Poll, Token};

use super::READ_MAX;
use super::connection::{Connection, Next};
use crate::support::BATCH;

const LISTENER: Token = Token(usize::MAX - 1);

pub(crate) fn serve(listener: net::TcpListener, connections: usize) {
    listener.set_nonblocking(true).expect("a listener that does not block");
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new().expect("a selector");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a registration");
    let mut events = Events::with_capacity(BATCH);
    let mut buffer = vec![0_u8; READ_MAX];
    let mut table: Vec<Option<Connection<TcpStream>>> = Vec::with_capacity(connections);
    let mut closed = 0;
    while closed < connections {
        poll.poll(&mut events, None).expect("a wait");
        for event in &events {
            let token = event.token();
            if token == LISTENER {
                accept(&poll, &listener, &mut table);
                continue;
            }
            let Some(Some(connection)) = table.get_mut(token.0) else { continue };
            let before = connection.waits_for();
            let next = connection.serve(&mut buffer);
            if next == Next::Close {
                poll.registry().deregister(&mut connection.stream).expect("a deregistration");
                table[token.0] = None;
                closed += 1;
            } else if next != before {
                let interest =
                    if next == Next::Read { Interest::READABLE } else { Interest::WRITABLE };
                poll.registry()
                    .reregister(&mut connection.stream, token, interest)
                    .expect("a registration");
            }
        }
    }
}

/// Takes all waiting connections, as an edge is told once.
fn accept(poll: &Poll, listener: &TcpListener, table: &mut Vec<Option<Connection<TcpStream>>>) {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true).expect("a socket option");
                poll.registry()
                    .register(&mut stream, Token(table.len()), Interest::READABLE)
                    .expect("a registration");
                table.push(Some(Connection::new(stream)));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("accepting: {error}"),
        }
    }
}
