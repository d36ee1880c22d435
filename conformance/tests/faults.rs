//! The suite itself under test: an honest platform passes all of it, and each planted fault fails
//! the case that it should.

#[path = "toy/mod.rs"]
mod toy;

use std::collections::BTreeSet;

use selkie_conformance::{
    Case, Outcome, run_all, run_one, selector_cases, transport_cases, wait_cases, wait_wake_cases,
    wake_cases,
};
use toy::{Fault, ToyFixture};

fn cases() -> impl Iterator<Item = Case<ToyFixture>> {
    selector_cases()
        .chain(wait_cases())
        .chain(wake_cases())
        .chain(wait_wake_cases())
        .chain(transport_cases())
}

/// Returns whether the case of that name fails on a toy with this fault.
fn finds(name: &str, fault: Fault) -> bool {
    let outcome = run_one(cases(), name, |capacity| Ok(ToyFixture::with_fault(capacity, fault)));
    matches!(outcome, Outcome::Failed(_))
}

/// Each fault, and a case that is there to find it.
const EXPECTED: &[(Fault, &str)] = &[
    (Fault::FavoursTheFirst, "fairness::every_ready_source_is_reported_in_time"),
    (Fault::FavoursTheFirst, "fairness::no_index_is_favoured"),
    (Fault::FavoursTheFirst, "fairness::a_hot_source_does_not_hide_a_late_one"),
    (Fault::FavoursTheFirst, "waiting::waits_are_fair"),
    (Fault::LosesOneshotBeyondTheBatch, "batches::oneshot_events_beyond_the_batch_come_later"),
    (Fault::LosesOneshotBeyondTheBatch, "batches::a_full_batch_changes_nothing"),
    (Fault::LosesEdgeBeyondTheBatch, "batches::edge_events_beyond_the_batch_come_later"),
    (Fault::ForgetsOneshot, "modes::oneshot_is_reported_once"),
    (Fault::ForgetsOneshot, "modes::oneshot_spends_both_directions"),
    (Fault::ForgetsLevel, "modes::level_repeats_while_ready"),
    (Fault::ForgetsLevel, "modes::level_repeats_after_a_partial_read"),
    (Fault::ReportsAfterDeregister, "deregistration::it_takes_effect_at_once"),
    (Fault::ReportsAfterDeregister, "deregistration::readiness_is_not_inherited"),
    (Fault::ClearsTheBatch, "batches::events_are_added_to_what_is_there"),
    (Fault::ClearsTheBatch, "batches::a_full_batch_changes_nothing"),
    (Fault::ClearsTheBatch, "waiting::events_are_added_by_a_wait"),
    (Fault::ReportsOneAtATime, "fairness::every_batch_is_as_full_as_it_can_be"),
    (Fault::ReportsHangupsWithoutInterest, "interest::none_is_silent_when_the_peer_hangs_up"),
    (Fault::IgnoresInterest, "interest::only_what_was_asked_for_is_reported"),
    (Fault::IgnoresInterest, "interest::withdrawing_writable_stops_it"),
    (Fault::AlwaysReadable, "readiness::an_idle_source_is_silent"),
    (Fault::AlwaysReadable, "readiness::bytes_are_readable_until_read"),
    (Fault::AlwaysReadable, "sleeping::a_wait_never_ends_before_its_deadline"),
    (Fault::AlwaysWritable, "readiness::a_full_connection_is_not_writable"),
    (Fault::SplitsDirections, "readiness::both_directions_come_in_one_event"),
    (Fault::SplitsDirections, "batches::a_source_is_in_a_batch_once"),
    (Fault::LiesAboutTheEnd, "readiness::read_closed_is_only_reported_when_true"),
    (Fault::HidesTheEnd, "readiness::the_peer_shutting_down_is_readable"),
    (Fault::HidesTheEnd, "readiness::the_peer_closing_is_readable"),
    (Fault::RegistersSourcesTwice, "registration::the_same_source_under_another_token_is_refused"),
    (Fault::BelievesStaleTokens, "registration::stale_tokens_are_refused"),
    (Fault::CutsGenerations, "registration::a_late_generation_survives"),
    (Fault::BreaksAsAWhole, "failure::a_broken_source_does_not_stop_the_others"),
    (Fault::BreaksAsAWhole, "waiting::a_broken_source_does_not_stop_a_wait"),
    (Fault::KeepsBrokenSources, "failure::a_broken_source_can_be_deregistered"),
    (Fault::TakesWhatItShows, "partial_consume::looking_takes_nothing"),
    (Fault::ShowsAPart, "partial_consume::looking_takes_nothing"),
    (Fault::RepeatsWhatWasLeft, "partial_consume::what_is_left_waits_for_more"),
    (Fault::HidesWhatWasLeft, "partial_consume::what_is_left_can_be_shown_again"),
    (Fault::HidesTheEndBehindWhatWasLeft, "partial_consume::the_end_comes_behind_what_was_left"),
    (Fault::BoastsOfItsRoom, "partial_consume::the_room_that_is_told_is_there"),
    (Fault::TakesEdgeInSecret, "registration::edge_is_refused_where_it_does_not_work"),
    (Fault::ForgetsSilenced, "interest::none_comes_back"),
    (Fault::RoundsDown, "sleeping::a_wait_never_ends_before_its_deadline"),
    (Fault::RoundsDown, "sleeping::a_wait_without_sources_sleeps"),
    (Fault::Spins, "sleeping::a_wait_does_not_spin"),
    (Fault::OverflowsFarDeadlines, "waiting::a_far_deadline_does_not_overflow"),
    (Fault::SpinsAfterInterruptions, "sleeping::an_interrupted_wait_may_end_early"),
    (Fault::RestartsInterruptedWaits, "sleeping::an_interrupted_wait_may_end_early"),
    (Fault::FailsInterruptedWaits, "sleeping::an_interrupted_wait_may_end_early"),
    (Fault::WaitsForNothing, "nothing_to_wait_for::on_an_empty_platform"),
    (Fault::WaitsForNothing, "nothing_to_wait_for::when_all_are_silenced"),
    (Fault::WaitsForSpentOneshots, "nothing_to_wait_for::when_oneshots_were_reported"),
    (Fault::SleepsWithAFullBatch, "waiting::a_full_batch_returns_at_once"),
    (Fault::GoesBackInTime, "sleeping::time_never_goes_back"),
    (Fault::LosesEarlyWakes, "waking_waits::a_wake_before_the_wait_is_not_lost"),
    (Fault::RepeatsWakes, "waking::a_reported_wake_is_over"),
    (Fault::RepeatsWakes, "waking_waits::a_wait_after_a_wake_sleeps_again"),
    (Fault::CountsWakes, "waking::wakes_coalesce"),
    (Fault::StarvesWakes, "waking::a_wake_is_reported_beside_many_events"),
    (Fault::StarvesEvents, "waking::wakes_do_not_hide_events"),
    (Fault::MakesSecondWakers, "waking::a_second_waker_is_refused"),
    (Fault::DropsOnClose, "closing::graceful_delivers_what_was_written"),
    (Fault::DropsOnClose, "closing::graceful_delivers_what_the_platform_holds"),
    (Fault::AbortsInOrder, "closing::abort_resets"),
    (Fault::ReadsClosedStreams, "closing::a_closed_handle_is_stale_for_everything"),
    (Fault::ReadsClosedStreams, "closing::a_stale_handle_never_reaches_a_new_stream"),
    (Fault::LosesAByteToEmptyReads, "streams::an_empty_buffer_is_not_the_end"),
    (Fault::AcceptsBackwards, "accepting::connections_are_accepted_in_order"),
    (Fault::HidesResets, "streams::a_reset_ends_reading"),
    (Fault::HidesResets, "streams::a_reset_after_readiness_is_an_error_not_an_end"),
    (Fault::HidesRefusals, "connecting::a_refused_connection_says_so"),
    (Fault::LosesABytePerPartialWrite, "streams::no_byte_is_lost_under_backpressure"),
    (Fault::ShutsDownBoth, "streams::shutting_down_leaves_the_other_direction_open"),
    (Fault::DeafToHangups, "hangup::a_peer_that_reset_is_reported"),
    (Fault::DeafToHangups, "hangup::a_half_closed_peer_that_resets_is_reported"),
    (Fault::ReportsHalfClosedAsHangup, "hangup::a_half_closed_peer_is_silent"),
    (Fault::ReportsBytesAsHangup, "hangup::a_live_peer_is_silent"),
    (Fault::ReportsHangupsWithoutInterest, "hangup::no_interest_stays_silent"),
    (Fault::ForgetsEarlyHangups, "hangup::a_reset_from_before_is_reported"),
    (Fault::IgnoresInterest, "hangup::a_live_peer_is_silent"),
    (Fault::SilencesBesideHangups, "hangup::beside_another_interest_it_changes_nothing"),
    (Fault::TakesHangupInSecret, "hangup::it_is_refused_where_it_is_not_watched"),
    (Fault::ChecksNothing, "checking::a_peer_that_reset_is_noticed"),
    (Fault::ChecksHalfClosedAsGone, "checking::a_half_closed_peer_passes"),
    (Fault::ChecksFullAsGone, "checking::a_full_connection_passes"),
    (Fault::ChecksByReading, "checking::a_live_peer_passes"),
    (Fault::ChecksByReading, "checking::a_check_takes_nothing"),
    (Fault::ReadsClosedStreams, "checking::a_closed_handle_is_stale"),
    (Fault::ChecksInSecret, "checking::it_is_refused_where_there_is_none"),
    (Fault::WritesPartsBackwards, "vectored::parts_keep_their_order"),
    (Fault::WritesOnlyTheFirstPart, "vectored::empty_parts_are_skipped"),
    (Fault::ClaimsWholeVectors, "vectored::no_byte_is_lost_under_backpressure"),
    (Fault::ReadsClosedStreams, "vectored::a_closed_handle_is_stale"),
    (Fault::KeepsReleasedWakers, "waking::a_released_waker_makes_room_for_another"),
    (Fault::InheritsWakes, "waking::a_released_waker_is_silent"),
    (Fault::ReleasesAnyWaker, "waking::releasing_another_token_is_refused"),
    (Fault::FailsBesideEvents, "failure::an_error_is_returned_only_without_events"),
    (Fault::LimitsBatches, "scale::a_large_batch_is_filled"),
    (Fault::HidesTheEndOfBoth, "streams::the_end_of_both_directions_is_reported"),
];

#[test]
fn every_fault_is_found_by_the_case_that_is_there_for_it() {
    let mut missed = Vec::new();
    for (fault, name) in EXPECTED {
        if !finds(name, *fault) {
            missed.push((fault, name));
        }
    }
    assert!(missed.is_empty(), "faults that were not found: {missed:#?}");
}

#[test]
fn an_honest_platform_passes_everything() {
    let mut reports = Vec::new();
    let summary = run_all(cases(), ToyFixture::new, |name, outcome| {
        if !matches!(outcome, Outcome::Passed) {
            reports.push(format!("{name}: {outcome}"));
        }
    });
    assert_eq!(summary.failed, 0, "{reports:#?}");
    // The toy has edge mode, hang-ups and checks, so the cases that ask for their refusal have
    // nothing to ask.
    assert_eq!(summary.not_applicable, 3, "{reports:#?}");
    assert_eq!(summary.passed + 3, cases().count());
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let names: BTreeSet<_> = cases().map(|case| case.name).collect();
    assert_eq!(names.len(), cases().count());
}

#[test]
fn a_note_says_what_and_where() {
    let case = cases()
        .find(|case| case.name == "modes::oneshot_is_reported_once")
        .expect("a case of that name");
    let Outcome::Failed(note) =
        case.run(|capacity| Ok(ToyFixture::with_fault(capacity, Fault::ForgetsOneshot)))
    else {
        panic!("the fault went unnoticed");
    };
    assert!(note.text().contains("READABLE, though it was reported once already"), "{note}");
    assert!(note.to_string().contains("modes.rs:"), "{note}");
}
