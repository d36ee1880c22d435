//! Deregistering: it takes effect at once, and nothing of the old registration reaches the new one.

use selkie_core::{Event, Events, Interest, Mode, Readiness};

use crate::outcome::{Answer, Check, ensure};
use crate::stage::{PATIENCE, Stage, Watched};
use crate::{Fixture, Make};

pub(crate) fn it_takes_effect_at_once<F: Fixture>(make: Make<'_, F>) -> Check {
    for interest in
        [Interest::READABLE, Interest::WRITABLE, Interest::READABLE | Interest::WRITABLE]
    {
        for mode in [Mode::Level, Mode::Oneshot] {
            let mut stage = Stage::new(make, 4)?;
            let watched = stage.watch(interest, mode)?;
            stage.send(watched.peer, b"x")?;
            stage.fixture.settle();
            stage.deregister(watched.source, watched.token)?;
            stage.expect_silence(watched.token, "though it was deregistered")?;
            stage.send(watched.peer, b"x")?;
            stage.expect_silence(watched.token, "though it was deregistered")?;
        }
    }
    Ok(())
}

/// Two connections with bytes to read, and a batch that has events of both.
fn both_ready<F: Fixture>(stage: &mut Stage<F>, slots: &mut [Event; 4]) -> Check<[Watched<F>; 2]> {
    let watched = [stage.reader()?, stage.reader()?];
    for one in watched {
        stage.send(one.peer, b"x")?;
    }
    for _ in 0..PATIENCE {
        let mut events = Events::new(slots);
        stage.poll(&mut events)?;
        if watched.iter().all(|one| events.iter().any(|event| event.token == one.token)) {
            return Ok(watched);
        }
        stage.fixture.settle();
    }
    crate::outcome::fail!("two ready sources should come in one batch that has room for both")
}

pub(crate) fn it_takes_effect_on_the_batch_in_hand<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let mut slots = [Event::EMPTY; 4];
    let [stays, goes] = both_ready(&mut stage, &mut slots)?;
    stage.deregister(goes.source, goes.token)?;
    let heard =
        |token| slots.iter().any(|event| event.token == token && stage.registry.contains(token));
    ensure!(!heard(goes.token), "an event of a deregistered token passed the registry");
    ensure!(heard(stays.token), "an event of a live token did not pass the registry");
    stage.expect_silence(goes.token, "though it was deregistered")
}

pub(crate) fn a_slot_reused_within_a_batch_gets_no_old_event<F: Fixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let mut slots = [Event::EMPTY; 4];
    let [_, goes] = both_ready(&mut stage, &mut slots)?;
    stage.drop_connection(goes)?;
    let heir = stage.reader()?;
    ensure!(heir.token.index() == goes.token.index(), "the suite expects a slot to be reused");
    for event in &slots {
        ensure!(event.token != heir.token, "an old event carries the token of the new tenant");
        let refused = event.token != goes.token || !stage.registry.contains(event.token);
        ensure!(refused, "an event of the old tenant passed the registry");
    }
    stage.expect_calm(
        heir.token,
        Readiness::READABLE,
        "with what was meant for the old tenant of its slot",
    )?;
    stage.still_works(heir)
}

pub(crate) fn readiness_is_not_inherited<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 1)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let old = stage.watch(Interest::READABLE, mode)?;
        stage.send(old.peer, b"x")?;
        stage.expect(old.token, Readiness::READABLE)?;
        stage.deregister(old.source, old.token)?;
        let heir = stage.reader()?;
        stage.expect_calm(
            heir.token,
            Readiness::READABLE,
            "with what was meant for the old tenant of its slot",
        )?;
        stage.expect_silence(old.token, "though it was deregistered")?;
        stage.still_works(heir)?;
        stage.drop_connection(heir)?;
    }
    Ok(())
}

pub(crate) fn a_source_can_come_back<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let mut watched = stage.reader()?;
    for _ in 0..3 {
        stage.still_works(watched)?;
        let old = watched.token;
        stage.deregister(watched.source, old)?;
        watched.token = stage.register(watched.source, Interest::READABLE)?;
        ensure!(watched.token != old, "a token came twice");
        stage.expect_silence(old, "though it was deregistered")?;
    }
    stage.still_works(watched)
}

pub(crate) fn the_others_stay<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 5)?;
    let mut watched = [None; 5];
    for place in &mut watched {
        *place = Some(stage.reader()?);
    }
    for gone in [2, 0, 4, 1] {
        if let Some(one) = watched[gone].take() {
            stage.deregister(one.source, one.token)?;
        }
        for one in watched.iter().flatten() {
            stage.still_works(*one)?;
        }
    }
    Ok(())
}

pub(crate) fn before_close_leaves_nothing_behind<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let bystander = stage.reader()?;
    for _ in 0..20 {
        let watched = stage.watch(Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
        stage.send(watched.peer, b"x")?;
        stage.expect(watched.token, Readiness::READABLE)?;
        stage.drop_connection(watched)?;
        ensure!(stage.look(watched.token)?.is_empty(), "a closed connection was reported");
    }
    stage.still_works(bystander)
}

pub(crate) fn a_duplicate_does_not_speak_for_the_dead<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let bystander = stage.reader()?;
    let watched = stage.reader()?;
    stage.fixture.duplicate(watched.source).ability("second handle of a source")?;
    stage.deregister(watched.source, watched.token)?;
    stage.fixture.close(watched.source).must("closing a near end")?;
    stage.send(watched.peer, b"x")?;
    stage.expect_silence(watched.token, "though it was deregistered and closed")?;
    let heir = stage.reader()?;
    stage.expect_calm(
        heir.token,
        Readiness::READABLE,
        "with what a duplicate of its predecessor has to read",
    )?;
    stage.still_works(heir)?;
    stage.still_works(bystander)
}

pub(crate) fn after_the_peer_hung_up_works<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
    stage.fixture.peer_close(watched.peer).must("closing a far end")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    stage.deregister(watched.source, watched.token)?;
    stage.expect_silence(watched.token, "though it was deregistered")?;
    stage.fixture.close(watched.source).must("closing a near end")
}
