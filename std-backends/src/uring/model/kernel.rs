//! The other side of the queues: takes submissions, completes some of them, in some order.

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::io_uring::{IoringOp, io_uring_buf, io_uring_cqe, io_uring_params, io_uring_sqe};

use super::Faults;
use super::flight::{Flight, Submission};
use super::random::Random;
use super::world::World;
use crate::uring::kernel::Kernel;
use crate::uring::memory::{BUFFER, COMPLETIONS, PROVIDED_MAX, SHARED, SUBMISSIONS};

/// The places of the heads, the tails and the completions in the memory of the queues.
const OFFSETS: [u32; 5] = [0, 64, 128, 192, 1024];

/// The numbers of buffers in the two groups.
const SIZES: [usize; 2] = [PROVIDED_MAX, SHARED];

/// A completion that the queue has no room for yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completed {
    pub(super) user_data: u64,
    pub(super) result: i32,
    pub(super) flags: u32,
}

/// The queues, as a kernel sees them.
#[derive(Clone, Copy, Debug)]
struct Queues {
    submissions: NonNull<io_uring_sqe>,
    heads_and_tails: [NonNull<AtomicU32>; 4],
    completions: NonNull<io_uring_cqe>,
    buffers: [NonNull<io_uring_buf>; 2],
}

/// The state of the model.
#[derive(Debug)]
pub(super) struct State {
    queues: Queues,
    /// The numbers of buffers that were taken from their rings.
    buffers_taken: [u16; 2],
    pub(super) flights: Vec<Flight>,
    pub(super) done: VecDeque<Completed>,
    pub(super) random: Random,
    pub(super) faults: Faults,
    pub(super) world: World,
}

/// A kernel that acts at random, and the clients that it connects.
#[derive(Clone, Debug)]
pub(in crate::uring) struct Model(Rc<RefCell<State>>);

impl Model {
    /// Makes the other side of a ring whose memory the parameters name.
    pub(super) fn new(params: &mut io_uring_params, seed: u64, faults: Faults) -> Self {
        let offsets = (&mut params.sq_off, &mut params.cq_off);
        [offsets.0.head, offsets.0.tail, offsets.1.head, offsets.1.tail, offsets.1.cqes] = OFFSETS;
        // SAFETY: what the parameters name is `'static` and not null.
        let (submissions, start) = unsafe {
            (
                NonNull::new_unchecked(params.sq_off.user_addr.ptr),
                NonNull::new_unchecked(params.cq_off.user_addr.ptr).cast::<u8>(),
            )
        };
        // SAFETY: the offsets are within the memory of the queues.
        let at = |index: usize| unsafe { start.add(OFFSETS[index] as usize) };
        let queues = Queues {
            submissions: submissions.cast(),
            heads_and_tails: [at(0).cast(), at(1).cast(), at(2).cast(), at(3).cast()],
            completions: at(4).cast(),
            buffers: [NonNull::dangling(); 2],
        };
        Self(Rc::new(RefCell::new(State {
            queues,
            buffers_taken: [0; 2],
            flights: Vec::new(),
            done: VecDeque::new(),
            random: Random::new(seed),
            faults,
            world: World::default(),
        })))
    }

    pub(super) fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    pub(super) fn kernel(&self) -> Kernel {
        Kernel::Model(self.clone())
    }

    pub(in crate::uring) fn register_buffers(&self, ring: *mut c_void, entries: u32, group: u16) {
        assert_eq!(entries as usize, SIZES[usize::from(group)]);
        let ring = NonNull::new(ring.cast()).expect("memory for the ring");
        self.state().queues.buffers[usize::from(group)] = ring;
    }

    pub(in crate::uring) fn enter(&self, completions: u32) -> Result<(), Errno> {
        self.state().enter(completions)
    }

    pub(in crate::uring) fn cancel_all(&self) {
        let mut state = self.state();
        for flight in &mut state.flights {
            flight.is_cancelled = true;
        }
        state.faults = Faults::NONE;
        state.run();
        state.post();
    }
}

impl State {
    pub(super) fn has(&self, faults: Faults) -> bool {
        self.faults.contains(faults)
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        // SAFETY: the queues are valid for as long as the process runs.
        unsafe { self.queues.heads_and_tails[index].as_ref() }
    }

    fn enter(&mut self, completions: u32) -> Result<(), Errno> {
        self.check_flights();
        self.scribble();
        if self.has(Faults::REFUSALS) && self.random.chance(5) {
            return Err([Errno::AGAIN, Errno::BUSY, Errno::INTR][self.random.below(3)]);
        }
        self.submit();
        self.run();
        self.post();
        let is_empty = self.word(2).load(Ordering::Relaxed) == self.word(3).load(Ordering::Relaxed);
        if is_empty && completions > 0 { Err(Errno::TIME) } else { Ok(()) }
    }

    /// Takes submissions: all, or where there are faults, some.
    fn submit(&mut self) {
        let (mut head, tail) =
            (self.word(0).load(Ordering::Relaxed), self.word(1).load(Ordering::Acquire));
        let mut count = tail.wrapping_sub(head) as usize;
        assert!(count <= SUBMISSIONS as usize, "the queue of submissions is too long");
        if self.has(Faults::REFUSALS) && self.random.chance(5) {
            count = self.random.below(count + 1);
        }
        for _ in 0..count {
            // SAFETY: the entry is before the tail, so it was written.
            let entry = unsafe {
                self.queues.submissions.add((head & (SUBMISSIONS - 1)) as usize).as_ref()
            };
            let entry = Submission::of(entry);
            self.take(entry);
            head = head.wrapping_add(1);
        }
        self.word(0).store(head, Ordering::Release);
    }

    fn take(&mut self, entry: Submission) {
        if entry.code == IoringOp::Connect && self.world.find(entry.fd).is_none() {
            self.world.add_outgoing(entry.fd);
        }
        let peer = self.world.find(entry.fd);
        let flight = Flight { entry, peer, is_cancelled: false };
        if entry.code == IoringOp::Send {
            self.check_output(flight, entry.length as usize);
        }
        self.flights.push(flight);
    }

    /// Completes operations: each that can be, or where there are faults, some, in any order.
    fn run(&mut self) {
        let mut left = self.flights.len();
        let mut next = 0;
        while left > 0 && next < self.flights.len() {
            left -= 1;
            let index =
                if self.has(Faults::ORDER) { self.random.below(self.flights.len()) } else { next };
            let is_late = self.has(Faults::LATE) && self.random.chance(2);
            let flight = self.flights[index];
            if !is_late && self.complete(flight) {
                self.flights.remove(index);
            } else {
                next += 1;
            }
        }
    }

    /// Returns the number of completions that the queue takes at once.
    pub(super) fn queue_room(&mut self) -> usize {
        if self.has(Faults::OVERFLOW) { 1 + self.random.below(3) } else { COMPLETIONS as usize }
    }

    /// Posts what is completed, as far as the queue has room.
    fn post(&mut self) {
        let room = u32::try_from(self.queue_room()).unwrap_or(COMPLETIONS);
        let head = self.word(2).load(Ordering::Acquire);
        let mut tail = self.word(3).load(Ordering::Relaxed);
        while tail.wrapping_sub(head) < room {
            let Some(done) = self.done.pop_front() else { break };
            let place = (tail & (COMPLETIONS - 1)) as usize;
            // SAFETY: the platform has taken the entry before, as it is less than a queue ahead. It
            // begins with three integers: user data, result, flags.
            unsafe {
                let entry = self.queues.completions.add(place).as_ptr();
                entry.cast::<u64>().write(done.user_data);
                entry.cast::<i32>().add(2).write(done.result);
                entry.cast::<u32>().add(3).write(done.flags);
            }
            tail = tail.wrapping_add(1);
        }
        self.word(3).store(tail, Ordering::Release);
    }

    /// Takes the next buffer of a group that the platform has provided.
    pub(super) fn take_buffer(&mut self, group: usize) -> Option<(u16, *mut u8)> {
        let taken = self.buffers_taken[group];
        let (number, address) = self.provided(group, taken)?;
        self.buffers_taken[group] = taken.wrapping_add(1);
        Some((number, address))
    }

    /// Returns the buffer at a position of the ring, if there is one.
    fn provided(&self, group: usize, position: u16) -> Option<(u16, *mut u8)> {
        let ring = self.queues.buffers[group];
        // SAFETY: the tail is the last field of the first entry.
        let tail = unsafe { AtomicU16::from_ptr(&raw mut (*ring.as_ptr()).resv) };
        if position == tail.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: the entry is before the tail, so it was written.
        let entry = unsafe { ring.add(usize::from(position) & (SIZES[group] - 1)).as_ref() };
        assert_eq!(entry.len, BUFFER);
        Some((entry.bid, entry.addr.ptr.cast()))
    }

    /// Writes over every buffer that the platform has provided: none of them may be read.
    fn scribble(&mut self) {
        for group in 0..SIZES.len() {
            let mut position = self.buffers_taken[group];
            while let Some((_, address)) = self.provided(group, position) {
                // SAFETY: the platform has given the buffer away.
                unsafe { address.write_bytes(0xEE, BUFFER as usize) };
                position = position.wrapping_add(1);
            }
        }
    }

    /// Checks that every descriptor of an operation is still open.
    fn check_flights(&self) {
        for flight in &self.flights {
            if let Some(id) = flight.peer {
                let peer = &self.world.peers[id];
                assert!(peer.is_open(), "connection {id} is closed before {:?}", flight.entry.code);
            }
        }
    }
}
