//! polling, in its level-triggered mode: the default would arm each source again by a system call.

use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use ::polling::{Event, Events, PollMode, Poller};

use super::chain::{Chain, Load, Sources};
use crate::support::{BATCH, process};

fn registered(sources: &Sources) -> Poller {
    let poller = Poller::new().expect("a selector");
    for (index, fd) in sources.watched().enumerate() {
        add(&poller, fd, index);
    }
    poller
}

fn add(poller: &Poller, fd: BorrowedFd<'_>, key: usize) {
    // SAFETY: the sources outlive the poller, which is dropped at the end of the function that made
    // it.
    unsafe { poller.add_with_mode(fd.as_raw_fd(), Event::readable(key), PollMode::Level) }
        .expect("a registration");
}

pub(crate) fn dispatch(sources: &Sources, load: Load) -> Duration {
    let mut chain = Chain::new(sources);
    let callbacks = chain.callbacks();
    let poller = registered(sources);
    let mut events = Events::with_capacity(NonZeroUsize::new(BATCH).expect("a batch"));
    chain.measure(load, |chain| {
        while !chain.is_finished() {
            events.clear();
            poller.wait(&mut events, None).expect("a wait");
            for event in events.iter() {
                callbacks[event.key](chain, event.key);
            }
        }
    })
}

pub(crate) fn churn(sources: &Sources, extra: BorrowedFd<'_>, times: u64) -> Duration {
    let poller = registered(sources);
    process::cpu_time_of(|| {
        for _ in 0..times {
            add(&poller, extra, sources.len());
            poller.delete(extra).expect("a deregistration");
        }
    })
}
