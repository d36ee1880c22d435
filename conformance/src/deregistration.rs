//! Deregistering: it takes effect at once, and nothing of the old registration reaches the new one.

use selkie_core::platform::Events;
use selkie_core::{Event, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE, Registered};
use crate::outcome::{Answer, Check, ensure};
use crate::{Fixture, MakeFixture};

pub(crate) fn it_takes_effect_at_once<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    for interest in
        [Interest::READABLE, Interest::WRITABLE, Interest::READABLE | Interest::WRITABLE]
    {
        for mode in [Mode::Level, Mode::Oneshot] {
            let mut harness = Harness::new(make, 4)?;
            let watched = harness.watch(interest, mode)?;
            harness.send(watched.peer, b"x")?;
            harness.fixture.settle();
            harness.deregister(watched.source, watched.token)?;
            harness.expect_silence(watched.token, "though it was deregistered")?;
            harness.send(watched.peer, b"x")?;
            harness.expect_silence(watched.token, "though it was deregistered")?;
        }
    }
    Ok(())
}

/// Makes two connections with bytes to read, and a batch with an event for each.
fn both_ready<F: Fixture>(
    harness: &mut Harness<F>,
    slots: &mut [Event; 4],
) -> Check<[Registered<F>; 2]> {
    let watched = [harness.reader()?, harness.reader()?];
    for one in watched {
        harness.send(one.peer, b"x")?;
    }
    for _ in 0..PATIENCE {
        let mut events = Events::new(slots);
        harness.poll(&mut events)?;
        if watched.iter().all(|one| events.iter().any(|event| event.token == one.token)) {
            return Ok(watched);
        }
        harness.fixture.settle();
    }
    crate::outcome::fail!("two ready sources should come in one batch that has room for both")
}

pub(crate) fn it_takes_effect_on_the_batch_in_hand<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let mut slots = [Event::EMPTY; 4];
    let [stays, goes] = both_ready(&mut harness, &mut slots)?;
    harness.deregister(goes.source, goes.token)?;
    let heard =
        |token| slots.iter().any(|event| event.token == token && harness.registry.contains(token));
    ensure!(!heard(goes.token), "an event of a deregistered token passed the registry");
    ensure!(heard(stays.token), "an event of a live token did not pass the registry");
    harness.expect_silence(goes.token, "though it was deregistered")
}

pub(crate) fn a_slot_reused_within_a_batch_gets_no_old_event<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let mut slots = [Event::EMPTY; 4];
    let [_, goes] = both_ready(&mut harness, &mut slots)?;
    harness.drop_connection(goes)?;
    let heir = harness.reader()?;
    ensure!(heir.token.index() == goes.token.index(), "the suite expects a slot to be reused");
    for event in &slots {
        ensure!(event.token != heir.token, "an old event carries the token of the new tenant");
        let refused = event.token != goes.token || !harness.registry.contains(event.token);
        ensure!(refused, "an event of the old tenant passed the registry");
    }
    harness.expect_calm(
        heir.token,
        Readiness::READABLE,
        "with what was meant for the old tenant of its slot",
    )?;
    harness.still_works(heir)
}

pub(crate) fn readiness_is_not_inherited<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 1)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let old = harness.watch(Interest::READABLE, mode)?;
        harness.send(old.peer, b"x")?;
        harness.expect(old.token, Readiness::READABLE)?;
        harness.deregister(old.source, old.token)?;
        let heir = harness.reader()?;
        harness.expect_calm(
            heir.token,
            Readiness::READABLE,
            "with what was meant for the old tenant of its slot",
        )?;
        harness.expect_silence(old.token, "though it was deregistered")?;
        harness.still_works(heir)?;
        harness.drop_connection(heir)?;
    }
    Ok(())
}

pub(crate) fn a_source_can_come_back<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let mut watched = harness.reader()?;
    for _ in 0..3 {
        harness.still_works(watched)?;
        let old = watched.token;
        harness.deregister(watched.source, old)?;
        watched.token = harness.register(watched.source, Interest::READABLE)?;
        ensure!(watched.token != old, "a token was issued twice");
        harness.expect_silence(old, "though it was deregistered")?;
    }
    harness.still_works(watched)
}

pub(crate) fn the_others_stay<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 5)?;
    let mut watched = [None; 5];
    for place in &mut watched {
        *place = Some(harness.reader()?);
    }
    for gone in [2, 0, 4, 1] {
        if let Some(one) = watched[gone].take() {
            harness.deregister(one.source, one.token)?;
        }
        for one in watched.iter().flatten() {
            harness.still_works(*one)?;
        }
    }
    Ok(())
}

pub(crate) fn before_close_leaves_nothing_behind<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let bystander = harness.reader()?;
    for _ in 0..20 {
        let watched = harness.watch(Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
        harness.send(watched.peer, b"x")?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.drop_connection(watched)?;
        ensure!(harness.look(watched.token)?.is_empty(), "a closed connection was reported");
    }
    harness.still_works(bystander)
}

pub(crate) fn a_duplicate_does_not_speak_for_the_dead<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let bystander = harness.reader()?;
    let watched = harness.reader()?;
    harness.fixture.duplicate(watched.source).ability("second handle of a source")?;
    harness.deregister(watched.source, watched.token)?;
    harness.fixture.close(watched.source).must("closing a near end")?;
    harness.send(watched.peer, b"x")?;
    harness.expect_silence(watched.token, "though it was deregistered and closed")?;
    let heir = harness.reader()?;
    harness.expect_calm(
        heir.token,
        Readiness::READABLE,
        "with what a duplicate of its predecessor has to read",
    )?;
    harness.still_works(heir)?;
    harness.still_works(bystander)
}

pub(crate) fn after_the_peer_hung_up_works<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
    harness.fixture.peer_close(watched.peer).must("closing a far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.deregister(watched.source, watched.token)?;
    harness.expect_silence(watched.token, "though it was deregistered")?;
    harness.fixture.close(watched.source).must("closing a near end")
}
