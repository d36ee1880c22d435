//! mio: edge-triggered readiness, tokens chosen by its user.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use ::mio::unix::SourceFd;
use ::mio::{Events, Interest, Poll, Token};

use super::chain::{Chain, Load, Sources};
use crate::support::{BATCH, process};

fn registered(sources: &Sources) -> Poll {
    let poll = Poll::new().expect("a selector");
    for (index, fd) in sources.watched().enumerate() {
        let fd = fd.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(index), Interest::READABLE)
            .expect("a registration");
    }
    poll
}

pub(crate) fn dispatch(sources: &Sources, load: Load) -> Duration {
    let mut chain = Chain::new(sources);
    let callbacks = chain.callbacks();
    let mut poll = registered(sources);
    let mut events = Events::with_capacity(BATCH);
    chain.measure(load, |chain| {
        while !chain.is_finished() {
            poll.poll(&mut events, None).expect("a wait");
            for event in &events {
                let Token(index) = event.token();
                callbacks[index](chain, index);
            }
        }
    })
}

pub(crate) fn churn(sources: &Sources, extra: BorrowedFd<'_>, times: u64) -> Duration {
    let poll = registered(sources);
    let (fd, token) = (extra.as_raw_fd(), Token(sources.len()));
    process::cpu_time_of(|| {
        for _ in 0..times {
            poll.registry()
                .register(&mut SourceFd(&fd), token, Interest::READABLE)
                .expect("a registration");
            poll.registry().deregister(&mut SourceFd(&fd)).expect("a deregistration");
        }
    })
}
