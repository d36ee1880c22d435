//! Readiness: never too seldom; and what says more than readable and writable is said only when it
//! is true.

use selkie_core::{Capabilities, Event, Events, Interest, Mode, Readiness, Selector};

use crate::outcome::{Answer, Check, Stop, ensure, fail};
use crate::stage::{PATIENCE, Stage};
use crate::{Fixture, Make};

/// Both directions.
const BOTH: Interest = Interest::READABLE.union(Interest::WRITABLE);

/// What may only be reported when it is true.
const STRICT: Readiness = Readiness::READ_CLOSED
    .union(Readiness::CLOSED)
    .union(Readiness::ERROR)
    .union(Readiness::PRIORITY);

pub(crate) fn an_idle_source_is_silent<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    stage.expect_calm(watched.token, Readiness::READABLE, "and nothing was sent")
}

pub(crate) fn bytes_are_readable_until_read<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    stage.send(watched.peer, b"some bytes")?;
    let seen = stage.expect(watched.token, Readiness::READABLE)?;
    ensure!(!seen.intersects(STRICT), "a healthy connection was reported {seen:?}");
    stage.read_exactly(watched.source, 10)?;
    stage.expect_calm(watched.token, Readiness::READABLE, "after all bytes were read")?;
    stage.still_works(watched)
}

pub(crate) fn bytes_sent_before_registering_are_readable<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let (source, peer) = stage.pair()?;
        stage.send(peer, b"early")?;
        stage.fixture.settle();
        let token = stage.token()?;
        stage
            .platform()
            .register(source, token, Interest::READABLE, mode)
            .must("registering a connection")?;
        stage.expect(token, Readiness::READABLE)?;
    }
    Ok(())
}

/// Reads the end of the stream, for which the readiness that was reported is a promise.
fn read_the_end<F: Fixture>(stage: &mut Stage<F>, source: crate::SourceOf<F>) -> Check {
    let mut buffer = [0; 16];
    match stage.fixture.read(source, &mut buffer) {
        Ok(0) => Ok(()),
        Ok(count) => fail!("{count} bytes came from nowhere"),
        Err(error) => fail!("the end of the stream was reported, and reading it failed: {error}"),
    }
}

pub(crate) fn the_peer_shutting_down_is_readable<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    stage.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    read_the_end(&mut stage, watched.source)?;
    stage.expect(watched.token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn the_peer_closing_is_readable<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    stage.fixture.peer_close(watched.peer).must("closing the far end")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    read_the_end(&mut stage, watched.source)
}

pub(crate) fn read_closed_is_only_reported_when_true<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(BOTH, Mode::Level)?;
    stage.send(watched.peer, b"x")?;
    let seen = stage.expect(watched.token, Readiness::READABLE)?;
    ensure!(!seen.intersects(STRICT), "a healthy connection was reported {seen:?}");
    stage.read_exactly(watched.source, 1)?;
    stage.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    let wanted = if stage.can(Capabilities::READ_CLOSED) {
        Readiness::READABLE | Readiness::READ_CLOSED
    } else {
        Readiness::READABLE
    };
    let seen = stage.expect(watched.token, wanted)?;
    let untrue = STRICT - Readiness::READ_CLOSED;
    ensure!(
        !seen.intersects(untrue),
        "half of the connection is open, and it was reported {seen:?}"
    );
    let allowed = stage.can(Capabilities::READ_CLOSED) || !seen.contains(Readiness::READ_CLOSED);
    ensure!(allowed, "READ_CLOSED was reported by a platform that does not claim to");
    Ok(())
}

pub(crate) fn closed_is_only_reported_when_true<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(BOTH, Mode::Level)?;
    stage.expect(watched.token, Readiness::WRITABLE)?;
    stage.fixture.peer_close(watched.peer).must("closing the far end")?;
    let seen = stage.expect(watched.token, Readiness::READABLE | Readiness::WRITABLE)?;
    for (flag, capability) in [
        (Readiness::CLOSED, Capabilities::CLOSED),
        (Readiness::READ_CLOSED, Capabilities::READ_CLOSED),
        (Readiness::ERROR, Capabilities::ERROR),
    ] {
        let allowed = stage.can(capability) || !seen.contains(flag);
        ensure!(allowed, "{flag:?} was reported by a platform that does not claim to");
    }
    ensure!(!seen.contains(Readiness::PRIORITY), "an ended connection was reported {seen:?}");
    Ok(())
}

pub(crate) fn bytes_before_the_end_are_not_lost<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.reader()?;
    stage.send(watched.peer, b"last words")?;
    stage.fixture.peer_close(watched.peer).must("closing the far end")?;
    stage.expect(watched.token, Readiness::READABLE)?;
    let mut buffer = [0; 16];
    let mut total = 0;
    for _ in 0..PATIENCE {
        match stage.fixture.read(watched.source, &mut buffer) {
            Ok(0) => {
                ensure!(total == 10, "the stream ended after {total} of 10 bytes");
                return Ok(());
            }
            Ok(count) => total += count,
            Err(_) => {
                stage.expect(watched.token, Readiness::READABLE)?;
            }
        }
    }
    fail!("the stream of a peer that closed has no end")
}

pub(crate) fn a_reset_is_reported<F: Fixture>(make: Make<'_, F>) -> Check {
    for interest in [Interest::READABLE, Interest::WRITABLE] {
        let mut stage = Stage::new(make, 2)?;
        let watched = stage.watch(interest, Mode::Level)?;
        stage.fixture.peer_reset(watched.peer).ability("reset")?;
        let direction = Readiness::from_bits(u32::from(interest.bits()));
        let seen = stage.expect(watched.token, direction)?;
        let allowed = stage.can(Capabilities::ERROR) || !seen.contains(Readiness::ERROR);
        ensure!(allowed, "ERROR was reported by a platform that does not claim to");
        if interest == Interest::READABLE {
            let mut buffer = [0; 16];
            let read = stage.fixture.read(watched.source, &mut buffer);
            ensure!(
                read.is_err_and(|error| error.kind() != selkie_core::ErrorKind::WouldBlock),
                "the reset was silent"
            );
        }
    }
    Ok(())
}

pub(crate) fn writable_at_once<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let watched = stage.watch(Interest::WRITABLE, mode)?;
        let seen = stage.expect(watched.token, Readiness::WRITABLE)?;
        ensure!(!seen.intersects(STRICT), "a healthy connection was reported {seen:?}");
        stage.drop_connection(watched)?;
    }
    Ok(())
}

pub(crate) fn a_full_connection_is_not_writable<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(Interest::WRITABLE, Mode::Level)?;
    stage.fill(watched.source)?;
    stage.expect_calm(watched.token, Readiness::WRITABLE, "though nothing more is taken")
}

pub(crate) fn a_drained_connection_is_writable_again<F: Fixture>(make: Make<'_, F>) -> Check {
    for mode in [Mode::Level, Mode::Oneshot] {
        let mut stage = Stage::new(make, 2)?;
        let (source, peer) = stage.pair()?;
        let filled = stage.fill(source)?;
        let token = stage.token()?;
        stage
            .platform()
            .register(source, token, Interest::WRITABLE, mode)
            .must("registering a full connection")?;
        stage.expect_calm(token, Readiness::WRITABLE, "though nothing more is taken")?;
        // A oneshot source may have been spent on a spurious report.
        stage.platform().modify(source, token, Interest::WRITABLE, mode).must("arming")?;
        stage.receive(peer, filled)?;
        stage.expect(token, Readiness::WRITABLE)?;
        let taken = stage.fixture.write(source, b"x").must("writing when writable")?;
        ensure!(taken == 1, "a writable connection took {taken} of 1 byte");
    }
    Ok(())
}

pub(crate) fn both_directions_come_in_one_event<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let watched = [stage.watch(BOTH, Mode::Level)?, stage.watch(BOTH, Mode::Level)?];
    for one in watched {
        stage.send(one.peer, b"x")?;
    }
    let both = Readiness::READABLE | Readiness::WRITABLE;
    for one in watched {
        stage.expect(one.token, both)?;
        // All is ready now, so one look, which fails on a token that comes twice in a batch, must
        // say it all.
        let seen = stage.look(one.token)?;
        ensure!(
            seen.contains(both),
            "a connection ready for both directions was reported {seen:?}"
        );
    }
    Ok(())
}

pub(crate) fn both_directions_come_through_a_batch_of_one<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(BOTH, Mode::Level)?;
    stage.send(watched.peer, b"x")?;
    let mut seen = Readiness::NONE;
    for _ in 0..PATIENCE {
        let mut slots = [Event::EMPTY; 1];
        let mut events = Events::new(&mut slots);
        stage.poll(&mut events)?;
        for event in &events {
            ensure!(event.token == watched.token, "an unknown token was reported");
            seen |= event.readiness;
        }
        if seen.contains(Readiness::READABLE | Readiness::WRITABLE) {
            return Ok(());
        }
        stage.fixture.settle();
    }
    fail!("a connection ready for both directions was reported {seen:?} through a batch of one")
}

pub(crate) fn a_waiting_connection_is_readable<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let listener = stage.fixture.listener().ability("listener")?;
    let token = stage.register(listener, Interest::READABLE)?;
    stage.expect_calm(token, Readiness::READABLE, "and nobody has connected")?;
    stage.fixture.dial(listener).ability("way to connect from afar")?;
    let seen = stage.expect(token, Readiness::READABLE)?;
    ensure!(!seen.intersects(STRICT), "a healthy listener was reported {seen:?}");
    stage.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn an_urgent_byte_is_priority<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    if !stage.can(Capabilities::PRIORITY) {
        return Err(Stop::not_applicable(format_args!(
            "the platform does not watch for urgent bytes"
        )));
    }
    let watched = stage.watch(Interest::PRIORITY, Mode::Level)?;
    stage.send(watched.peer, b"x")?;
    stage.expect_silence(watched.token, "and it watches for urgent bytes only")?;
    stage.fixture.peer_write_urgent(watched.peer).ability("urgent byte")?;
    stage.expect(watched.token, Readiness::PRIORITY)?;
    Ok(())
}

pub(crate) fn a_pipe_without_a_reader_wakes_its_writer<F: Fixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (source, peer) = stage.fixture.one_way().ability("source that can only write")?;
    stage.fill(source)?;
    let token = stage.register(source, Interest::WRITABLE)?;
    stage.expect_calm(token, Readiness::WRITABLE, "though nothing more is taken")?;
    stage.fixture.peer_close(peer).must("closing the reader")?;
    stage.expect(token, Readiness::WRITABLE)?;
    let write = stage.fixture.write(source, b"x");
    write.must_fail("writing to nobody", &[selkie_core::ErrorKind::BrokenPipe])
}
