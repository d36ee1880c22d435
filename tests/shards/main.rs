//! Several loops at one address, each on a thread of its own, with real clients: over the best
//! selector, and on Linux over a ring of `io_uring` for each.
#![cfg(unix)]

mod draining;
mod fleet;
mod mail;
mod sharing;

/// Makes a module of the tests for what the shards wait with.
macro_rules! cases {
    ($name:ident, $wait:ident: $($module:ident: $($case:ident,)+;)+) => {
        mod $name {
            $($(
                #[test]
                fn $case() {
                    crate::$module::$case(crate::fleet::Waits::$wait);
                }
            )+)+
        }
    };
}

/// The cases that all systems have, and more.
macro_rules! cases_of {
    ($name:ident, $wait:ident: $($more:tt)*) => {
        cases! {
            $name, $wait:
            sharing:
                by_hash_every_shard_serves,
                the_least_loaded_shard_gets_the_next_connection,
                clients_beyond_all_shards_wait_until_one_leaves,
                clients_beyond_the_queue_of_a_stalled_shard_wait_in_the_backlog,
                a_shard_that_panics_is_told_of_and_takes_no_other,;
            draining:
                no_client_is_lost_while_shards_drain_by_hash,
                no_client_is_lost_while_shards_drain_by_load,
                clients_in_the_backlog_of_a_shard_that_drains_are_served_by_another,
                clients_that_a_full_shard_has_accepted_ahead_are_served_by_another,
                clients_in_the_backlog_of_a_shard_that_panics_are_served_by_another,
                shards_that_are_full_drain_as_soon_as_their_clients_leave,
                all_shards_drain_and_the_last_one_alone,;
            mail:
                a_shard_that_has_drained_answers_messages_until_all_have,
                messages_to_a_shard_that_fails_are_given_back,;
            $($more)*
        }
    };
}

#[cfg(not(target_os = "linux"))]
cases_of! { selector, Selector: }

/// The cases of Linux.
#[cfg(target_os = "linux")]
macro_rules! cases_of_linux {
    ($($name:ident, $wait:ident;)+) => {
        $(cases_of! {
            $name, $wait:
            sharing: by_core_the_clients_of_this_machine_go_where_they_run,;
            draining: no_client_is_lost_while_shards_drain_by_core,;
        })+
    };
}

#[cfg(target_os = "linux")]
cases_of_linux! {
    selector, Selector;
    io_uring, Ring;
}
