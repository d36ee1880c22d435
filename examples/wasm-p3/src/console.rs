//! The command line and standard output, for which a program without a standard library calls the
//! host itself.

use core::cell::UnsafeCell;
use core::net::SocketAddr;

#[link(wasm_import_module = "wasi:cli/environment@0.3.0")]
unsafe extern "C" {
    /// Writes the place of a list of texts, and how many there are.
    #[link_name = "get-arguments"]
    fn get_arguments(result: *mut [usize; 2]);
}

#[link(wasm_import_module = "wasi:cli/stdout@0.3.0")]
unsafe extern "C" {
    #[link_name = "write-via-stream"]
    safe fn write_via_stream(stream: u32) -> u32;
    #[link_name = "[stream-new-0]write-via-stream"]
    safe fn stream_new() -> u64;
    #[link_name = "[async-lower][stream-write-0]write-via-stream"]
    fn stream_write(stream: u32, bytes: *const u8, count: usize) -> u32;
    #[link_name = "[stream-drop-writable-0]write-via-stream"]
    safe fn stream_drop(stream: u32);
    #[link_name = "[async-lower][future-read-1]write-via-stream"]
    fn result_read(future: u32, result: *mut [u8; 2]) -> u32;
    #[link_name = "[future-drop-readable-1]write-via-stream"]
    safe fn result_drop(future: u32);
}

#[link(wasm_import_module = "$root")]
unsafe extern "C" {
    #[link_name = "[waitable-set-new]"]
    safe fn waitable_set_new() -> u32;
    #[link_name = "[waitable-set-drop]"]
    safe fn waitable_set_drop(set: u32);
    #[link_name = "[waitable-set-wait]"]
    fn waitable_set_wait(set: u32, event: *mut [u32; 2]) -> u32;
    #[link_name = "[waitable-join]"]
    safe fn waitable_join(waitable: u32, set: u32);
}

/// The number of bytes of an argument that are kept.
pub(crate) const ARGUMENT_MAX: usize = 64;

/// The memory for lists and texts that the host returns: arguments, and the words of an error that
/// has no number. No one keeps them, so the memory is used over and over.
struct Arena {
    bytes: UnsafeCell<[u8; 4096]>,
    used: UnsafeCell<usize>,
}

// SAFETY: a component has one thread.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; 4096]), used: UnsafeCell::new(0) };

/// Allocates memory for the host's results.
#[unsafe(export_name = "cabi_realloc")]
extern "C" fn reallocate(_old: *mut u8, _old_size: usize, align: usize, size: usize) -> *mut u8 {
    // SAFETY: no one else has a reference to the number, as a component has one thread and the host
    // calls this alone.
    let used = unsafe { &mut *ARENA.used.get() };
    let start = ARENA.bytes.get().cast::<u8>();
    let padding = start.wrapping_add(*used).align_offset(align);
    if *used + padding + size > 4096 {
        *used = 0;
    }
    let place = *used + start.wrapping_add(*used).align_offset(align);
    if place + size > 4096 {
        core::arch::wasm32::unreachable();
    }
    *used = place + size;
    start.wrapping_add(place)
}

/// Returns an argument on the command line, kept in `text`. The first one has the number 1.
pub(crate) fn argument(number: usize, text: &mut [u8; ARGUMENT_MAX]) -> Option<&[u8]> {
    let mut list = [0; 2];
    // SAFETY: there is room for the place and the number.
    unsafe { get_arguments(&raw mut list) };
    if list[1] <= number {
        return None;
    }
    let texts = list[0] as *const [usize; 2];
    // SAFETY: the host wrote more than `number` pairs there. The first is the program's name.
    let [place, count] = unsafe { texts.add(number).read() };
    let kept = text.get_mut(..count)?;
    // SAFETY: the host wrote `count` bytes there.
    unsafe { core::ptr::copy_nonoverlapping(place as *const u8, kept.as_mut_ptr(), count) };
    Some(kept)
}

/// Prints to standard output, and sleeps until it is done.
pub(crate) fn print(mut bytes: &[u8]) {
    let ends = stream_new();
    #[expect(clippy::cast_possible_truncation, reason = "the halves are the two ends")]
    let (readable, writable) = (ends as u32, (ends >> 32) as u32);
    let future = write_via_stream(readable);
    while !bytes.is_empty() {
        // SAFETY: the bytes are valid for reads until the call is done, which is awaited.
        let word = done(writable, unsafe { stream_write(writable, bytes.as_ptr(), bytes.len()) });
        bytes = &bytes[(word >> 4) as usize..];
        if word & 0xf != 0 {
            break;
        }
    }
    stream_drop(writable);
    let mut result = [0; 2];
    // SAFETY: there is room for the result until the call is done, which is awaited. That the
    // console fails is no one's concern.
    done(future, unsafe { result_read(future, &raw mut result) });
    result_drop(future);
}

/// Returns the outcome of an operation that returned `word`, if need be after a sleep.
fn done(waitable: u32, word: u32) -> u32 {
    if word != u32::MAX {
        return word;
    }
    let set = waitable_set_new();
    waitable_join(waitable, set);
    let mut event = [0; 2];
    // SAFETY: there is room for two words.
    unsafe { waitable_set_wait(set, &raw mut event) };
    waitable_join(waitable, 0);
    waitable_set_drop(set);
    event[1]
}

/// Says where the server listens. The formatting of the standard library would be half of the
/// component.
pub(crate) fn announce(address: SocketAddr, capacity: usize) {
    let mut line = Line { bytes: [0; 160], len: 0 };
    line.text(b"listening on ");
    if let SocketAddr::V4(address) = address {
        for (octet, separator) in address.ip().octets().into_iter().zip(b"...:") {
            line.number(usize::from(octet));
            line.text(&[*separator]);
        }
    }
    line.number(usize::from(address.port()));
    line.text(b" (waitable_set, capacity ");
    line.number(capacity);
    line.text(b")\n");
    print(line.bytes.get(..line.len).unwrap_or_default());
}

/// A line that is being put together.
struct Line {
    bytes: [u8; 160],
    len: usize,
}

impl Line {
    fn text(&mut self, text: &[u8]) {
        for &byte in text {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
    }

    fn number(&mut self, number: usize) {
        if number >= 10 {
            self.number(number / 10);
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is a digit")]
        self.text(&[b'0' + (number % 10) as u8]);
    }
}
