//! A backend of ours, by way of the loop: registry, dispatch, deadlines (of which there are none).

use std::os::fd::BorrowedFd;
use std::time::Duration;

use ::selkie::memory::HeapLoop;
use ::selkie::platform::{Selector, Wait};
use ::selkie::uring::{Uring, UringStorage};
use ::selkie::{Context, Error, Event, EventLoop, Handler, Interest, Mode};

use super::chain::{Callback, Chain, Load, Sources};
use crate::support::{BATCH, process};

struct Dispatcher<'c, 's> {
    chain: &'c mut Chain<'s>,
    callbacks: &'c [Callback],
}

impl<P: Selector> Handler<P> for Dispatcher<'_, '_> {
    #[inline]
    fn ready(&mut self, context: &mut Context<'_, P>, event: Event) {
        let index = event.token.index();
        self.callbacks[index](self.chain, index);
        if self.chain.is_finished() {
            context.stop();
        }
    }
}

pub(crate) fn dispatch<'s, P>(
    platform: Result<P, Error>,
    sources: &'s Sources,
    load: Load,
) -> Duration
where
    P: Wait<Source = BorrowedFd<'s>>,
{
    run(platform.expect("a selector"), sources, sources.watched(), load)
}

/// Runs a load over a ring, which takes descriptors of its own.
pub(crate) fn dispatch_ring(sources: &Sources, load: Load) -> Duration {
    let storage = UringStorage::leaked(sources.len()).expect("memory");
    let mut platform = Uring::new(storage).expect("the system allows it");
    let adopted: Vec<_> = sources
        .watched()
        .map(|fd| {
            let fd = fd.try_clone_to_owned().expect("a descriptor");
            platform.adopt(fd).expect("there is room")
        })
        .collect();
    run(platform, sources, adopted.into_iter(), load)
}

fn run<P: Wait>(
    platform: P,
    sources: &Sources,
    watched: impl Iterator<Item = P::Source>,
    load: Load,
) -> Duration {
    let mut chain = Chain::new(sources);
    let callbacks = chain.callbacks();
    let memory = HeapLoop::new(sources.len(), BATCH).expect("memory");
    let mut event_loop = EventLoop::new(platform, memory);
    for source in watched {
        let mut context = event_loop.context();
        context.register(source, Interest::READABLE, Mode::Level).expect("a registration");
    }
    chain.measure(load, |chain| {
        let mut dispatcher = Dispatcher { chain, callbacks: &callbacks };
        event_loop.run(&mut dispatcher).expect("a wait");
    })
}

pub(crate) fn churn<'s, P>(
    platform: Result<P, Error>,
    sources: &'s Sources,
    extra: BorrowedFd<'s>,
    times: u64,
) -> Duration
where
    P: Wait<Source = BorrowedFd<'s>>,
{
    let memory = HeapLoop::new(sources.len() + 1, BATCH).expect("memory");
    let mut event_loop = EventLoop::new(platform.expect("a selector"), memory);
    let mut context = event_loop.context();
    for fd in sources.watched() {
        context.register(fd, Interest::READABLE, Mode::Level).expect("a registration");
    }
    process::cpu_time_of(|| {
        for _ in 0..times {
            let token =
                context.register(extra, Interest::READABLE, Mode::Level).expect("a registration");
            context.deregister(extra, token).expect("a deregistration");
        }
    })
}
