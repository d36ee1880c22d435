//! Registering: what is accepted, and what is refused without changing anything.

use selkie_core::{Capabilities, ErrorKind, Interest, Mode, Readiness, Selector, Token};

use crate::outcome::{Answer, Check, Stop, ensure};
use crate::stage::{SLOTS, Stage};
use crate::{Fixture, Make};

pub(crate) fn a_registered_source_is_reported_under_its_token<F: Fixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let watched = [stage.reader()?, stage.reader()?, stage.reader()?];
    for one in watched {
        stage.send(one.peer, b"x")?;
        stage.expect(one.token, Readiness::READABLE)?;
        stage.read_exactly(one.source, 1)?;
        for other in watched {
            stage.expect_calm(other.token, Readiness::READABLE, "and nothing is left to read")?;
        }
    }
    Ok(())
}

pub(crate) fn the_same_token_twice_is_refused<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let first = stage.reader()?;
    let (other, other_peer) = stage.pair()?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let again = stage.platform().register(other, first.token, Interest::READABLE, mode);
        again.must_fail("registering a taken token", &[ErrorKind::AlreadyRegistered])?;
    }
    let again =
        stage.platform().register(first.source, first.token, Interest::WRITABLE, Mode::Oneshot);
    again.must_fail("registering a source and token twice", &[ErrorKind::AlreadyRegistered])?;
    stage.send(other_peer, b"x")?;
    stage.expect_calm(first.token, Readiness::READABLE, "for a source that was refused")?;
    stage.still_works(first)?;
    stage.still_works(first)?;
    stage.register(other, Interest::READABLE)?;
    Ok(())
}

pub(crate) fn the_same_source_under_another_token_is_refused<F: Fixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let first = stage.reader()?;
    let token = stage.token()?;
    let again = stage.platform().register(first.source, token, Interest::READABLE, Mode::Level);
    again
        .must_fail("registering a source under a second token", &[ErrorKind::AlreadyRegistered])?;
    stage.send(first.peer, b"x")?;
    stage.expect(first.token, Readiness::READABLE)?;
    stage.expect_silence(token, "though its registration was refused")?;
    stage.read_exactly(first.source, 1)?;
    let unknown = stage.platform().deregister(first.source, token);
    unknown.must_fail(
        "deregistering the refused token",
        &[ErrorKind::NotRegistered, ErrorKind::Stale],
    )?;
    stage.still_works(first)
}

pub(crate) fn a_stale_token_registers_nothing<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 1)?;
    let stale = stage.token()?;
    stage.registry.remove(stale).must("taking a token back")?;
    let tenant = stage.reader()?;
    ensure!(tenant.token.index() == stale.index(), "the suite expects a slot to be reused");
    let (other, _) = stage.pair()?;
    let refused = stage.platform().register(other, stale, Interest::READABLE, Mode::Level);
    refused.must_fail(
        "registering a stale token",
        &[ErrorKind::Stale, ErrorKind::AlreadyRegistered],
    )?;
    stage.still_works(tenant)
}

pub(crate) fn a_token_that_nobody_issued_registers_nothing<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (source, _) = stage.pair()?;
    let made_up = Token::from_u64(0);
    let refused = stage.platform().register(source, made_up, Interest::READABLE, Mode::Level);
    let kinds = [ErrorKind::NotRegistered, ErrorKind::Stale, ErrorKind::InvalidInput];
    refused.must_fail("registering the token that is all zero", &kinds)?;
    let refused = stage.platform().deregister(source, made_up);
    refused.must_fail("deregistering the token that is all zero", &kinds)?;
    stage.register(source, Interest::READABLE)?;
    Ok(())
}

pub(crate) fn an_index_beyond_the_capacity_is_full<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    let (source, peer) = stage.pair()?;
    let capacity = u32::try_from(stage.platform().capacity()).unwrap_or(u32::MAX);
    for index in [capacity, capacity.saturating_add(1), u32::MAX] {
        let token = Token::new(index, 1);
        let refused = stage.platform().register(source, token, Interest::READABLE, Mode::Level);
        refused.must_fail("registering beyond the capacity", &[ErrorKind::Full])?;
        let unknown = stage.platform().modify(source, token, Interest::READABLE, Mode::Level);
        unknown.must_fail(
            "modifying beyond the capacity",
            &[ErrorKind::NotRegistered, ErrorKind::Stale],
        )?;
        let unknown = stage.platform().deregister(source, token);
        unknown.must_fail(
            "deregistering beyond the capacity",
            &[ErrorKind::NotRegistered, ErrorKind::Stale],
        )?;
    }
    stage.send(peer, b"x")?;
    stage.still_works(watched)?;
    stage.register(source, Interest::READABLE)?;
    Ok(())
}

pub(crate) fn a_full_table_has_room_again<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let capacity = stage.platform().capacity();
    if capacity > SLOTS {
        return Err(Stop::not_applicable(format_args!(
            "a capacity of {capacity} is too large to fill here"
        )));
    }
    let mut watched = [None; SLOTS];
    for place in &mut watched[..capacity] {
        *place = Some(stage.reader()?);
    }
    let (extra, extra_peer) = stage.pair()?;
    let token = Token::new(u32::try_from(capacity).unwrap_or(u32::MAX), 1);
    let refused = stage.platform().register(extra, token, Interest::READABLE, Mode::Level);
    refused.must_fail("registering at a full table", &[ErrorKind::Full])?;
    for one in watched.iter().flatten() {
        stage.still_works(*one)?;
    }
    let Some(gone) = watched[capacity / 2].take() else { return Ok(()) };
    stage.deregister(gone.source, gone.token)?;
    let token = stage.register(extra, Interest::READABLE)?;
    ensure!(token.index() == gone.token.index(), "the suite expects a slot to be reused");
    stage.send(extra_peer, b"x")?;
    stage.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn unknown_tokens_are_refused<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let watched = stage.reader()?;
    let (source, _) = stage.pair()?;
    let token = stage.token()?;
    let kinds = [ErrorKind::NotRegistered, ErrorKind::Stale];
    let unknown = stage.platform().modify(source, token, Interest::WRITABLE, Mode::Level);
    unknown.must_fail("modifying an unknown token", &kinds)?;
    stage.expect_silence(token, "though it was never registered")?;
    stage
        .platform()
        .deregister(source, token)
        .must_fail("deregistering an unknown token", &kinds)?;
    stage.still_works(watched)
}

pub(crate) fn stale_tokens_are_refused<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 1)?;
    let old = stage.reader()?;
    stage.deregister(old.source, old.token)?;
    let kinds = [ErrorKind::NotRegistered, ErrorKind::Stale];
    let platform = stage.platform();
    platform
        .modify(old.source, old.token, Interest::READABLE, Mode::Level)
        .must_fail("modifying when gone", &kinds)?;
    platform.deregister(old.source, old.token).must_fail("deregistering when gone", &kinds)?;

    let tenant = stage.reader()?;
    ensure!(tenant.token.index() == old.token.index(), "the suite expects a slot to be reused");
    for source in [old.source, tenant.source] {
        let platform = stage.platform();
        platform
            .modify(source, old.token, Interest::NONE, Mode::Level)
            .must_fail("modifying when stale", &kinds)?;
        platform.deregister(source, old.token).must_fail("deregistering when stale", &kinds)?;
    }
    stage.still_works(tenant)
}

pub(crate) fn a_late_generation_survives<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    for generation in [0x7fff_ffff, 0x8000_0001, 0xffff_fffd] {
        let (source, peer) = stage.pair()?;
        let token = Token::new(1, generation);
        let platform = stage.platform();
        platform
            .register(source, token, Interest::READABLE, Mode::Level)
            .must("registering a late generation")?;
        stage.send(peer, b"x")?;
        stage.expect(token, Readiness::READABLE)?;
        let platform = stage.platform();
        platform
            .modify(source, token, Interest::WRITABLE, Mode::Oneshot)
            .must("modifying a late generation")?;
        stage.expect(token, Readiness::WRITABLE)?;
        stage.platform().deregister(source, token).must("deregistering a late generation")?;
        stage.expect_silence(token, "though it was deregistered")?;
    }
    Ok(())
}

pub(crate) fn edge_is_refused_where_it_does_not_work<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    if stage.can(Capabilities::EDGE) {
        return Err(Stop::not_applicable(format_args!("edge mode works on this platform")));
    }
    let watched = stage.reader()?;
    let (source, _) = stage.pair()?;
    let token = stage.token()?;
    let refused = stage.platform().register(source, token, Interest::READABLE, Mode::Edge);
    refused.must_fail("registering in edge mode", &[ErrorKind::Unsupported])?;
    let refused =
        stage.platform().modify(watched.source, watched.token, Interest::NONE, Mode::Edge);
    refused.must_fail("modifying to edge mode", &[ErrorKind::Unsupported])?;
    stage.still_works(watched)?;
    let platform = stage.platform();
    platform
        .register(source, token, Interest::READABLE, Mode::Level)
        .must("registering in level mode instead")
}
