//! The server's promises, each a named test, over a platform in memory with simulated time.

mod accepting;
mod backpressure;
mod causes;
mod closing;
mod deadlines;
mod draining;
mod ended;
mod faults;
mod finality;
mod holding;
mod peers;
mod pool;
mod rig;
mod scripted;
mod simulation;
mod stale;
mod starving;
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
