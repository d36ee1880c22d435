//! The conformance suite, over every selector that the platform has: by itself over socket pairs,
//! and under a [`Platform`](selkie_std::Platform) over TCP.

mod bare;
mod fixture;
mod tcp;
mod world;

use selkie_std::Backend;

use bare::Bare;
use fixture::Over;
use tcp::Tcp;

#[cfg(has_epoll)]
selkie_conformance::conformance_tests! {
    epoll: |capacity| Over::<Bare>::new(Backend::Epoll, capacity);
    selector wait wake wait_wake
}

#[cfg(has_epoll)]
selkie_conformance::conformance_tests! {
    tcp_over_epoll: |capacity| Over::<Tcp>::new(Backend::Epoll, capacity);
    selector wait wake wait_wake transport
}

#[cfg(has_kqueue)]
selkie_conformance::conformance_tests! {
    kqueue: |capacity| Over::<Bare>::new(Backend::Kqueue, capacity);
    selector wait wake wait_wake
}

#[cfg(has_kqueue)]
selkie_conformance::conformance_tests! {
    tcp_over_kqueue: |capacity| Over::<Tcp>::new(Backend::Kqueue, capacity);
    selector wait wake wait_wake transport
}

selkie_conformance::conformance_tests! {
    poll: |capacity| Over::<Bare>::new(Backend::Poll, capacity);
    selector wait wake wait_wake
}

selkie_conformance::conformance_tests! {
    tcp_over_poll: |capacity| Over::<Tcp>::new(Backend::Poll, capacity);
    selector wait wake wait_wake transport
}

selkie_conformance::conformance_tests! {
    select: |capacity| Over::<Bare>::new(Backend::Select, capacity);
    selector wait wake wait_wake
}

selkie_conformance::conformance_tests! {
    tcp_over_select: |capacity| Over::<Tcp>::new(Backend::Select, capacity);
    selector wait wake wait_wake transport
}
