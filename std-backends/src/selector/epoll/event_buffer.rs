//! The memory that the kernel writes its events into: the batch itself where the kernel's event has
//! the layout of [`Event`], as on x86-64; elsewhere a buffer from which they are copied.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::offset_of;

use selkie_core::platform::Events;
use selkie_core::{Error, Event, Readiness, Token};

use crate::memory::try_zeroed_slice;

/// True if an event of the kernel has the layout of an [`Event`].
const SAME_LAYOUT: bool = size_of::<libc::epoll_event>() == size_of::<Event>()
    && align_of::<libc::epoll_event>() <= align_of::<Event>()
    && offset_of!(libc::epoll_event, events) == offset_of!(Event, readiness)
    && offset_of!(libc::epoll_event, u64) == offset_of!(Event, token)
    && cfg!(target_endian = "little");

/// Memory for the events of one system call.
#[derive(Debug)]
pub(super) struct Room<'b> {
    start: *mut libc::epoll_event,
    len: c_int,
    memory: PhantomData<&'b mut [libc::epoll_event]>,
}

impl Room<'_> {
    /// Returns the place of the first event. The memory for [`len`](Self::len) events from there
    /// on is borrowed by this value.
    #[inline]
    pub(super) const fn start(&self) -> *mut libc::epoll_event {
        self.start
    }

    /// Returns for how many events there is memory.
    #[inline]
    pub(super) const fn len(&self) -> c_int {
        self.len
    }
}

/// The buffer; empty where the kernel writes into the batch.
#[derive(Debug)]
pub(super) struct EventBuffer(Box<[libc::epoll_event]>);

impl EventBuffer {
    /// Makes a buffer for an event of each of `capacity` sources, if the layout requires one. Its
    /// pages are untouched until so many sources are ready at once.
    pub(super) fn new(capacity: usize) -> Result<Self, Error> {
        try_zeroed_slice(Self::events(capacity)).map(Self)
    }

    /// Returns the number of events that the buffer has room for.
    const fn events(capacity: usize) -> usize {
        match (SAME_LAYOUT, capacity) {
            (true, _) => 0,
            (false, 0) => 1,
            (false, capacity) => capacity,
        }
    }

    /// Returns the bytes of the buffer.
    pub(super) const fn memory(capacity: usize) -> usize {
        Self::events(capacity) * size_of::<libc::epoll_event>()
    }

    /// Returns memory for as many events as `events` has room for, or as fit into the buffer.
    #[inline]
    pub(super) fn room<'b>(&'b mut self, events: &'b mut Events<'_>) -> Room<'b> {
        let free = events.spare();
        let (start, len) = if SAME_LAYOUT {
            (free.as_mut_ptr().cast(), free.len())
        } else {
            (self.0.as_mut_ptr(), free.len().min(self.0.len()))
        };
        // A length above `c_int::MAX` is truncated: to less than the room, or to a number that the
        // kernel refuses.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            reason = "see above"
        )]
        let len = len as c_int;
        Room { start, len, memory: PhantomData }
    }

    /// Adds the `count` events that the kernel wrote into the [`room`](Self::room) to `events`, and
    /// returns them.
    #[inline]
    pub(super) fn add<'e>(&self, events: &'e mut Events<'_>, count: usize) -> &'e mut [Event] {
        if !SAME_LAYOUT {
            copy(&self.0[..count], events.spare());
        }
        events.advance(count)
    }
}

/// Converts events of the kernel into [`Event`]s. There is room for all of them.
fn copy(reported: &[libc::epoll_event], events: &mut [Event]) {
    for (event, kernel) in events.iter_mut().zip(reported) {
        *event = Event {
            token: Token::from_u64(kernel.u64),
            readiness: Readiness::from_bits(kernel.events),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_copied_where_the_kernel_has_its_own_layout() {
        let token = Token::new(7, 3);
        let bits = (libc::EPOLLIN | libc::EPOLLRDHUP).cast_unsigned();
        let mut events = [Event::EMPTY; 2];
        copy(&[libc::epoll_event { events: bits, u64: token.to_u64() }], &mut events);
        assert_eq!(
            events[0],
            Event { token, readiness: Readiness::READABLE | Readiness::READ_CLOSED }
        );
        assert_eq!(events[1], Event::EMPTY);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_kernel_writes_into_the_batch_itself() {
        assert!(EventBuffer::new(8).unwrap().0.is_empty());
    }
}
