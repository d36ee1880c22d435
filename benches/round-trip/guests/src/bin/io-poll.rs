//! An echo server straight on `wasi:io/poll`, `wasi:io/streams` and `wasi:sockets`: what a careful
//! author writes who wants nothing but this, so that the time that a library takes longer is the
//! library's.
//!
//! Its calls for a message are one poll, one read, one question for room, one write, and one read
//! that finds nothing: the host goes on reporting a stream until then. The pollables stay packed,
//! and lists that the host returns come straight to where they are wanted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::take;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use round_trip_guests::{BACKLOG, READ_MAX, address};
use wasip2::io::poll::Pollable;
use wasip2::io::streams::{InputStream, OutputStream};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

/// The most connections.
const CONNECTIONS_MAX: usize = 10_100;

// The bindings of `wasip2` allocate and copy for these two.
#[link(wasm_import_module = "wasi:io/poll@0.2.12")]
unsafe extern "C" {
    fn poll(pollables: *const u32, len: usize, ready: *mut [usize; 2]);
}

#[link(wasm_import_module = "wasi:io/streams@0.2.12")]
unsafe extern "C" {
    #[link_name = "[method]input-stream.read"]
    fn read(stream: u32, len: u64, bytes: *mut [usize; 3]);
}

/// A connection. What hangs on another thing is dropped before it.
struct Connection {
    pollable: Pollable,
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
    /// The bytes that its peer has not taken yet. As long as there are any, the pollable is the one
    /// for writing.
    pending: Vec<u8>,
}

fn main() {
    let socket = listen().expect("an address to listen at");
    let listener = socket.subscribe();
    let mut connections: Vec<Connection> = Vec::with_capacity(CONNECTIONS_MAX);
    // The listener, then the connections in their order.
    let mut pollables: Vec<u32> = Vec::with_capacity(CONNECTIONS_MAX + 1);
    pollables.push(listener.handle());
    let mut ready = vec![0_u32; CONNECTIONS_MAX + 1];
    let mut buffer = vec![0; READ_MAX];
    loop {
        let mut list = [0; 2];
        // SAFETY: all handles are live. Of each, at most one position comes back, for which there
        // is room.
        lend(&mut ready, || unsafe { poll(pollables.as_ptr(), pollables.len(), &raw mut list) });
        // From the end, because the last connection takes the place of one that goes; the host has
        // an order of its own.
        ready[..list[1]].sort_unstable();
        for &position in ready[..list[1]].iter().rev() {
            let position = position as usize;
            let Some(place) = position.checked_sub(1) else {
                accept(&socket, &mut connections, &mut pollables);
                continue;
            };
            if connections[place].serve(&mut buffer) {
                pollables[position] = connections[place].pollable.handle();
            } else {
                connections.swap_remove(place);
                pollables.swap_remove(position);
            }
        }
    }
}

/// Opens the listener, and says where it listens.
fn listen() -> Result<TcpSocket, ErrorCode> {
    let std::net::SocketAddr::V4(address) = address() else { panic!("an address of version 4") };
    let [a, b, c, d] = address.ip().octets();
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    let wanted = Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) };
    socket.start_bind(&instance_network(), IpSocketAddress::Ipv4(wanted))?;
    socket.subscribe().block();
    socket.finish_bind()?;
    socket.set_listen_backlog_size(BACKLOG)?;
    socket.start_listen()?;
    socket.subscribe().block();
    socket.finish_listen()?;
    let IpSocketAddress::Ipv4(bound) = socket.local_address()? else {
        return Err(ErrorCode::InvalidState);
    };
    println!("listening on {}:{} (hand-written)", address.ip(), bound.port);
    Ok(socket)
}

/// Takes all waiting connections that there is room for.
fn accept(socket: &TcpSocket, connections: &mut Vec<Connection>, pollables: &mut Vec<u32>) {
    while connections.len() < CONNECTIONS_MAX {
        let Ok((socket, input, output)) = socket.accept() else { return };
        let pollable = input.subscribe();
        pollables.push(pollable.handle());
        connections.push(Connection {
            pollable,
            input,
            output,
            _socket: socket,
            pending: Vec::new(),
        });
    }
}

impl Connection {
    /// Sends what is pending or what has come, and waits for what comes next. Says whether the
    /// connection goes on.
    fn serve(&mut self, buffer: &mut [u8]) -> bool {
        let pending = take(&mut self.pending);
        if !pending.is_empty() {
            let goes_on = self.send(&pending);
            if goes_on && self.pending.is_empty() {
                self.pollable = self.input.subscribe();
            }
            return goes_on;
        }
        loop {
            match self.receive(buffer) {
                Some(0) => return true,
                Some(count) if self.send(&buffer[..count]) => {}
                _ => return false,
            }
            if !self.pending.is_empty() {
                self.pollable = self.output.subscribe();
                return true;
            }
        }
    }

    /// Reads what there is; nothing at the end of the stream.
    fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut bytes = [0; 3];
        let stream = self.input.handle();
        // SAFETY: the handle is live, and no more is asked for than there is room for.
        lend(buffer, || unsafe { read(stream, READ_MAX as u64, &raw mut bytes) });
        // A result has its case in the first byte, and a list its length at the end.
        (bytes[0].to_le_bytes()[0] == 0).then_some(bytes[2])
    }

    /// Sends what there is room for, and keeps the rest. Says whether the connection goes on.
    fn send(&mut self, bytes: &[u8]) -> bool {
        let Ok(room) = self.output.check_write() else { return false };
        let count = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        if count > 0 && self.output.write(&bytes[..count]).is_err() {
            return false;
        }
        self.pending.extend_from_slice(&bytes[count..]);
        true
    }
}

/// The memory that is lent to the host for the list that it returns next, or null.
static LENT: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static LENT_LEN: AtomicUsize = AtomicUsize::new(0);

/// Makes a call of the host, whose list comes into `memory`.
fn lend<T>(memory: &mut [T], call: impl FnOnce()) {
    LENT_LEN.store(size_of_val(memory), Relaxed);
    LENT.store(memory.as_mut_ptr().cast(), Relaxed);
    call();
    LENT.store(null_mut(), Relaxed);
}

/// Allocates for the host: from the memory that is lent to it, or else from the system's.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_size: usize,
    align: usize,
    size: usize,
) -> *mut u8 {
    let lent = LENT.load(Relaxed);
    if !lent.is_null() && size <= LENT_LEN.load(Relaxed) {
        return lent;
    }
    if size == 0 {
        return without_provenance_mut(align);
    }
    let layout = Layout::from_size_align(old_size.max(1), align).expect("a layout");
    let wanted = Layout::from_size_align(size, align).expect("a layout");
    // SAFETY: neither size is zero, and `old` was returned by this function with this layout.
    unsafe { if old_size == 0 { System.alloc(wanted) } else { System.realloc(old, layout, size) } }
}
