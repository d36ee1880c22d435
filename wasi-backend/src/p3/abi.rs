//! The imports: built-in functions of the component model, and `wasi:sockets` and `wasi:clocks`
//! 0.3, as core functions.
//!
//! They are declared by hand because generated bindings need an allocator. The names are those that
//! `wasm-tools component new` and the linker of components expect.

/// The kind of an event of a subtask.
pub(super) const EVENT_SUBTASK: u32 = 1;
/// The result of a poll without an event.
pub(super) const EVENT_NONE: u32 = 0;
/// The state of a subtask whose arguments the host has not read.
#[cfg(target_arch = "wasm32")]
pub(super) const SUBTASK_STARTING: u32 = 0;
/// The state of a subtask that has returned.
pub(super) const SUBTASK_RETURNED: u32 = 2;

/// The outcome of an operation on a stream or a future: the word that it returned, or the word of
/// its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Outcome(pub(super) u32);

impl Outcome {
    /// Returns whether the operation is in flight. Otherwise it is done or was cancelled, and the
    /// count is final.
    #[inline]
    pub(super) const fn is_blocked(self) -> bool {
        self.0 == u32::MAX
    }

    /// Returns the status.
    #[inline]
    const fn status(self) -> u32 {
        self.0 & 0xf
    }

    /// Returns the number of items moved.
    #[inline]
    pub(super) const fn count(self) -> usize {
        (self.0 >> 4) as usize
    }

    /// Returns whether the other end was dropped.
    #[inline]
    pub(super) const fn is_dropped(self) -> bool {
        self.status() == 1
    }

    /// Returns whether it was done, and not cancelled.
    #[inline]
    pub(super) const fn is_completed(self) -> bool {
        self.status() == 0
    }
}

#[link(wasm_import_module = "$root")]
unsafe extern "C" {
    #[link_name = "[waitable-set-new]"]
    pub(super) safe fn waitable_set_new() -> u32;
    #[link_name = "[waitable-set-drop]"]
    pub(super) safe fn waitable_set_drop(set: u32);
    /// Writes the waitable and a word of its event to two words, and returns the kind of event.
    #[link_name = "[waitable-set-wait]"]
    pub(super) fn waitable_set_wait(set: u32, event: *mut [u32; 2]) -> u32;
    #[link_name = "[waitable-set-poll]"]
    pub(super) fn waitable_set_poll(set: u32, event: *mut [u32; 2]) -> u32;
    /// Adds a waitable to a set, or removes it from its set if `set` is 0.
    #[link_name = "[waitable-join]"]
    pub(super) safe fn waitable_join(waitable: u32, set: u32);
    #[link_name = "[subtask-cancel]"]
    pub(super) safe fn subtask_cancel(subtask: u32) -> u32;
    #[link_name = "[subtask-drop]"]
    pub(super) safe fn subtask_drop(subtask: u32);
    #[link_name = "[thread-yield]"]
    pub(super) safe fn thread_yield() -> u32;
}

#[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.3.0")]
unsafe extern "C" {
    pub(super) safe fn now() -> u64;
    /// Returns the state of the call in the low four bits, and above them its subtask, unless it
    /// has returned.
    #[link_name = "[async-lower]wait-until"]
    pub(super) safe fn wait_until(when: u64) -> u32;
}

#[link(wasm_import_module = "wasi:sockets/types@0.3.0")]
unsafe extern "C" {
    #[link_name = "[static]tcp-socket.create"]
    pub(super) fn socket_create(family: u32, result: *mut super::address::Returned);
    #[link_name = "[method]tcp-socket.bind"]
    pub(super) fn socket_bind(
        socket: u32,
        version: u32,
        port: u32,
        part_1: u32,
        part_2: u32,
        part_3: u32,
        part_4: u32,
        part_5: u32,
        part_6: u32,
        part_7: u32,
        part_8: u32,
        part_9: u32,
        part_10: u32,
        result: *mut super::address::Returned,
    );
    #[link_name = "[method]tcp-socket.set-listen-backlog-size"]
    pub(super) fn socket_set_backlog(
        socket: u32,
        backlog: u64,
        result: *mut super::address::Returned,
    );
    #[link_name = "[method]tcp-socket.listen"]
    pub(super) fn socket_listen(socket: u32, result: *mut super::address::Returned);
    #[link_name = "[method]tcp-socket.get-local-address"]
    pub(super) fn socket_local_address(socket: u32, result: *mut super::address::Returned);
    #[link_name = "[method]tcp-socket.get-remote-address"]
    pub(super) fn socket_remote_address(socket: u32, result: *mut super::address::Returned);
    /// Returns as [`wait_until`] does; the result is written when the call returns.
    #[link_name = "[async-lower][method]tcp-socket.connect"]
    pub(super) fn socket_connect(
        arguments: *const super::address::Connect,
        result: *mut super::address::Fallible,
    ) -> u32;
    /// Writes a stream and a future.
    #[link_name = "[method]tcp-socket.receive"]
    pub(super) fn socket_receive(socket: u32, result: *mut [u32; 2]);
    #[link_name = "[method]tcp-socket.send"]
    pub(super) safe fn socket_send(socket: u32, stream: u32) -> u32;
    #[link_name = "[resource-drop]tcp-socket"]
    pub(super) safe fn socket_drop(socket: u32);

    #[link_name = "[async-lower][stream-read-0][method]tcp-socket.listen"]
    pub(super) fn accept_read(stream: u32, sockets: *mut u32, count: usize) -> Outcome;
    #[link_name = "[stream-cancel-read-0][method]tcp-socket.listen"]
    pub(super) safe fn accept_cancel(stream: u32) -> Outcome;
    #[link_name = "[stream-drop-readable-0][method]tcp-socket.listen"]
    pub(super) safe fn accept_drop(stream: u32);

    // Operations on a stream of bytes or on its future are the same for all functions. The names of
    // `receive` are used for all that read, and those of `send` for all that write.
    #[link_name = "[async-lower][stream-read-0][method]tcp-socket.receive"]
    pub(super) fn stream_read(stream: u32, bytes: *mut u8, count: usize) -> Outcome;
    #[link_name = "[stream-cancel-read-0][method]tcp-socket.receive"]
    pub(super) safe fn stream_cancel_read(stream: u32) -> Outcome;
    #[link_name = "[stream-drop-readable-0][method]tcp-socket.receive"]
    pub(super) safe fn stream_drop_readable(stream: u32);
    #[link_name = "[async-lower][future-read-1][method]tcp-socket.receive"]
    pub(super) fn result_read(future: u32, result: *mut super::address::Fallible) -> Outcome;
    #[link_name = "[future-cancel-read-1][method]tcp-socket.receive"]
    pub(super) safe fn result_cancel(future: u32) -> Outcome;
    #[link_name = "[future-drop-readable-1][method]tcp-socket.receive"]
    pub(super) safe fn result_drop(future: u32);

    /// Returns the readable end in the low half, and the writable end in the high half.
    #[link_name = "[stream-new-0][method]tcp-socket.send"]
    pub(super) safe fn stream_new() -> u64;
    #[link_name = "[async-lower][stream-write-0][method]tcp-socket.send"]
    pub(super) fn stream_write(stream: u32, bytes: *const u8, count: usize) -> Outcome;
    #[link_name = "[stream-cancel-write-0][method]tcp-socket.send"]
    pub(super) safe fn stream_cancel_write(stream: u32) -> Outcome;
    #[link_name = "[stream-drop-writable-0][method]tcp-socket.send"]
    pub(super) safe fn stream_drop_writable(stream: u32);
}
