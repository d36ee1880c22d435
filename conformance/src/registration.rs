//! Registering: what is accepted, and what is refused without changing anything.

use selkie_core::platform::{Capabilities, Selector};
use selkie_core::{ErrorKind, Interest, Mode, Readiness, Token};

use crate::harness::{Harness, SLOTS};
use crate::outcome::{Answer, Check, Stop, ensure};
use crate::{Fixture, MakeFixture};

pub(crate) fn a_registered_source_is_reported_under_its_token<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = [harness.reader()?, harness.reader()?, harness.reader()?];
    for one in watched {
        harness.send(one.peer, b"x")?;
        harness.expect(one.token, Readiness::READABLE)?;
        harness.read_exactly(one.source, 1)?;
        for other in watched {
            harness.expect_calm(other.token, Readiness::READABLE, "and nothing is left to read")?;
        }
    }
    Ok(())
}

pub(crate) fn the_same_token_twice_is_refused<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let first = harness.reader()?;
    let (other, other_peer) = harness.pair()?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let again = harness.platform().register(other, first.token, Interest::READABLE, mode);
        again.must_fail("registering a taken token", &[ErrorKind::AlreadyRegistered])?;
    }
    let again =
        harness.platform().register(first.source, first.token, Interest::WRITABLE, Mode::Oneshot);
    again.must_fail("registering a source and token twice", &[ErrorKind::AlreadyRegistered])?;
    harness.send(other_peer, b"x")?;
    harness.expect_calm(first.token, Readiness::READABLE, "for a source that was refused")?;
    harness.still_works(first)?;
    harness.still_works(first)?;
    harness.register(other, Interest::READABLE)?;
    Ok(())
}

pub(crate) fn the_same_source_under_another_token_is_refused<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let first = harness.reader()?;
    let token = harness.token()?;
    let again = harness.platform().register(first.source, token, Interest::READABLE, Mode::Level);
    again
        .must_fail("registering a source under a second token", &[ErrorKind::AlreadyRegistered])?;
    harness.send(first.peer, b"x")?;
    harness.expect(first.token, Readiness::READABLE)?;
    harness.expect_silence(token, "though its registration was refused")?;
    harness.read_exactly(first.source, 1)?;
    let unknown = harness.platform().deregister(first.source, token);
    unknown.must_fail(
        "deregistering the refused token",
        &[ErrorKind::NotRegistered, ErrorKind::Stale],
    )?;
    harness.still_works(first)
}

pub(crate) fn a_stale_token_registers_nothing<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 1)?;
    let stale = harness.token()?;
    harness.registry.remove(stale).must("taking a token back")?;
    let tenant = harness.reader()?;
    ensure!(tenant.token.index() == stale.index(), "the suite expects a slot to be reused");
    let (other, _) = harness.pair()?;
    let refused = harness.platform().register(other, stale, Interest::READABLE, Mode::Level);
    refused.must_fail(
        "registering a stale token",
        &[ErrorKind::Stale, ErrorKind::AlreadyRegistered],
    )?;
    harness.still_works(tenant)
}

pub(crate) fn a_token_that_was_not_issued_registers_nothing<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (source, _) = harness.pair()?;
    let made_up = Token::from_u64(0);
    let refused = harness.platform().register(source, made_up, Interest::READABLE, Mode::Level);
    let kinds = [ErrorKind::NotRegistered, ErrorKind::Stale, ErrorKind::InvalidInput];
    refused.must_fail("registering the token that is all zero", &kinds)?;
    let refused = harness.platform().deregister(source, made_up);
    refused.must_fail("deregistering the token that is all zero", &kinds)?;
    harness.register(source, Interest::READABLE)?;
    Ok(())
}

pub(crate) fn an_index_beyond_the_capacity_is_full<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    let (source, peer) = harness.pair()?;
    let capacity = u32::try_from(harness.platform().capacity()).unwrap_or(u32::MAX);
    for index in [capacity, capacity.saturating_add(1), u32::MAX] {
        let token = Token::new(index, 1);
        let refused = harness.platform().register(source, token, Interest::READABLE, Mode::Level);
        refused.must_fail("registering beyond the capacity", &[ErrorKind::Full])?;
        let unknown = harness.platform().modify(source, token, Interest::READABLE, Mode::Level);
        unknown.must_fail(
            "modifying beyond the capacity",
            &[ErrorKind::NotRegistered, ErrorKind::Stale],
        )?;
        let unknown = harness.platform().deregister(source, token);
        unknown.must_fail(
            "deregistering beyond the capacity",
            &[ErrorKind::NotRegistered, ErrorKind::Stale],
        )?;
    }
    harness.send(peer, b"x")?;
    harness.still_works(watched)?;
    harness.register(source, Interest::READABLE)?;
    Ok(())
}

pub(crate) fn a_full_table_has_room_again<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let capacity = harness.platform().capacity();
    if capacity > SLOTS {
        return Err(Stop::not_applicable(format_args!(
            "a capacity of {capacity} is too large to fill here"
        )));
    }
    let mut watched = [None; SLOTS];
    for place in &mut watched[..capacity] {
        *place = Some(harness.reader()?);
    }
    let (extra, extra_peer) = harness.pair()?;
    let token = Token::new(u32::try_from(capacity).unwrap_or(u32::MAX), 1);
    let refused = harness.platform().register(extra, token, Interest::READABLE, Mode::Level);
    refused.must_fail("registering at a full table", &[ErrorKind::Full])?;
    for one in watched.iter().flatten() {
        harness.still_works(*one)?;
    }
    let Some(gone) = watched[capacity / 2].take() else { return Ok(()) };
    harness.deregister(gone.source, gone.token)?;
    let token = harness.register(extra, Interest::READABLE)?;
    ensure!(token.index() == gone.token.index(), "the suite expects a slot to be reused");
    harness.send(extra_peer, b"x")?;
    harness.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn unknown_tokens_are_refused<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = harness.reader()?;
    let (source, _) = harness.pair()?;
    let token = harness.token()?;
    let kinds = [ErrorKind::NotRegistered, ErrorKind::Stale];
    let unknown = harness.platform().modify(source, token, Interest::WRITABLE, Mode::Level);
    unknown.must_fail("modifying an unknown token", &kinds)?;
    harness.expect_silence(token, "though it was never registered")?;
    harness
        .platform()
        .deregister(source, token)
        .must_fail("deregistering an unknown token", &kinds)?;
    harness.still_works(watched)
}

pub(crate) fn stale_tokens_are_refused<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 1)?;
    let old = harness.reader()?;
    harness.deregister(old.source, old.token)?;
    let kinds = [ErrorKind::NotRegistered, ErrorKind::Stale];
    let platform = harness.platform();
    platform
        .modify(old.source, old.token, Interest::READABLE, Mode::Level)
        .must_fail("modifying when gone", &kinds)?;
    platform.deregister(old.source, old.token).must_fail("deregistering when gone", &kinds)?;

    let tenant = harness.reader()?;
    ensure!(tenant.token.index() == old.token.index(), "the suite expects a slot to be reused");
    for source in [old.source, tenant.source] {
        let platform = harness.platform();
        platform
            .modify(source, old.token, Interest::NONE, Mode::Level)
            .must_fail("modifying when stale", &kinds)?;
        platform.deregister(source, old.token).must_fail("deregistering when stale", &kinds)?;
    }
    harness.still_works(tenant)
}

pub(crate) fn a_late_generation_survives<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    for generation in [0x7fff_ffff, 0x8000_0001, 0xffff_fffd] {
        let (source, peer) = harness.pair()?;
        let token = Token::new(1, generation);
        let platform = harness.platform();
        platform
            .register(source, token, Interest::READABLE, Mode::Level)
            .must("registering a late generation")?;
        harness.send(peer, b"x")?;
        harness.expect(token, Readiness::READABLE)?;
        let platform = harness.platform();
        platform
            .modify(source, token, Interest::WRITABLE, Mode::Oneshot)
            .must("modifying a late generation")?;
        harness.expect(token, Readiness::WRITABLE)?;
        harness.platform().deregister(source, token).must("deregistering a late generation")?;
        harness.expect_silence(token, "though it was deregistered")?;
    }
    Ok(())
}

pub(crate) fn edge_is_refused_where_it_does_not_work<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    if harness.can(Capabilities::EDGE) {
        return Err(Stop::not_applicable(format_args!("edge mode works on this platform")));
    }
    let watched = harness.reader()?;
    let (source, _) = harness.pair()?;
    let token = harness.token()?;
    let refused = harness.platform().register(source, token, Interest::READABLE, Mode::Edge);
    refused.must_fail("registering in edge mode", &[ErrorKind::Unsupported])?;
    let refused =
        harness.platform().modify(watched.source, watched.token, Interest::NONE, Mode::Edge);
    refused.must_fail("modifying to edge mode", &[ErrorKind::Unsupported])?;
    harness.still_works(watched)?;
    let platform = harness.platform();
    platform
        .register(source, token, Interest::READABLE, Mode::Level)
        .must("registering in level mode instead")
}
