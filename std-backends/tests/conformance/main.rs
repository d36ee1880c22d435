//! The conformance suite, over every selector that the platform has: by itself over socket pairs,
//! and under a [`Platform`](selkie_std::Platform) over TCP; and over two platforms as one.

mod bare;
mod fixture;
#[cfg(target_os = "linux")]
mod paired;
mod remote;
mod tcp;
#[cfg(target_os = "linux")]
mod uring;
mod world;

use selkie_std::selectors::Backend;

/// Makes a module of named tests for each backend.
macro_rules! conformance {
    ($($backend:ident $name:ident,)+) => {
        $(
            mod $name {
                selkie_conformance::conformance_tests! {
                    bare: |capacity| {
                        crate::fixture::Over::<crate::bare::Bare>::new(
                            crate::Backend::$backend,
                            capacity,
                        )
                    };
                    selector wait wake wait_wake
                }

                selkie_conformance::conformance_tests! {
                    tcp: |capacity| {
                        crate::fixture::Over::<crate::tcp::Tcp>::new(
                            crate::Backend::$backend,
                            capacity,
                        )
                    };
                    selector wait wake wait_wake transport
                }
            }
        )+
    };
}

selkie_std::for_each_backend!(conformance);

/// A kernel that does not allow `io_uring` fails them: see `selkie_std::uring::uring_advice`.
#[cfg(target_os = "linux")]
mod io_uring {
    selkie_conformance::conformance_tests! {
        tcp: |capacity| {
            crate::fixture::Over::<crate::uring::Ring>::new(crate::Backend::default(), capacity)
        };
        selector wait wake wait_wake transport
    }
}
