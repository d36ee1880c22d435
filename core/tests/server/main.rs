//! The server's promises, each a named test, over a platform in memory with simulated time.

mod accepting;
mod backpressure;
mod calling;
mod causes;
mod closing;
mod connecting;
mod deadlines;
mod draining;
mod ended;
mod faults;
mod finality;
mod holding;
mod peers;
mod pool;
mod promises;
mod regained;
mod replies;
mod reused;
mod rig;
mod scripted;
mod sharing;
mod simulation;
mod sizes;
mod slow;
mod stale;
mod starving;
mod toy;

/// Makes three tests of a function that is generic over the kind of platform.
macro_rules! on_all {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn with_the_servers_buffers() {
                    super::$name::<{ crate::toy::SERVER }>();
                }

                #[test]
                fn with_the_servers_buffers_and_reading_on() {
                    super::$name::<{ crate::toy::READS_ON }>();
                }

                #[test]
                fn with_the_platforms_buffers() {
                    super::$name::<{ crate::toy::PLATFORM }>();
                }
            }
        )*
    };
}

use on_all;
