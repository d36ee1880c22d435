//! A queue of fixed length to one thread.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A queue of fixed length from any thread to one that takes. Nothing is allocated after
/// [`new`](Self::new), and a queue that is full or closed gives the message back.
///
/// ```
/// use selkie_std::shards::Inbox;
///
/// let inbox = Inbox::new(1)?;
/// assert_eq!(inbox.push("first"), Ok(()));
/// assert_eq!(inbox.push("second"), Err("second"));
/// assert_eq!(inbox.pop(), Some("first"));
/// assert_eq!(inbox.close().count(), 0);
/// assert_eq!(inbox.push("third"), Err("third"));
/// # Ok::<(), selkie_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Inbox<T> {
    queue: Mutex<Queue<T>>,
}

#[derive(Debug)]
struct Queue<T> {
    messages: VecDeque<T>,
    capacity: usize,
    is_closed: bool,
}

impl<T> Inbox<T> {
    /// Makes a queue for `capacity` messages.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](selkie_core::ErrorKind::OutOfMemory).
    pub fn new(capacity: usize) -> Result<Self, selkie_core::Error> {
        let mut messages = VecDeque::new();
        let reserved = messages.try_reserve_exact(capacity);
        reserved.map_err(|_| selkie_core::ErrorKind::OutOfMemory)?;
        Ok(Self { queue: Mutex::new(Queue { messages, capacity, is_closed: false }) })
    }

    /// Returns the bytes of the messages of such a queue.
    #[must_use]
    pub const fn memory(capacity: usize) -> usize {
        capacity.saturating_mul(size_of::<T>())
    }

    /// Adds a message at the end. The other thread must be woken afterwards.
    ///
    /// # Errors
    ///
    /// The message, if the queue is full or closed.
    pub fn push(&self, message: T) -> Result<(), T> {
        let mut queue = self.lock();
        if queue.is_closed || queue.messages.len() == queue.capacity {
            return Err(message);
        }
        queue.messages.push_back(message);
        Ok(())
    }

    /// Takes the oldest message.
    pub fn pop(&self) -> Option<T> {
        self.lock().messages.pop_front()
    }

    /// Takes all messages, in exchange for an empty queue of the same capacity, and returns true if
    /// there were any. One lock for many messages. Takes nothing if `empty` has less capacity.
    pub fn take_all(&self, empty: &mut VecDeque<T>) -> bool {
        let mut queue = self.lock();
        if queue.is_closed || queue.messages.is_empty() || empty.capacity() < queue.capacity {
            return false;
        }
        std::mem::swap(&mut queue.messages, empty);
        true
    }

    /// Returns true if the queue takes another message.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let queue = self.lock();
        !queue.is_closed && queue.messages.len() < queue.capacity
    }

    /// Takes no more messages if none is left. Returns true if the queue is closed by then.
    #[must_use]
    pub fn close_if_empty(&self) -> bool {
        let mut queue = self.lock();
        queue.is_closed |= queue.messages.is_empty();
        queue.is_closed
    }

    /// Takes no more messages, and returns those that are left.
    pub fn close(&self) -> impl Iterator<Item = T> + use<T> {
        let mut queue = self.lock();
        queue.is_closed = true;
        std::mem::take(&mut queue.messages).into_iter()
    }

    /// Returns true once the queue takes no more messages.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Locks the queue. A thread that panicked has left it whole, as no call of this type panics
    /// half-way.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_order_and_a_full_queue_gives_back() {
        let inbox = Inbox::new(2).unwrap();
        assert_eq!(inbox.pop(), None);
        assert_eq!((inbox.push(1), inbox.push(2), inbox.push(3)), (Ok(()), Ok(()), Err(3)));
        assert!(!inbox.has_room() && !inbox.close_if_empty());
        assert_eq!((inbox.pop(), inbox.push(4)), (Some(1), Ok(())));
        assert_eq!((inbox.pop(), inbox.pop(), inbox.pop()), (Some(2), Some(4), None));
        assert!(inbox.has_room() && inbox.close_if_empty() && !inbox.has_room());
    }

    #[test]
    fn all_messages_are_taken_in_exchange_for_an_empty_queue() {
        let inbox = Inbox::new(2).unwrap();
        let mut batch = VecDeque::with_capacity(2);
        assert!(!inbox.take_all(&mut batch));
        inbox.push(1).unwrap();
        inbox.push(2).unwrap();
        assert!(!inbox.take_all(&mut VecDeque::new()), "a queue that is too short stays out");
        assert!(inbox.take_all(&mut batch));
        assert_eq!((batch, inbox.pop()), (VecDeque::from([1, 2]), None));
    }

    #[test]
    fn what_is_left_comes_back_when_the_queue_is_closed() {
        let inbox = Inbox::new(2).unwrap();
        inbox.push(1).unwrap();
        assert!(!inbox.is_closed());
        assert_eq!(inbox.close().collect::<Vec<_>>(), [1]);
        assert!(inbox.is_closed());
        assert_eq!(inbox.push(2), Err(2));
    }
}
