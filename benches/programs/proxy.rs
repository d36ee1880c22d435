//! `proxy` beside haproxy and nginx's stream module.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use selkie::layers::Relay;
use selkie::{Builder, Config};
use selkie_services::Proxy;

use super::comparison::{Contestant, Subject, Work, compare};
use super::driver::{Driver, obey, share};
use super::http::nginx_command;
use super::server::{Peer, Server, announce};
use super::{CLIENT_CORE, SERVER_CORE};
use crate::support::arguments::{Arguments, Role};

const HAPROXY: Peer = Peer { program: "haproxy", package: "haproxy", file: None };
const NGINX: Peer = Peer {
    program: "nginx",
    package: "nginx-light libnginx-mod-stream",
    file: Some("/usr/lib/nginx/modules/ngx_stream_module.so"),
};
/// Clients at once that pass bytes on.
const CLIENTS: u64 = 8;
/// Clients at once that connect again and again: enough that the proxy always has work.
const CONNECTING: u64 = 32;
/// Threads of the upstream: one for each of its connections.
const UPSTREAM_THREADS: u64 = CONNECTING + 8;
const PIECE: usize = 64 << 10;
/// The buffer of ours, as in the example.
const BUFFER: usize = 64 << 10;

/// The buffer of a peer.
#[derive(Clone, Copy, Debug)]
enum Buffer {
    Default,
    AsOurs,
}

pub(crate) fn run(arguments: &Arguments) {
    let upstream = Server::role(&["upstream"], CLIENT_CORE);
    let mebibytes = arguments.scaled(512, 8);
    let explanation = "8 connections; one half of the bytes goes up, then the other down.";
    let title = "proxy, bytes";
    let subject = Subject { title, explanation, unit: "MiB" };
    let buffers = [Buffer::Default, Buffer::AsOurs];
    compare_with(arguments, subject, &upstream, &buffers, ("tunnel-bytes", mebibytes));
    let connections = arguments.scaled(2000, 50);
    let explanation = "32 at once; each sends a byte, gets one, and ends.";
    let subject = Subject { title: "proxy, connections", explanation, unit: "connection" };
    let buffers = [Buffer::Default];
    compare_with(arguments, subject, &upstream, &buffers, ("tunnel-connections", connections));
}

fn compare_with(
    arguments: &Arguments,
    subject: Subject<'_>,
    upstream: &Server,
    buffers: &[Buffer],
    (role, count): (&str, u64),
) {
    if !arguments.wants(subject.title) {
        return;
    }
    let contestants = contestants(upstream.port(), buffers);
    let mut drivers: Vec<Option<Driver>> = contestants
        .iter()
        .map(|contestant| {
            let port = contestant.server.as_ref().ok()?.port().to_string();
            Some(Driver::start(&[role, &port]))
        })
        .collect();
    compare(arguments, subject, &contestants, |position, _| {
        let driver = drivers[position].as_mut().expect("each server has a client");
        Work::new(count, driver.run(count))
    });
}

fn contestants(upstream: u16, buffers: &[Buffer]) -> Vec<Contestant> {
    let ours = Server::role(&["proxy", &upstream.to_string()], SERVER_CORE);
    let mut contestants = vec![Contestant { name: "selkie proxy", goal: None, server: Ok(ours) }];
    for &buffer in buffers {
        let (haproxy, nginx) = match buffer {
            Buffer::Default => ("haproxy", "nginx stream"),
            Buffer::AsOurs => ("haproxy, 64 KiB", "nginx stream, 64 KiB"),
        };
        let server = HAPROXY.find().map(|()| start_haproxy(upstream, buffer));
        contestants.push(Contestant { name: haproxy, goal: Some(1.0), server });
        let server = NGINX.find().map(|()| start_nginx(upstream, buffer));
        contestants.push(Contestant { name: nginx, goal: Some(1.0), server });
    }
    contestants
}

fn start_haproxy(upstream: u16, buffer: Buffer) -> Server {
    let words = words(upstream, buffer);
    Server::peer(include_str!("peers/haproxy.cfg"), &words, |directory| {
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(directory.configuration());
        command
    })
}

fn start_nginx(upstream: u16, buffer: Buffer) -> Server {
    let words = words(upstream, buffer);
    Server::peer(include_str!("peers/nginx-stream.conf"), &words, nginx_command)
}

/// Returns what is replaced in the configuration of a peer.
fn words(upstream: u16, buffer: Buffer) -> [(&'static str, String); 2] {
    let bytes = match buffer {
        Buffer::Default => 16 << 10,
        Buffer::AsOurs => BUFFER,
    };
    [("@UPSTREAM@", upstream.to_string()), ("@BUFFER@", bytes.to_string())]
}

/// Plays `proxy UPSTREAM`.
pub(crate) fn serve(role: &Role) {
    let upstream = SocketAddr::from(([127, 0, 0, 1], role.number(1)));
    let timeout = Some(Duration::from_secs(3));
    let config = Config::DEFAULT.connect_timeout(timeout).connects_reserved(256);
    let builder = Builder::new().config(config).connections(512).buffer_size(BUFFER);
    let mut server = builder.listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    announce(server.local_address().expect("an address").port());
    let upstreams = [upstream];
    server.run(Relay::new(Proxy::new(&upstreams))).expect("memory");
}

/// Plays `upstream`: reads a number of bytes as its client says, and sends as many.
pub(crate) fn serve_upstream() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    announce(listener.local_addr().expect("an address").port());
    // Threads that stay: starting one for each connection would cost more than the proxy does.
    thread::scope(|scope| {
        for _ in 0..UPSTREAM_THREADS {
            scope.spawn(|| {
                for stream in listener.incoming() {
                    answer(&stream.expect("a connection"));
                }
            });
        }
    });
}

/// Serves one connection. A check whether the proxy listens says nothing.
fn answer(stream: &TcpStream) -> Option<()> {
    let mut length = [0; 8];
    let mut reader = stream;
    reader.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    receive(stream, length);
    send(stream, length);
    // The client ends first, so that its proxy passes on an end in each direction.
    reader.read_exact(&mut [0]).err().map(drop)
}

/// Plays `tunnel-bytes PORT`: sends and receives so many MiB in all, on several connections.
pub(crate) fn tunnel_bytes(role: &Role) {
    let port = role.number(1);
    obey(|mebibytes| {
        share(CLIENTS, mebibytes << 20, |bytes| exchange(port, bytes / 2));
    });
}

/// Plays `tunnel-connections PORT`: makes so many connections.
pub(crate) fn tunnel_connections(role: &Role) {
    let port = role.number(1);
    obey(|count| {
        share(CONNECTING, count, |count| (0..count).for_each(|_| exchange(port, 1)));
    });
}

/// Sends and receives `length` bytes on a connection of its own.
fn exchange(port: u16, length: u64) {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
    stream.set_nodelay(true).expect("a socket option");
    (&stream).write_all(&length.to_le_bytes()).expect("the proxy reads");
    send(&stream, length);
    receive(&stream, length);
}

fn send(mut stream: &TcpStream, mut length: u64) {
    let piece = vec![b'x'; PIECE.min(usize::try_from(length).unwrap_or(PIECE))];
    while length > 0 {
        let count = piece.len().min(usize::try_from(length).unwrap_or(PIECE));
        stream.write_all(&piece[..count]).expect("the proxy reads");
        length -= count as u64;
    }
}

fn receive(mut stream: &TcpStream, mut length: u64) {
    let mut buffer = vec![0; PIECE.min(usize::try_from(length).unwrap_or(PIECE))];
    while length > 0 {
        let count = stream.read(&mut buffer).expect("the proxy goes on");
        assert!(count > 0, "the stream ends early");
        length -= count as u64;
    }
}
