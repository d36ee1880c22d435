//! Requests of services, over real sockets and on every backend of the machine: connect, know their
//! peers, send several parts.
#![cfg(unix)]

mod connecting;
mod knowing;
mod server;
#[path = "../clients/upstream.rs"]
mod upstream;

/// Makes a test of each function for each backend.
macro_rules! on_every_backend {
    ($($backend:ident $name:ident,)+) => {
        $(
            mod $name {
                use selkie::platform::Backend;

                #[test]
                fn a_relay_carries_bytes_both_ways() {
                    super::connecting::a_relay_carries_bytes_both_ways(Backend::$backend);
                }

                #[test]
                fn a_refused_attempt_is_told_once() {
                    super::connecting::a_refused_attempt_is_told_once(Backend::$backend);
                }

                #[test]
                fn a_silent_host_times_out() {
                    super::connecting::a_silent_host_times_out(Backend::$backend);
                }

                #[test]
                fn peers_and_listeners_are_known() {
                    super::knowing::peers_and_listeners_are_known(Backend::$backend);
                }

                #[test]
                fn parts_arrive_as_one_and_whole() {
                    super::knowing::parts_arrive_as_one_and_whole(Backend::$backend);
                }
            }
        )+
    };
}

selkie::for_each_backend!(on_every_backend);
