//! Modes: level repeats, oneshot does not, edge says what is new.

use selkie_core::platform::Capabilities;
use selkie_core::{Interest, Mode, Readiness};

use crate::harness::{Harness, Registered};
use crate::outcome::{Answer, Check, Stop, ensure};
use crate::{Fixture, MakeFixture};

/// Both directions.
const BOTH: Interest = Interest::READABLE.union(Interest::WRITABLE);

pub(crate) fn level_repeats_while_ready<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(BOTH, Mode::Level)?;
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    for _ in 0..5 {
        let seen = harness.look(watched.token)?;
        let both = Readiness::READABLE | Readiness::WRITABLE;
        ensure!(seen.contains(both), "a level source that stays ready was reported {seen:?}");
    }
    Ok(())
}

pub(crate) fn level_repeats_after_a_partial_read<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"abc")?;
    for _ in 0..3 {
        harness.expect(watched.token, Readiness::READABLE)?;
        let read = harness.fixture.read(watched.source, &mut [0]).must("reading one byte")?;
        ensure!(read == 1, "one byte was asked for, and {read} were read");
    }
    harness.expect_calm(watched.token, Readiness::READABLE, "after all bytes were read")
}

/// Returns a oneshot reader that was already reported once.
fn spent<F: Fixture>(harness: &mut Harness<F>) -> Check<Registered<F>> {
    let watched = harness.watch(Interest::READABLE, Mode::Oneshot)?;
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    Ok(watched)
}

pub(crate) fn oneshot_is_reported_once<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = spent(&mut harness)?;
    harness.expect_silence(watched.token, "though it was reported once already")
}

pub(crate) fn oneshot_stays_silent_when_more_arrives<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = spent(&mut harness)?;
    harness.send(watched.peer, b"x")?;
    harness.expect_silence(watched.token, "though it was reported once already")?;
    harness.read_exactly(watched.source, 2)?;
    harness.send(watched.peer, b"x")?;
    harness.expect_silence(watched.token, "though it was reported once already")?;
    harness.fixture.peer_close(watched.peer).must("closing the far end")?;
    harness.expect_silence(watched.token, "though it was reported once already")
}

pub(crate) fn oneshot_arms_again<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = spent(&mut harness)?;
    for _ in 0..3 {
        harness.modify(watched, Interest::READABLE, Mode::Oneshot)?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.expect_silence(watched.token, "though it was reported since it was armed")?;
    }
    harness.read_exactly(watched.source, 1)?;
    harness.modify(watched, Interest::READABLE, Mode::Oneshot)?;
    harness.expect_calm(watched.token, Readiness::READABLE, "and there is nothing to read")?;
    harness.modify(watched, Interest::READABLE, Mode::Oneshot)?;
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn oneshot_with_none_can_be_armed_later<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = spent(&mut harness)?;
    harness.modify(watched, Interest::NONE, Mode::Oneshot)?;
    harness.expect_silence(watched.token, "with no interest")?;
    harness.modify(watched, Interest::WRITABLE, Mode::Oneshot)?;
    harness.expect(watched.token, Readiness::WRITABLE)?;
    harness.expect_silence(watched.token, "though it was reported since it was armed")
}

pub(crate) fn oneshot_beside_level<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let level = [harness.reader()?, harness.reader()?];
    let oneshot = [spent(&mut harness)?, spent(&mut harness)?];
    for one in level {
        harness.send(one.peer, b"x")?;
    }
    for _ in 0..3 {
        for one in level {
            harness.expect(one.token, Readiness::READABLE)?;
        }
        for one in oneshot {
            harness.expect_silence(one.token, "though it was reported once already")?;
        }
    }
    harness.deregister(level[0].source, level[0].token)?;
    harness.modify(oneshot[1], Interest::READABLE, Mode::Oneshot)?;
    harness.expect(oneshot[1].token, Readiness::READABLE)?;
    harness.expect_silence(oneshot[0].token, "though it was reported once already")
}

pub(crate) fn a_oneshot_source_can_become_level<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = spent(&mut harness)?;
    harness.modify(watched, Interest::READABLE, Mode::Level)?;
    for _ in 0..3 {
        harness.expect(watched.token, Readiness::READABLE)?;
    }
    harness.read_exactly(watched.source, 1)?;
    harness.still_works(watched)
}

pub(crate) fn a_level_source_can_become_oneshot<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.modify(watched, Interest::READABLE, Mode::Oneshot)?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.expect_silence(watched.token, "though it was reported since it was armed")
}

pub(crate) fn oneshot_spends_both_directions<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(BOTH, Mode::Oneshot)?;
    harness.expect(watched.token, Readiness::WRITABLE)?;
    harness.send(watched.peer, b"x")?;
    harness.expect_silence(
        watched.token,
        "though it was reported once already, if for the other direction",
    )?;
    harness.modify(watched, BOTH, Mode::Oneshot)?;
    harness.expect(watched.token, Readiness::READABLE | Readiness::WRITABLE)?;
    harness.expect_silence(watched.token, "though it was reported since it was armed")
}

/// Ends the case where edge mode does not work.
fn needs_edge<F: Fixture>(harness: &mut Harness<F>) -> Check {
    if harness.can(Capabilities::EDGE) {
        Ok(())
    } else {
        Err(Stop::not_applicable(format_args!("the platform has no edge mode")))
    }
}

pub(crate) fn edge_is_reported_once_per_arrival<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    needs_edge(&mut harness)?;
    let watched = harness.watch(Interest::READABLE, Mode::Edge)?;
    for round in 1..=3 {
        harness.send(watched.peer, b"x")?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.expect_calm(watched.token, Readiness::READABLE, "and nothing new arrived")?;
        if round == 2 {
            harness.read_exactly(watched.source, 2)?;
        }
    }
    Ok(())
}

pub(crate) fn edge_sees_what_was_there_before<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    needs_edge(&mut harness)?;
    let watched = harness.watch(Interest::NONE, Mode::Edge)?;
    harness.send(watched.peer, b"x")?;
    harness.expect_silence(watched.token, "with no interest")?;
    harness.modify(watched, Interest::READABLE, Mode::Edge)?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.modify(watched, Interest::READABLE, Mode::Edge)?;
    harness.expect(watched.token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn edge_sees_the_end<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    needs_edge(&mut harness)?;
    let watched = harness.watch(Interest::READABLE, Mode::Edge)?;
    harness.send(watched.peer, b"x")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.expect_calm(watched.token, Readiness::READABLE, "and nothing new arrived")?;
    harness.fixture.peer_close(watched.peer).must("closing the far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn edge_writable_comes_back_after_full<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    needs_edge(&mut harness)?;
    let watched = harness.watch(Interest::WRITABLE, Mode::Edge)?;
    harness.expect(watched.token, Readiness::WRITABLE)?;
    let filled = harness.fill(watched.source)?;
    harness.expect_calm(watched.token, Readiness::WRITABLE, "though nothing more is taken")?;
    harness.receive(watched.peer, filled)?;
    harness.expect(watched.token, Readiness::WRITABLE)?;
    Ok(())
}
