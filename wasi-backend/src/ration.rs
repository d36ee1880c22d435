//! How to get along with a host that rations what a program may do before it sleeps: quirk (g) of `io_poll.rs`.
//!
//! The ration belongs to the host's own scheduler, which means to keep its tasks from hogging a thread, and renews it
//! whenever the program really sleeps. A poll of sources that are ready sleeps only if the ration is used up, for then the
//! host takes them for not ready, for a moment. So the ration is used up on purpose, by polling a few sources that are
//! known to be ready; the poll after that sleeps, and leaves nearly a whole ration for the few.

use crate::imports::{self, Handle};

/// How many sources are served with one ration: a step each to poll and to ask for room, two to write, and some to spare.
const SHARE: usize = 24;
/// How many broken promises after one poll are more than coincidence.
const BROKEN_MIN: usize = 8;
/// How many polls of one share a ration may last: 192 steps.
const POLLS_MAX: usize = 8;

/// What is known of the host.
#[derive(Debug)]
pub(crate) struct Ration {
    /// How many events the last poll gave.
    reported: usize,
    /// How many reads and writes have found nothing since, although the poll had promised something.
    broken: usize,
    is_needed: bool,
    /// Where the next share begins.
    first: u32,
}

impl Ration {
    /// A host that does not ration.
    pub(crate) const fn new() -> Self {
        Self { reported: 0, broken: 0, is_needed: false, first: 0 }
    }

    /// Notes that a poll has given this many events.
    pub(crate) const fn reported(&mut self, count: usize) {
        self.reported = count;
        self.broken = 0;
    }

    /// Notes that a read or a write has found nothing. If that was promised for most that was reported, the host rations.
    pub(crate) const fn found_nothing(&mut self, promised: bool) {
        self.broken += promised as usize;
        if self.broken >= BROKEN_MIN && self.broken * 2 > self.reported {
            self.is_needed = true;
        }
    }

    /// Whether the host rations.
    pub(crate) const fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// Leaves no more of the positions in `ready` than can be served now, and a ration to serve them with. Says how many
    /// are left. `items` are the pollables of the sources.
    #[cold]
    pub(crate) fn share_out(&mut self, items: &[Handle], ready: &mut [u32]) -> usize {
        if ready.len() <= SHARE {
            return ready.len();
        }
        let (mut positions, mut handles) = ([0; SHARE], [0; SHARE]);
        let mut count = 0;
        for is_before in [false, true] {
            for &position in ready.iter() {
                let Some(&handle) = items.get(position as usize) else { continue };
                if (position < self.first) == is_before && count < SHARE {
                    (positions[count], handles[count]) = (position, handle);
                    count += 1;
                }
            }
        }
        let (positions, handles) = (&positions[..count], &handles[..count]);
        self.first = positions.last().map_or(0, |&last| last + 1);
        ready[..count].copy_from_slice(positions);
        renew(handles);
        count
    }
}

/// Uses up the ration, and sleeps for a new one. All of `handles` are ready.
fn renew(handles: &[Handle]) {
    let mut again = [0; SHARE];
    for _ in 0..POLLS_MAX {
        // Fewer than are ready: that was the last of the ration. The next poll has none, and sleeps.
        if imports::poll(handles, &mut again).is_none_or(|count| count < handles.len()) {
            imports::poll(handles, &mut again);
            return;
        }
    }
}
