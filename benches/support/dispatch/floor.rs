//! The floor: the loop that a careful C programmer writes when there is nothing else to do. The
//! event carries the address of the source's entry; nothing is looked up, and nothing can be stale,
//! as nothing is ever deregistered.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::chain::{Callback, Chain, Load, Sources};
use crate::support::epoll::{self, Epoll};
use crate::support::process;

/// The entry that C would point to in `epoll_event.data.ptr`.
struct Entry {
    callback: Callback,
    index: usize,
}

pub(crate) fn dispatch(sources: &Sources, load: Load) -> Duration {
    let mut chain = Chain::new(sources);
    let callbacks = chain.callbacks().into_iter().enumerate();
    let watched: Vec<Entry> =
        callbacks.map(|(index, callback)| Entry { callback, index }).collect();
    let epoll = Epoll::new();
    for (fd, watched) in sources.watched().zip(&watched) {
        let data = (&raw const *watched).expose_provenance() as u64;
        epoll.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), libc::EPOLLIN, data);
    }
    let mut events = epoll::batch();
    chain.measure(load, |chain| {
        while !chain.is_finished() {
            for event in epoll.wait(&mut events) {
                #[expect(clippy::cast_possible_truncation, reason = "it was an address before")]
                let address = event.u64 as usize;
                // SAFETY: it is the address of an element of `watched`, which outlives the
                // loop.
                let watched = unsafe { &*std::ptr::with_exposed_provenance::<Entry>(address) };
                (watched.callback)(chain, watched.index);
            }
        }
    })
}

pub(crate) fn churn(sources: &Sources, extra: BorrowedFd<'_>, times: u64) -> Duration {
    let epoll = Epoll::new();
    for fd in sources.watched() {
        epoll.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), libc::EPOLLIN, 0);
    }
    let fd = extra.as_raw_fd();
    process::cpu_time_of(|| {
        for _ in 0..times {
            epoll.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN, 0);
            epoll.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
        }
    })
}
