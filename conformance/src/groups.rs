//! The list of all cases, once: the tables and the named tests are both made from it.
//!
//! A case that is not listed is dead code, which the compiler reports.

use crate::case::Case;
use crate::{Fixture, TransportFixture, WaitFixture, WakeFixture};

/// Makes either a table or named tests from a list of cases.
#[doc(hidden)]
#[macro_export]
macro_rules! __cases {
    ((table $fixture:ident) $($module:ident { $($case:ident)* })*) => {
        [$($($crate::case::Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            run: $crate::$module::$case::<$fixture>,
        },)*)*].into_iter()
    };
    ((tests $group:ident $make:expr) $($module:ident { $($case:ident)* })*) => {
        $(
            mod $module {
                #[allow(unused_imports, reason = "the fixture's maker may need any of the names")]
                use super::*;

                $(
                    #[test]
                    fn $case() {
                        let name = concat!(stringify!($module), "::", stringify!($case));
                        $crate::__report!(name, $crate::run_one($crate::$group(), name, $make));
                    }
                )*
            }
        )*
    };
}

/// Ends a named test with its outcome.
#[doc(hidden)]
#[macro_export]
macro_rules! __report {
    ($name:expr, $outcome:expr) => {
        match $outcome {
            $crate::Outcome::Passed => {}
            // Not through `println!`, which a harness hides when a test passes.
            $crate::Outcome::NotApplicable(note) => {
                use ::std::io::Write as _;
                let line = ::std::format!(
                    "{} {}: not applicable: {}\n",
                    ::core::module_path!(),
                    $name,
                    note.text()
                );
                ::std::io::stderr()
                    .write_all(line.as_bytes())
                    .expect("standard error takes a line");
            }
            $crate::Outcome::Failed(note) => ::std::panic!("{}: {note}", $name),
        }
    };
}

/// The cases of every selector.
#[doc(hidden)]
#[macro_export]
macro_rules! __selector_cases {
    ($($context:tt)*) => {
        $crate::__cases! { ($($context)*)
            registration {
                a_registered_source_is_reported_under_its_token
                the_same_token_twice_is_refused
                the_same_source_under_another_token_is_refused
                a_stale_token_registers_nothing
                a_token_that_was_not_issued_registers_nothing
                an_index_beyond_the_capacity_is_full
                a_full_table_has_room_again
                unknown_tokens_are_refused
                stale_tokens_are_refused
                a_late_generation_survives
                edge_is_refused_where_it_does_not_work
            }
            deregistration {
                it_takes_effect_at_once
                it_takes_effect_on_the_batch_in_hand
                a_slot_reused_within_a_batch_gets_no_old_event
                readiness_is_not_inherited
                a_source_can_come_back
                the_others_stay
                before_close_leaves_nothing_behind
                a_duplicate_does_not_speak_for_the_dead
                after_the_peer_hung_up_works
            }
            readiness {
                an_idle_source_is_silent
                bytes_are_readable_until_read
                bytes_sent_before_registering_are_readable
                the_peer_shutting_down_is_readable
                the_peer_closing_is_readable
                read_closed_is_only_reported_when_true
                closed_is_only_reported_when_true
                bytes_before_the_end_are_not_lost
                a_reset_is_reported
                writable_at_once
                a_full_connection_is_not_writable
                a_drained_connection_is_writable_again
                both_directions_come_in_one_event
                both_directions_come_through_a_batch_of_one
                a_waiting_connection_is_readable
                an_urgent_byte_is_priority
                a_pipe_without_a_reader_wakes_its_writer
            }
            interest {
                only_what_was_asked_for_is_reported
                none_is_silent
                none_is_silent_when_the_peer_hangs_up
                none_comes_back
                registering_with_none_is_silent
                readable_becomes_writable
                writable_becomes_readable
                withdrawing_writable_stops_it
            }
            hangup {
                a_peer_that_reset_is_reported
                a_reset_from_before_is_reported
                a_live_peer_is_silent
                a_half_closed_peer_is_silent
                a_half_closed_peer_that_resets_is_reported
                no_interest_stays_silent
                beside_another_interest_it_changes_nothing
                it_is_refused_where_it_is_not_watched
            }
            modes {
                level_repeats_while_ready
                level_repeats_after_a_partial_read
                oneshot_is_reported_once
                oneshot_stays_silent_when_more_arrives
                oneshot_arms_again
                oneshot_with_none_can_be_armed_later
                oneshot_beside_level
                a_oneshot_source_can_become_level
                a_level_source_can_become_oneshot
                oneshot_spends_both_directions
                edge_is_reported_once_per_arrival
                edge_sees_what_was_there_before
                edge_sees_the_end
                edge_writable_comes_back_after_full
            }
            fairness {
                every_ready_source_is_reported_in_time
                no_index_is_favoured
                a_hot_source_does_not_hide_a_late_one
                every_batch_is_as_full_as_it_can_be
                sources_that_leave_do_not_make_others_wait
            }
            batches {
                events_are_added_to_what_is_there
                a_full_batch_changes_nothing
                oneshot_events_beyond_the_batch_come_later
                edge_events_beyond_the_batch_come_later
                a_source_is_in_a_batch_once
            }
            failure {
                a_broken_source_does_not_stop_the_others
                two_broken_sources_do_not_stop_the_others
                a_broken_source_is_reported_under_its_own_token
                a_broken_source_can_be_deregistered
                a_broken_source_makes_room_for_another
                a_never_connected_socket_does_not_stop_the_others
                a_regular_file_is_ready_or_refused
                a_reset_does_not_stop_the_others
                an_error_is_returned_only_without_events
            }
            scale {
                many_sources_are_all_reported
                a_large_batch_is_filled
                many_idle_sources_hide_none
                churn_leaves_nothing_behind
                connections_come_and_go
                polling_an_empty_platform_is_fine
            }
        }
    };
}

/// The cases of every selector that can sleep.
#[doc(hidden)]
#[macro_export]
macro_rules! __wait_cases {
    ($($context:tt)*) => {
        $crate::__cases! { ($($context)*)
            sleeping {
                time_never_goes_back
                a_deadline_that_passed_returns_at_once
                a_wait_never_ends_before_its_deadline
                a_wait_without_sources_sleeps
                a_wait_with_silent_sources_sleeps
                a_wait_ends_soon_after_its_deadline
                a_wait_does_not_spin
                a_timeout_counts_from_now
                an_interrupted_wait_may_end_early
            }
            waiting {
                a_deadline_that_passed_still_reports
                an_event_ends_a_wait
                an_event_ends_a_wait_without_a_deadline
                an_event_that_comes_later_ends_a_wait
                a_far_deadline_does_not_overflow
                a_full_batch_returns_at_once
                events_are_added_by_a_wait
                waits_are_fair
                an_interrupted_wait_still_reports
                a_broken_source_does_not_stop_a_wait
            }
            nothing_to_wait_for {
                on_an_empty_platform
                when_all_are_silenced
                when_oneshots_were_reported
                when_all_were_deregistered
                is_not_the_end
                but_a_deadline_is_a_sleep
            }
        }
    };
}

/// The cases of every selector that can be woken.
#[doc(hidden)]
#[macro_export]
macro_rules! __wake_cases {
    ($($context:tt)*) => {
        $crate::__cases! { ($($context)*)
            waking {
                a_waker_is_a_capability
                a_wake_is_reported_under_its_token
                wakes_coalesce
                a_reported_wake_is_over
                a_wake_after_a_report_is_another
                very_many_wakes_do_not_block
                a_second_waker_is_refused
                a_taken_token_is_refused
                a_token_beyond_the_capacity_is_refused
                the_token_of_a_waker_takes_no_source
                a_wake_comes_beside_events
                a_wake_is_reported_beside_many_events
                wakes_do_not_hide_events
                a_wake_beyond_the_batch_comes_later
                a_released_waker_is_silent
                a_released_waker_makes_room_for_another
                releasing_another_token_is_refused
            }
        }
    };
}

/// The cases of every selector that can sleep and be woken.
#[doc(hidden)]
#[macro_export]
macro_rules! __wait_wake_cases {
    ($($context:tt)*) => {
        $crate::__cases! { ($($context)*)
            waking_waits {
                a_wake_before_the_wait_is_not_lost
                a_wake_ends_a_wait
                a_wake_ends_a_wait_for_silent_sources
                a_waker_is_something_to_wait_for
                a_wait_after_a_wake_sleeps_again
            }
        }
    };
}

/// The cases of every platform that moves bytes.
#[doc(hidden)]
#[macro_export]
macro_rules! __transport_cases {
    ($($context:tt)*) => {
        $crate::__cases! { ($($context)*)
            accepting {
                accepting_from_an_empty_backlog_would_block
                connections_are_accepted_in_order
                a_listener_stays_ready_while_connections_wait
                a_connection_that_left_does_not_stop_the_others
                a_listener_is_not_a_stream
            }
            streams {
                nothing_to_read_would_block
                bytes_keep_their_order
                the_end_is_zero_again_and_again
                a_full_stream_would_block
                no_byte_is_lost_under_backpressure
                an_empty_buffer_is_not_the_end
                a_peer_that_shut_down_still_reads
                shutting_down_leaves_the_other_direction_open
                writing_after_shutting_down_fails
                a_reset_ends_reading
                a_reset_after_readiness_is_an_error_not_an_end
                writing_after_a_reset_fails
                the_end_of_both_directions_is_reported
            }
            vectored {
                parts_keep_their_order
                no_byte_is_lost_under_backpressure
                empty_parts_are_skipped
                a_closed_handle_is_stale
            }
            checking {
                a_live_peer_passes
                a_full_connection_passes
                a_half_closed_peer_passes
                a_check_takes_nothing
                a_peer_that_reset_is_noticed
                a_closed_handle_is_stale
                it_is_refused_where_there_is_none
            }
            partial_consume {
                looking_takes_nothing
                what_is_left_waits_for_more
                what_is_left_can_be_shown_again
                the_end_comes_behind_what_was_left
                the_room_that_is_told_is_there
            }
            closing {
                graceful_delivers_what_was_written
                graceful_delivers_what_the_platform_holds
                abort_resets
                abort_ends_the_stream
                a_closed_handle_is_stale_for_everything
                a_stale_handle_never_reaches_a_new_stream
                a_closed_listener_is_stale
                closing_after_the_peer_closed_works
            }
            connecting {
                a_connection_comes_about
                a_pending_connection_is_no_error
                a_refused_connection_says_so
                an_attempt_can_be_cancelled
                attempts_do_not_disturb_each_other
            }
        }
    };
}

/// Returns the cases of every [`Selector`](selkie_core::platform::Selector).
pub fn selector_cases<F: Fixture>() -> impl Iterator<Item = Case<F>> {
    crate::__selector_cases!(table F)
}

/// Returns the cases of every platform that can sleep: [`Wait`](selkie_core::platform::Wait).
pub fn wait_cases<F: WaitFixture>() -> impl Iterator<Item = Case<F>> {
    crate::__wait_cases!(table F)
}

/// Returns the cases of every platform that can be woken: [`Wake`](selkie_core::platform::Wake).
pub fn wake_cases<F: WakeFixture>() -> impl Iterator<Item = Case<F>> {
    crate::__wake_cases!(table F)
}

/// Returns the cases of every platform that can sleep and be woken.
pub fn wait_wake_cases<F: WaitFixture + WakeFixture>() -> impl Iterator<Item = Case<F>> {
    crate::__wait_wake_cases!(table F)
}

/// Returns the cases of every platform that moves bytes, a
/// [`Transport`](selkie_core::platform::Transport).
pub fn transport_cases<F: TransportFixture>() -> impl Iterator<Item = Case<F>> {
    crate::__transport_cases!(table F)
}

/// Makes one named test of every case, in a module of the name given first.
///
/// After the module's name stands what makes a fixture of a given capacity, which must be an
/// expression that needs no local variable; then the groups that apply: `selector`, and where the
/// platform implements the traits `wait`, `wake`, `wait_wake` (both) and `transport`. A case that
/// is not applicable passes, and prints why to standard error.
///
/// ```text
/// selkie_conformance::conformance_tests! {
///     my_backend: MyFixture::new;
///     selector wait wake wait_wake transport
/// }
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($name:ident: $make:expr; $($group:ident)+) => {
        mod $name {
            #[allow(unused_imports, reason = "the fixture's maker may need any of the names")]
            use super::*;

            $($crate::conformance_tests! { @ $group $make })+
        }
    };
    (@ selector $make:expr) => { $crate::__selector_cases! { tests selector_cases $make } };
    (@ wait $make:expr) => { $crate::__wait_cases! { tests wait_cases $make } };
    (@ wake $make:expr) => { $crate::__wake_cases! { tests wake_cases $make } };
    (@ wait_wake $make:expr) => { $crate::__wait_wake_cases! { tests wait_wake_cases $make } };
    (@ transport $make:expr) => { $crate::__transport_cases! { tests transport_cases $make } };
}
