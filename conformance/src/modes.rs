//! Modes: level repeats, oneshot does not, edge says what is new.

use selkie_core::{Capabilities, Interest, Mode, Readiness};

use crate::outcome::{Answer, Check, Stop, ensure};
use crate::stage::{Stage, Watched};
use crate::{Fixture, Make};

/// Both directions.
const BOTH: Interest = Interest::READABLE.union(Interest::WRITABLE);

pub(crate) fn level_repeats_while_ready<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(BOTH, Mode::Level)?;
    stage.send(watched.peer, b"x")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    for _ in 0..5 {
        let seen = stage.look(watched.token)?;
        let both = Readiness::READABLE | Readiness::WRITABLE;
        ensure!(seen.contains(both), "a level source that stays ready was reported {seen:?}");
    }
    Ok(())
}

pub(crate) fn level_repeats_after_a_partial_read<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    stage.send(watched.peer, b"abc")?;
    for _ in 0..3 {
        stage.expect(watched.token, Readiness::READABLE)?;
        let read = stage.fixture.read(watched.source, &mut [0]).must("reading one byte")?;
        ensure!(read == 1, "one byte was asked for, and {read} were read");
    }
    stage.expect_calm(watched.token, Readiness::READABLE, "after all bytes were read")
}

/// A oneshot reader that was reported once.
fn spent<F: Fixture>(stage: &mut Stage<F>) -> Check<Watched<F>> {
    let watched = stage.watch(Interest::READABLE, Mode::Oneshot)?;
    stage.send(watched.peer, b"x")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    Ok(watched)
}

pub(crate) fn oneshot_is_reported_once<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = spent(&mut stage)?;
    stage.expect_silence(watched.token, "though it was reported once already")
}

pub(crate) fn oneshot_stays_silent_when_more_arrives<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = spent(&mut stage)?;
    stage.send(watched.peer, b"x")?;
    stage.expect_silence(watched.token, "though it was reported once already")?;
    stage.read_exactly(watched.source, 2)?;
    stage.send(watched.peer, b"x")?;
    stage.expect_silence(watched.token, "though it was reported once already")?;
    stage.fixture.peer_close(watched.peer).must("closing the far end")?;
    stage.expect_silence(watched.token, "though it was reported once already")
}

pub(crate) fn oneshot_arms_again<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = spent(&mut stage)?;
    for _ in 0..3 {
        stage.modify(watched, Interest::READABLE, Mode::Oneshot)?;
        stage.expect(watched.token, Readiness::READABLE)?;
        stage.expect_silence(watched.token, "though it was reported since it was armed")?;
    }
    stage.read_exactly(watched.source, 1)?;
    stage.modify(watched, Interest::READABLE, Mode::Oneshot)?;
    stage.expect_calm(watched.token, Readiness::READABLE, "and there is nothing to read")?;
    stage.modify(watched, Interest::READABLE, Mode::Oneshot)?;
    stage.send(watched.peer, b"x")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn oneshot_with_none_can_be_armed_later<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = spent(&mut stage)?;
    stage.modify(watched, Interest::NONE, Mode::Oneshot)?;
    stage.expect_silence(watched.token, "with no interest")?;
    stage.modify(watched, Interest::WRITABLE, Mode::Oneshot)?;
    stage.expect(watched.token, Readiness::WRITABLE)?;
    stage.expect_silence(watched.token, "though it was reported since it was armed")
}

pub(crate) fn oneshot_beside_level<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let level = [stage.reader()?, stage.reader()?];
    let oneshot = [spent(&mut stage)?, spent(&mut stage)?];
    for one in level {
        stage.send(one.peer, b"x")?;
    }
    for _ in 0..3 {
        for one in level {
            stage.expect(one.token, Readiness::READABLE)?;
        }
        for one in oneshot {
            stage.expect_silence(one.token, "though it was reported once already")?;
        }
    }
    stage.deregister(level[0].source, level[0].token)?;
    stage.modify(oneshot[1], Interest::READABLE, Mode::Oneshot)?;
    stage.expect(oneshot[1].token, Readiness::READABLE)?;
    stage.expect_silence(oneshot[0].token, "though it was reported once already")
}

pub(crate) fn a_oneshot_source_can_become_level<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = spent(&mut stage)?;
    stage.modify(watched, Interest::READABLE, Mode::Level)?;
    for _ in 0..3 {
        stage.expect(watched.token, Readiness::READABLE)?;
    }
    stage.read_exactly(watched.source, 1)?;
    stage.still_works(watched)
}

pub(crate) fn a_level_source_can_become_oneshot<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    stage.send(watched.peer, b"x")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    stage.modify(watched, Interest::READABLE, Mode::Oneshot)?;
    stage.expect(watched.token, Readiness::READABLE)?;
    stage.expect_silence(watched.token, "though it was reported since it was armed")
}

pub(crate) fn oneshot_spends_both_directions<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(BOTH, Mode::Oneshot)?;
    stage.expect(watched.token, Readiness::WRITABLE)?;
    stage.send(watched.peer, b"x")?;
    stage.expect_silence(
        watched.token,
        "though it was reported once already, if for the other direction",
    )?;
    stage.modify(watched, BOTH, Mode::Oneshot)?;
    stage.expect(watched.token, Readiness::READABLE | Readiness::WRITABLE)?;
    stage.expect_silence(watched.token, "though it was reported since it was armed")
}

/// Ends the case where edge mode does not work.
fn needs_edge<F: Fixture>(stage: &mut Stage<F>) -> Check {
    if stage.can(Capabilities::EDGE) {
        Ok(())
    } else {
        Err(Stop::not_applicable(format_args!("the platform has no edge mode")))
    }
}

pub(crate) fn edge_is_reported_once_per_arrival<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    needs_edge(&mut stage)?;
    let watched = stage.watch(Interest::READABLE, Mode::Edge)?;
    for round in 1..=3 {
        stage.send(watched.peer, b"x")?;
        stage.expect(watched.token, Readiness::READABLE)?;
        stage.expect_calm(watched.token, Readiness::READABLE, "and nothing new arrived")?;
        if round == 2 {
            stage.read_exactly(watched.source, 2)?;
        }
    }
    Ok(())
}

pub(crate) fn edge_sees_what_was_there_before<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    needs_edge(&mut stage)?;
    let watched = stage.watch(Interest::NONE, Mode::Edge)?;
    stage.send(watched.peer, b"x")?;
    stage.expect_silence(watched.token, "with no interest")?;
    stage.modify(watched, Interest::READABLE, Mode::Edge)?;
    stage.expect(watched.token, Readiness::READABLE)?;
    stage.modify(watched, Interest::READABLE, Mode::Edge)?;
    stage.expect(watched.token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn edge_sees_the_end<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    needs_edge(&mut stage)?;
    let watched = stage.watch(Interest::READABLE, Mode::Edge)?;
    stage.send(watched.peer, b"x")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    stage.expect_calm(watched.token, Readiness::READABLE, "and nothing new arrived")?;
    stage.fixture.peer_close(watched.peer).must("closing the far end")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn edge_writable_comes_back_after_full<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    needs_edge(&mut stage)?;
    let watched = stage.watch(Interest::WRITABLE, Mode::Edge)?;
    stage.expect(watched.token, Readiness::WRITABLE)?;
    let filled = stage.fill(watched.source)?;
    stage.expect_calm(watched.token, Readiness::WRITABLE, "though nothing more is taken")?;
    stage.receive(watched.peer, filled)?;
    stage.expect(watched.token, Readiness::WRITABLE)?;
    Ok(())
}
