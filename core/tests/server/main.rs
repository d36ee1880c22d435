//! The server's promises, each a named test, over a platform in memory with simulated time.

mod accepting;
mod backpressure;
mod closing;
mod deadlines;
mod draining;
mod faults;
mod holding;
mod peers;
mod pool;
mod rig;
mod scripted;
mod simulation;
mod toy;

/// Makes two tests of a function that is generic over who keeps the outbox.
macro_rules! on_both {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn with_the_servers_outbox() {
                    super::$name::<false>();
                }

                #[test]
                fn with_the_platforms_outbox() {
                    super::$name::<true>();
                }
            }
        )*
    };
}

use on_both;
