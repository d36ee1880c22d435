//! The services of the example programs allocate nothing while they serve.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use selkie::layers::Relay;
use selkie::memory::{HeapLoop, HeapServer};
use selkie::platform::{AnySelector, Backend, Platform};
use selkie::{Config, Counters, EventLoop, Server, Service};
use selkie_services::{Chat, Entry, Http, Kv, Proxy, Seat, Store};

use crate::upstream::refusing;
use crate::{CALLS, connect};

/// Sixteen connections, their listener, and the waker.
const SLOTS: usize = 18;

/// Serves until the clients are done, then drains. Checks that the allocator is not called
/// meanwhile, and returns what was counted.
fn serve(service: impl Service, clients: impl FnOnce(SocketAddr) + Send) -> Counters {
    let selector = AnySelector::new(Backend::default(), SLOTS).expect("the default backend");
    let mut platform = Platform::new(selector, SLOTS).expect("there is memory");
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 128).expect("a free port");
    let address = platform.local_address(listener).expect("it is bound");
    let mut memory = HeapServer::new(SLOTS, 2 * SLOTS, 16 << 10).expect("there is memory");
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(SLOTS, 16).unwrap());
    let mut server = Server::new(service, Config::DEFAULT.connects_reserved(8), memory.storage());
    server.listen(&mut event_loop.context(), listener).expect("there is room");
    let (_, waker) = event_loop.context().waker().expect("there is room");
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let is_done = &is_done;
        let clients = scope.spawn(move || {
            // One that panics ends the server too.
            let outcome = catch_unwind(AssertUnwindSafe(|| clients(address)));
            is_done.store(true, Ordering::Release);
            waker.wake();
            outcome
        });
        CALLS.set(Some(0));
        while !event_loop.is_stopped() {
            event_loop.run_once(&mut server).expect("the platform can wait");
            if is_done.load(Ordering::Acquire) && !server.is_draining() {
                let deadline = event_loop.context().now() + Duration::from_secs(1);
                server.drain(&mut event_loop.context(), deadline);
            }
        }
        let calls = CALLS.take().expect("it was counted");
        let outcome = clients.join().expect("a thread of clients");
        outcome.expect("the clients were served");
        assert_eq!(calls, 0, "the service allocates while it runs");
    });
    *server.counters()
}

/// Sends a request, and reads until the reply ends so.
fn ask(client: &mut TcpStream, request: &[u8], end: &[u8]) {
    client.write_all(request).expect("the server reads");
    let (mut reply, mut buffer) = (Vec::new(), [0; 4096]);
    while !reply.ends_with(end) {
        let count = client.read(&mut buffer).expect("the reply comes in time");
        assert!(count > 0, "the reply ends early: {}", String::from_utf8_lossy(&reply));
        reply.extend_from_slice(&buffer[..count]);
    }
}

/// Sends bytes, ends the stream, and reads to the end of the other. Returns the length of that.
fn exchange(mut client: &TcpStream, bytes: &[u8]) -> usize {
    thread::scope(|scope| {
        scope.spawn(move || {
            client.write_all(bytes).expect("the server reads");
            client.shutdown(Shutdown::Write).expect("the connection is open");
        });
        client.read_to_end(&mut Vec::new()).expect("the end comes in time")
    })
}

#[test]
fn http() {
    serve(Http::new(|| Some(784_111_777)), |address| {
        let mut client = connect(address);
        let get = |path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();
        ask(&mut client, &get("/"), b"Hello from Selkie.\n");
        ask(&mut client, &get("/ready").repeat(16), b"ready\n");
        ask(&mut client, &get("/metrics"), b"\n");
        ask(&mut client, &get("/nothing"), b"/echo\n");
        let head = b"POST /echo HTTP/1.1\r\nHost: x\r\n";
        ask(&mut client, &[head, &b"Content-Length: 5\r\n\r\nhello"[..]].concat(), b"hello");
        let chunked = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        ask(&mut client, &[&head[..], chunked].concat(), b"0\r\n\r\n");
        let length = exchange(&client, &get("/bytes/1000000"));
        assert!(length > 1_000_000, "{length}");
        ask(&mut connect(address), b"no request\r\n\r\n", b"HTTP/1.1\n");
    });
}

#[test]
fn chat() {
    let mut seats = [Seat::EMPTY; SLOTS];
    serve(Chat::new(&mut seats), |address| {
        let mut clients: Vec<TcpStream> = (0..8).map(|_| connect(address)).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            ask(client, format!("client{number}\n").as_bytes(), b"nickname?\n");
        }
        let (first, others) = clients.split_first_mut().expect("there are some");
        ask(first, b"", b"client7 joined\n");
        first.write_all(b"hello\n").expect("the server reads");
        for other in &mut *others {
            ask(other, b"", b"client0: hello\n");
        }
        // One whose line is too long, and one that takes nothing of what it is sent.
        exchange(&others[0], &[b'x'; 600]);
        for _ in 0..40_000 {
            first.write_all(&[&[b'y'; 500][..], b"\n"].concat()).expect("the server reads");
        }
        exchange(first, b"");
    });
}

#[test]
fn kv() {
    let (mut hashes, mut entries) = ([0; 64], vec![Entry::<16, 64>::EMPTY; 64]);
    let counters = serve(Kv::new(Store::new(&mut hashes, &mut entries, 1)), |address| {
        let mut client = connect(address);
        ask(&mut client, b"SET key value EX 100\r\nGET key\r\nTTL key\r\n", b":100\r\n");
        ask(&mut client, b"SET n 41\r\nINCR n\r\nMGET n key none\r\n", b"$-1\r\n");
        ask(&mut client, &b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n".repeat(1000), b"value\r\n");
        ask(&mut client, b"EXISTS key\r\nDEL key n\r\nDBSIZE\r\n", b":2\r\n:0\r\n");
        ask(&mut client, b"NOTHING\r\nFLUSHALL\r\nQUIT\r\n", b"+OK\r\n+OK\r\n");
        ask(&mut connect(address), b"*x\r\n", b"invalid length\r\n");
    });
    assert_eq!(counters.accepted, 2);
}

#[test]
fn proxy() {
    let upstream = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let (_kept, refuses) = refusing();
    let upstreams = [refuses, upstream.local_addr().expect("it is bound")];
    let behind = thread::spawn(move || {
        for _ in 0..4 {
            let (client, _) = upstream.accept().expect("the proxy connects");
            let received = exchange(&client, &vec![2; 300_000]);
            assert!((200_000..200_108).contains(&received), "{received}: a line, and the bytes");
        }
    });
    let proxy = Relay::new(Proxy::new(&upstreams).with_header(([127, 0, 0, 1], 80).into()));
    let counters = serve(proxy, |address| {
        for _ in 0..4 {
            assert_eq!(exchange(&connect(address), &vec![1; 200_000]), 300_000);
        }
    });
    behind.join().expect("the upstream was reached");
    assert!(counters.connects > 4, "{counters:?}");
}
