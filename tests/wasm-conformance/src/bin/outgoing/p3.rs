//! The request on WASI 0.3. The call in flight, and then the stream of the body, are waitables that
//! the program has made.

use selkie::Error;
use selkie::platform::{Socket, WaitableSet, WaitableSetStorage};

use super::{Next, SOURCES};

/// The platform that waits for it.
pub(crate) type Platform = WaitableSet;

/// The event of a call, and the state of one that has returned.
const RETURNED: (u32, u32) = (1, 2);
/// The result of a read that is in flight.
const BLOCKED: u32 = u32::MAX;

/// The types of the imports, for the linker of components; see `wit/outgoing.wit`.
#[unsafe(link_section = "component-type:outgoing")]
#[expect(dead_code, reason = "the linker reads it, and it takes no memory")]
static IMPORTS: [u8; include_bytes!("../../outgoing.component-type").len()] =
    *include_bytes!("../../outgoing.component-type");

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

#[expect(clippy::unnecessary_wraps, reason = "the platform of WASI 0.2 can fail here")]
pub(crate) fn platform() -> Result<Platform, Error> {
    Ok(WaitableSet::new(WaitableSetStorage::leaked(SOURCES)))
}

/// A request that was sent. Its handles are dropped when the program ends.
pub(crate) struct Request {
    /// The memory of the call in flight.
    result: &'static mut Fallible,
    /// The stream of the body, 0 before the response.
    body: u32,
    /// The memory of the read in flight.
    bytes: &'static mut [u8; 64],
}

impl Request {
    /// Sends a request for a path at an authority.
    pub(crate) fn send(platform: &mut Platform, authority: &str, path: &str) -> (Self, Next) {
        let (result, bytes) = (Box::leak(Box::default()), Box::leak(Box::new([0; 64])));
        let mut sent = Self { result, body: 0, bytes };
        // SAFETY: the memory of the result is `'static`, and of no other call.
        let word = unsafe { send(request(authority, path), sent.result) };
        println!("asked");
        let next = if word & 0xf == RETURNED.1 {
            sent.answer(platform)
        } else {
            // SAFETY: the call is in flight, its handle is in no set, and it is never dropped.
            Next::Other(unsafe { platform.adopt_waitable(word >> 4) }.expect("there is room"))
        };
        (sent, next)
    }

    /// Takes the event of the call or of a read, and does what follows.
    pub(crate) fn proceed(&mut self, platform: &mut Platform, source: Socket) -> Next {
        let event = platform.take_event(source).expect("it has an event");
        if self.body != 0 {
            let has_ended = self.print(event.code);
            return if has_ended { Next::Over } else { self.read().unwrap_or(Next::Same) };
        }
        if (event.kind, event.code) == RETURNED { self.answer(platform) } else { Next::Same }
    }

    /// Prints the status of the response, and begins to read its body.
    fn answer(&mut self, platform: &mut Platform) -> Next {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the handle or case")]
        let (failed, response) = (self.result[0] as u8 != 0, self.result[1] as u32);
        if failed {
            println!("no response: case {} of error-code", response & 0xff);
            return Next::Over;
        }
        println!("status {}", status_code(response));
        let outcome = success(outcome_new(), outcome_write);
        let mut body = [0; 2];
        // SAFETY: there is room for two handles.
        unsafe { consume_body(response, outcome, &raw mut body) };
        self.body = body[0];
        self.read().unwrap_or_else(|| {
            // SAFETY: the stream is in no set, and is never dropped.
            Next::Other(unsafe { platform.adopt_waitable(self.body) }.expect("there is room"))
        })
    }

    /// Reads what there is of the body. Returns nothing if the next read is in flight.
    fn read(&mut self) -> Option<Next> {
        loop {
            // SAFETY: the memory of the bytes is `'static`, and no other read is in flight.
            let word = unsafe { body_read(self.body, self.bytes.as_mut_ptr(), self.bytes.len()) };
            if word == BLOCKED {
                return None;
            }
            if self.print(word) {
                return Some(Next::Over);
            }
        }
    }

    /// Prints the outcome of a read. Returns whether the body has ended.
    fn print(&self, word: u32) -> bool {
        let count = (word >> 4) as usize;
        if count > 0 {
            println!("body {}", String::from_utf8_lossy(&self.bytes[..count]));
        }
        let has_ended = word & 0xf != 0;
        if has_ended {
            println!("body ended");
        }
        has_ended
    }
}
