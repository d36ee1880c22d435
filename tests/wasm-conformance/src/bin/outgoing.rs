//! An outgoing HTTP request of WASI 0.3, and a TCP listener with its clients, in one loop. The call
//! in flight, and then the stream of the body, are waitables that the program has made.
//!
//! ```text
//! outgoing AUTHORITY
//! ```
//!
//! It prints a line for each thing that happens, sends what each client says back, and ends when
//! the response does.

use selkie::memory::HeapLoop;
use selkie::platform::{Close, Socket, Transport, WaitableSet, WaitableSetStorage};
use selkie::{Context, Error, Event, EventLoop, Handler, Interest, Mode, Token};

/// Number of sources at most.
const SOURCES: usize = 16;
/// The event of a call, and the state of one that has returned.
const RETURNED: (u32, u32) = (1, 2);
/// The result of a read that is in flight.
const BLOCKED: u32 = u32::MAX;

selkie::export_run!(main);

/// The types of the imports, for the linker of components; see `wit/outgoing.wit`.
#[unsafe(link_section = "component-type:outgoing")]
#[expect(dead_code, reason = "the linker reads it, and it takes no memory")]
static IMPORTS: [u8; include_bytes!("../outgoing.component-type").len()] =
    *include_bytes!("../outgoing.component-type");

/// `result<_, error-code>` or one with a handle: the case, and in the second word the handle or the
/// case of the error.
type Fallible = [u64; 5];

#[link(wasm_import_module = "wasi:http/types@0.3.0")]
unsafe extern "C" {
    #[link_name = "[constructor]fields"]
    safe fn fields_new() -> u32;
    /// Writes the request and a future.
    #[link_name = "[static]request.new"]
    fn request_new(
        headers: u32,
        has_contents: u32,
        contents: u32,
        trailers: u32,
        has_options: u32,
        options: u32,
        result: *mut [u32; 2],
    );
    #[link_name = "[method]request.set-scheme"]
    fn set_scheme(request: u32, is_some: u32, case: u32, text: *const u8, length: usize) -> u32;
    #[link_name = "[method]request.set-authority"]
    fn set_authority(request: u32, is_some: u32, text: *const u8, length: usize) -> u32;
    #[link_name = "[method]request.set-path-with-query"]
    fn set_path(request: u32, is_some: u32, text: *const u8, length: usize) -> u32;
    /// Returns the readable end in the low half, and the writable end in the high half.
    #[link_name = "[future-new-1][static]request.new"]
    safe fn trailers_new() -> u64;
    #[link_name = "[async-lower][future-write-1][static]request.new"]
    fn trailers_write(end: u32, result: *const Fallible) -> u32;
    #[link_name = "[method]response.get-status-code"]
    safe fn status_code(response: u32) -> u32;
    /// Writes the stream of bytes and the future of the trailers.
    #[link_name = "[static]response.consume-body"]
    fn consume_body(response: u32, outcome: u32, result: *mut [u32; 2]);
    #[link_name = "[future-new-0][static]response.consume-body"]
    safe fn outcome_new() -> u64;
    #[link_name = "[async-lower][future-write-0][static]response.consume-body"]
    fn outcome_write(end: u32, result: *const Fallible) -> u32;
    #[link_name = "[async-lower][stream-read-1][static]response.consume-body"]
    fn body_read(stream: u32, bytes: *mut u8, count: usize) -> u32;
}

#[link(wasm_import_module = "wasi:http/client@0.3.0")]
unsafe extern "C" {
    #[link_name = "[async-lower]send"]
    fn send(request: u32, result: *mut Fallible) -> u32;
}

/// Returns the readable end of a new future, whose writable end `write` has success written to.
fn success(ends: u64, write: unsafe extern "C" fn(u32, *const Fallible) -> u32) -> u32 {
    static SUCCESS: Fallible = [0; 5];
    #[expect(clippy::cast_possible_truncation, reason = "the halves are the two ends")]
    let (readable, writable) = (ends as u32, (ends >> 32) as u32);
    // SAFETY: what is written is `'static`, however long the write is in flight.
    unsafe { write(writable, &raw const SUCCESS) };
    readable
}

/// Returns a request for a path at an authority.
fn request(authority: &str, path: &str) -> u32 {
    let trailers = success(trailers_new(), trailers_write);
    let mut made = [0; 2];
    // SAFETY: there is room for two handles, and texts are read during the calls.
    let refused = unsafe {
        request_new(fields_new(), 0, 0, trailers, 0, 0, &raw mut made);
        set_scheme(made[0], 1, 0, core::ptr::null(), 0)
            | set_authority(made[0], 1, authority.as_ptr(), authority.len())
            | set_path(made[0], 1, path.as_ptr(), path.len())
    };
    assert_eq!(refused, 0, "the host takes the request");
    made[0]
}

/// The purpose of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Listener,
    Client,
    Request,
    Body,
}

/// The sources of the program, by their tokens.
struct Outgoing {
    list: Vec<(Token, Socket, Purpose)>,
    /// The memory of the call in flight.
    result: &'static mut Fallible,
    /// The stream of the body, and the memory of the read in flight.
    body: u32,
    bytes: &'static mut [u8; 64],
    is_over: bool,
}

impl Outgoing {
    /// Watches a source.
    fn watch(&mut self, context: &mut Context<'_, WaitableSet>, source: Socket, purpose: Purpose) {
        let token = context.register(source, Interest::READABLE, Mode::Level);
        self.list.push((token.expect("there is room"), source, purpose));
    }

    /// Closes a source. A waitable stays the program's, and is dropped when that ends.
    fn close(&mut self, context: &mut Context<'_, WaitableSet>, token: Token) {
        let place = self.list.iter().position(|one| one.0 == token).expect("it is watched");
        let (_, source, _) = self.list.swap_remove(place);
        context.deregister(source, token).expect("it is registered");
        context.platform.close(source, Close::Graceful).expect("it is open");
    }

    /// Sends the request, and watches the call.
    fn ask(&mut self, context: &mut Context<'_, WaitableSet>, authority: &str) {
        // SAFETY: the memory of the result is `'static`, and of no other call.
        let word = unsafe { send(request(authority, "/slow"), self.result) };
        println!("asked");
        if word & 0xf == RETURNED.1 {
            return self.answer(context);
        }
        // SAFETY: the call is in flight, its handle is in no set, and it is never dropped.
        let call = unsafe { context.platform.adopt_waitable(word >> 4) }.expect("there is room");
        self.watch(context, call, Purpose::Request);
    }

    /// Prints the status of the response, and reads its body.
    fn answer(&mut self, context: &mut Context<'_, WaitableSet>) {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the handle or case")]
        let (failed, response) = (self.result[0] as u8 != 0, self.result[1] as u32);
        if failed {
            println!("no response: case {} of error-code", response & 0xff);
            self.is_over = true;
            return;
        }
        println!("status {}", status_code(response));
        let outcome = success(outcome_new(), outcome_write);
        let mut body = [0; 2];
        // SAFETY: there is room for two handles.
        unsafe { consume_body(response, outcome, &raw mut body) };
        self.body = body[0];
        if self.read() {
            // SAFETY: the stream is in no set, and is never dropped.
            let stream = unsafe { context.platform.adopt_waitable(self.body) };
            self.watch(context, stream.expect("there is room"), Purpose::Body);
        }
    }

    /// Reads what there is of the body. Returns whether the next read is in flight.
    fn read(&mut self) -> bool {
        while !self.is_over {
            // SAFETY: the memory of the bytes is `'static`, and no other read is in flight.
            let word = unsafe { body_read(self.body, self.bytes.as_mut_ptr(), self.bytes.len()) };
            if word == BLOCKED {
                return true;
            }
            self.print(word);
        }
        false
    }

    /// Prints the outcome of a read.
    fn print(&mut self, word: u32) {
        let count = (word >> 4) as usize;
        if count > 0 {
            println!("body {}", String::from_utf8_lossy(&self.bytes[..count]));
        }
        self.is_over = word & 0xf != 0;
        if self.is_over {
            println!("body ended");
        }
    }

    /// Sends what a client says back.
    fn echo(&mut self, context: &mut Context<'_, WaitableSet>, token: Token, client: Socket) {
        let mut bytes = [0; 64];
        match context.platform.read(client, &mut bytes) {
            Ok(0) => self.close(context, token),
            Ok(count) => {
                let written = context.platform.write(client, &bytes[..count]);
                assert_eq!(written, Ok(count), "there is room for few bytes");
            }
            Err(error) => assert!(error.is_would_block(), "{error}"),
        }
    }
}

impl Handler<WaitableSet> for Outgoing {
    fn ready(&mut self, context: &mut Context<'_, WaitableSet>, event: Event) {
        let Some(&(token, source, purpose)) = self.list.iter().find(|one| one.0 == event.token)
        else {
            return;
        };
        match purpose {
            Purpose::Listener => {
                while let Ok(client) = context.platform.accept(source) {
                    self.watch(context, client, Purpose::Client);
                }
            }
            Purpose::Client => self.echo(context, token, source),
            Purpose::Request => {
                let event = context.platform.take_event(source).expect("it has an event");
                if (event.kind, event.code) == RETURNED {
                    self.close(context, token);
                    self.answer(context);
                }
            }
            Purpose::Body => {
                let event = context.platform.take_event(source).expect("it has an event");
                self.print(event.code);
                if !self.read() {
                    self.close(context, token);
                }
            }
        }
    }
}

fn main() -> Result<(), Error> {
    let authority = std::env::args().nth(1).expect("an authority, such as 127.0.0.1:8080");
    let platform = WaitableSet::new(WaitableSetStorage::leaked(SOURCES));
    let mut event_loop = EventLoop::new(platform, HeapLoop::new(SOURCES, SOURCES)?);
    let mut outgoing = Outgoing {
        list: Vec::new(),
        result: Box::leak(Box::default()),
        body: 0,
        bytes: Box::leak(Box::new([0; 64])),
        is_over: false,
    };
    let mut context = event_loop.context();
    let listener = context.platform.listen(([127, 0, 0, 1], 0).into(), 16)?;
    println!("clients to {}", context.platform.local_address(listener)?);
    outgoing.watch(&mut context, listener, Purpose::Listener);
    outgoing.ask(&mut context, &authority);
    while !outgoing.is_over {
        event_loop.run_once(&mut outgoing)?;
    }
    Ok(())
}
