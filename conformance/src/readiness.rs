//! Readiness: never too seldom; and what says more than readable and writable is said only when it
//! is true.

use selkie_core::platform::{Capabilities, Events, Selector};
use selkie_core::{Event, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, Stop, ensure, fail};
use crate::{Fixture, MakeFixture};

/// Both directions.
const BOTH: Interest = Interest::READABLE.union(Interest::WRITABLE);

/// Readiness that may be reported only when true.
const STRICT: Readiness = Readiness::READ_CLOSED
    .union(Readiness::CLOSED)
    .union(Readiness::ERROR)
    .union(Readiness::PRIORITY);

pub(crate) fn an_idle_source_is_silent<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.expect_calm(watched.token, Readiness::READABLE, "and nothing was sent")
}

pub(crate) fn bytes_are_readable_until_read<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"some bytes")?;
    let seen = harness.expect(watched.token, Readiness::READABLE)?;
    ensure!(!seen.intersects(STRICT), "a healthy connection was reported {seen:?}");
    harness.read_exactly(watched.source, 10)?;
    harness.expect_calm(watched.token, Readiness::READABLE, "after all bytes were read")?;
    harness.still_works(watched)
}

pub(crate) fn bytes_sent_before_registering_are_readable<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let (source, peer) = harness.pair()?;
        harness.send(peer, b"early")?;
        harness.fixture.settle();
        let token = harness.token()?;
        harness
            .platform()
            .register(source, token, Interest::READABLE, mode)
            .must("registering a connection")?;
        harness.expect(token, Readiness::READABLE)?;
    }
    Ok(())
}

/// Reads the end of the stream, for which the readiness that was reported is a promise.
fn read_the_end<F: Fixture>(harness: &mut Harness<F>, source: crate::SourceOf<F>) -> Check {
    let mut buffer = [0; 16];
    match harness.fixture.read(source, &mut buffer) {
        Ok(0) => Ok(()),
        Ok(count) => fail!("{count} bytes arrived from nowhere"),
        Err(error) => fail!("the end of the stream was reported, and reading it failed: {error}"),
    }
}

pub(crate) fn the_peer_shutting_down_is_readable<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    read_the_end(&mut harness, watched.source)?;
    harness.expect(watched.token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn the_peer_closing_is_readable<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.fixture.peer_close(watched.peer).must("closing the far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    read_the_end(&mut harness, watched.source)
}

pub(crate) fn read_closed_is_only_reported_when_true<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(BOTH, Mode::Level)?;
    harness.send(watched.peer, b"x")?;
    let seen = harness.expect(watched.token, Readiness::READABLE)?;
    ensure!(!seen.intersects(STRICT), "a healthy connection was reported {seen:?}");
    harness.read_exactly(watched.source, 1)?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    let wanted = if harness.can(Capabilities::READ_CLOSED) {
        Readiness::READABLE | Readiness::READ_CLOSED
    } else {
        Readiness::READABLE
    };
    let seen = harness.expect(watched.token, wanted)?;
    let untrue = STRICT - Readiness::READ_CLOSED;
    ensure!(
        !seen.intersects(untrue),
        "half of the connection is open, and it was reported {seen:?}"
    );
    let allowed = harness.can(Capabilities::READ_CLOSED) || !seen.contains(Readiness::READ_CLOSED);
    ensure!(allowed, "READ_CLOSED was reported by a platform that does not claim to");
    Ok(())
}

pub(crate) fn closed_is_only_reported_when_true<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(BOTH, Mode::Level)?;
    harness.expect(watched.token, Readiness::WRITABLE)?;
    harness.fixture.peer_close(watched.peer).must("closing the far end")?;
    let seen = harness.expect(watched.token, Readiness::READABLE | Readiness::WRITABLE)?;
    for (flag, capability) in [
        (Readiness::CLOSED, Capabilities::CLOSED),
        (Readiness::READ_CLOSED, Capabilities::READ_CLOSED),
        (Readiness::ERROR, Capabilities::ERROR),
    ] {
        let allowed = harness.can(capability) || !seen.contains(flag);
        ensure!(allowed, "{flag:?} was reported by a platform that does not claim to");
    }
    ensure!(!seen.contains(Readiness::PRIORITY), "an ended connection was reported {seen:?}");
    Ok(())
}

pub(crate) fn bytes_before_the_end_are_not_lost<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"last words")?;
    harness.fixture.peer_close(watched.peer).must("closing the far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    let mut buffer = [0; 16];
    let mut total = 0;
    for _ in 0..PATIENCE {
        match harness.fixture.read(watched.source, &mut buffer) {
            Ok(0) => {
                ensure!(total == 10, "the stream ended after {total} of 10 bytes");
                return Ok(());
            }
            Ok(count) => total += count,
            Err(_) => {
                harness.expect(watched.token, Readiness::READABLE)?;
            }
        }
    }
    fail!("the stream of a peer that closed has no end")
}

pub(crate) fn a_reset_is_reported<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    for interest in [Interest::READABLE, Interest::WRITABLE] {
        let mut harness = Harness::new(make, 2)?;
        let watched = harness.watch(interest, Mode::Level)?;
        harness.fixture.peer_reset(watched.peer).ability("reset")?;
        let direction = Readiness::from_bits(u32::from(interest.bits()));
        let seen = harness.expect(watched.token, direction)?;
        let allowed = harness.can(Capabilities::ERROR) || !seen.contains(Readiness::ERROR);
        ensure!(allowed, "ERROR was reported by a platform that does not claim to");
        if interest == Interest::READABLE {
            let mut buffer = [0; 16];
            let read = harness.fixture.read(watched.source, &mut buffer);
            ensure!(
                read.is_err_and(|error| error.kind() != selkie_core::ErrorKind::WouldBlock),
                "the reset was silent"
            );
        }
    }
    Ok(())
}

pub(crate) fn writable_at_once<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for mode in [Mode::Level, Mode::Oneshot] {
        let watched = harness.watch(Interest::WRITABLE, mode)?;
        let seen = harness.expect(watched.token, Readiness::WRITABLE)?;
        ensure!(!seen.intersects(STRICT), "a healthy connection was reported {seen:?}");
        harness.drop_connection(watched)?;
    }
    Ok(())
}

pub(crate) fn a_full_connection_is_not_writable<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::WRITABLE, Mode::Level)?;
    harness.fill(watched.source)?;
    harness.expect_calm(watched.token, Readiness::WRITABLE, "though nothing more is taken")
}

pub(crate) fn a_drained_connection_is_writable_again<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    for mode in [Mode::Level, Mode::Oneshot] {
        let mut harness = Harness::new(make, 2)?;
        let (source, peer) = harness.pair()?;
        let filled = harness.fill(source)?;
        let token = harness.token()?;
        harness
            .platform()
            .register(source, token, Interest::WRITABLE, mode)
            .must("registering a full connection")?;
        harness.expect_calm(token, Readiness::WRITABLE, "though nothing more is taken")?;
        // A oneshot source may have been spent on a spurious report.
        harness.platform().modify(source, token, Interest::WRITABLE, mode).must("arming")?;
        harness.receive(peer, filled)?;
        harness.expect(token, Readiness::WRITABLE)?;
        let taken = harness.fixture.write(source, b"x").must("writing when writable")?;
        ensure!(taken == 1, "a writable connection took {taken} of 1 byte");
    }
    Ok(())
}

pub(crate) fn both_directions_come_in_one_event<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let watched = [harness.watch(BOTH, Mode::Level)?, harness.watch(BOTH, Mode::Level)?];
    for one in watched {
        harness.send(one.peer, b"x")?;
    }
    let both = Readiness::READABLE | Readiness::WRITABLE;
    for one in watched {
        harness.expect(one.token, both)?;
        // All is ready now, so one look, which fails on a token that comes twice in a batch, must
        // say it all.
        let seen = harness.look(one.token)?;
        ensure!(
            seen.contains(both),
            "a connection ready for both directions was reported {seen:?}"
        );
    }
    Ok(())
}

pub(crate) fn both_directions_come_through_a_batch_of_one<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(BOTH, Mode::Level)?;
    harness.send(watched.peer, b"x")?;
    let mut seen = Readiness::NONE;
    for _ in 0..PATIENCE {
        let mut slots = [Event::EMPTY; 1];
        let mut events = Events::new(&mut slots);
        harness.poll(&mut events)?;
        for event in &events {
            ensure!(event.token == watched.token, "an unknown token was reported");
            seen |= event.readiness;
        }
        if seen.contains(Readiness::READABLE | Readiness::WRITABLE) {
            return Ok(());
        }
        harness.fixture.settle();
    }
    fail!("a connection ready for both directions was reported {seen:?} through a batch of one")
}

pub(crate) fn a_waiting_connection_is_readable<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let listener = harness.fixture.listener().ability("listener")?;
    let token = harness.register(listener, Interest::READABLE)?;
    harness.expect_calm(token, Readiness::READABLE, "and no client has connected")?;
    harness.fixture.dial(listener).ability("way to connect from afar")?;
    let seen = harness.expect(token, Readiness::READABLE)?;
    ensure!(!seen.intersects(STRICT), "a healthy listener was reported {seen:?}");
    harness.expect(token, Readiness::READABLE)?;
    Ok(())
}

pub(crate) fn an_urgent_byte_is_priority<F: Fixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    if !harness.can(Capabilities::PRIORITY) {
        return Err(Stop::not_applicable(format_args!(
            "the platform does not watch for urgent bytes"
        )));
    }
    let watched = harness.watch(Interest::PRIORITY, Mode::Level)?;
    harness.send(watched.peer, b"x")?;
    harness.expect_silence(watched.token, "and it watches for urgent bytes only")?;
    harness.fixture.peer_write_urgent(watched.peer).ability("urgent byte")?;
    harness.expect(watched.token, Readiness::PRIORITY)?;
    Ok(())
}

pub(crate) fn a_pipe_without_a_reader_wakes_its_writer<F: Fixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (source, peer) = harness.fixture.one_way().ability("source that can only write")?;
    harness.fill(source)?;
    let token = harness.register(source, Interest::WRITABLE)?;
    harness.expect_calm(token, Readiness::WRITABLE, "though nothing more is taken")?;
    harness.fixture.peer_close(peer).must("closing the reader")?;
    harness.expect(token, Readiness::WRITABLE)?;
    let write = harness.fixture.write(source, b"x");
    write.must_fail("writing without a reader", &[selkie_core::ErrorKind::BrokenPipe])
}
