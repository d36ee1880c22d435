//! Tasks over a platform in memory with simulated time: each promise a named test.
//!
//! The platform and the rig around the server are those of core's own tests.

mod cancelling;
mod closing;
mod conn;
mod escaping;
mod misbehaving;
#[path = "../../../core/tests/server/rig.rs"]
#[allow(dead_code, reason = "core's tests use all of it")]
mod rig;
mod support;
mod timing;
#[path = "../../../core/tests/server/toy.rs"]
#[allow(dead_code, reason = "core's tests use all of it")]
mod toy;
mod waking;

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
