//! Closing: what was written arrives or is thrown away as asked, and a closed handle reaches
//! nothing ever after.

use selkie_core::platform::{Capabilities, Close, Selector, Transport};
use selkie_core::{ErrorKind, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, Stop, ensure, fail};
use crate::{MakeFixture, SourceOf, TransportFixture};

impl<F: TransportFixture> Harness<F> {
    /// Closes a source that is not registered.
    #[track_caller]
    pub(crate) fn close(&mut self, source: SourceOf<F>, how: Close) -> Check {
        self.platform().close(source, how).must("closing")
    }
}

pub(crate) fn graceful_delivers_what_was_written<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (source, peer) = harness.pair()?;
    let taken = harness.write(source, b"farewell").must("writing")?;
    harness.close(source, Close::Graceful)?;
    let arrived = harness.receive_to_the_end(peer)?;
    ensure!(arrived == taken, "{arrived} of {taken} bytes arrived before the end");
    Ok(())
}

pub(crate) fn graceful_delivers_what_the_platform_holds<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
    let filled = harness.fill(watched.source)?;
    harness.deregister(watched.source, watched.token)?;
    harness.close(watched.source, Close::Graceful)?;
    let arrived = harness.receive_to_the_end(watched.peer)?;
    ensure!(arrived == filled, "{arrived} of {filled} bytes arrived before the end");
    Ok(())
}

pub(crate) fn abort_resets<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    if !harness.can(Capabilities::ABORT) {
        return Err(Stop::not_applicable(format_args!("the platform sends no resets")));
    }
    // Only a fixture that can reset shows that its platform can: pairs without resets have no
    // abort.
    let (probe, probe_peer) = harness.pair()?;
    harness.fixture.peer_reset(probe_peer).ability("reset")?;
    harness.close(probe, Close::Abort)?;
    let (source, peer) = harness.pair()?;
    harness.close(source, Close::Abort)?;
    for _ in 0..PATIENCE {
        match harness.fixture.peer_read(peer, &mut [0; 8]) {
            Ok(count) => fail!(
                "a stream that was aborted gave the peer {count} bytes, where 0 is an orderly end"
            ),
            Err(error) if error.kind() == ErrorKind::WouldBlock => harness.nudge()?,
            Err(error) => {
                ensure!(
                    error.kind() == ErrorKind::ConnectionReset,
                    "an abort arrived as {:?}",
                    error.kind()
                );
                return Ok(());
            }
        }
    }
    fail!("an abort never arrived")
}

pub(crate) fn abort_ends_the_stream<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.fill(watched.source)?;
    harness.deregister(watched.source, watched.token)?;
    harness.close(watched.source, Close::Abort)?;
    let (mut idle, mut buffer) = (0, [0; 4_096]);
    while idle < PATIENCE {
        match harness.fixture.peer_read(watched.peer, &mut buffer) {
            // What the peer has received already may still be read.
            Ok(count) if count > 0 => idle = 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                idle += 1;
                harness.nudge()?;
            }
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    fail!("the stream of a connection that was aborted did not end")
}

pub(crate) fn a_closed_handle_is_stale_for_everything<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    for how in [Close::Graceful, Close::Abort] {
        let mut harness = Harness::new(make, 4)?;
        let watched = harness.reader()?;
        harness.deregister(watched.source, watched.token)?;
        harness.close(watched.source, how)?;
        let (source, stale) = (watched.source, [ErrorKind::Stale]);
        harness.read(source, &mut [0; 4]).must_fail("reading a closed stream", &stale)?;
        harness.write(source, b"x").must_fail("writing a closed stream", &stale)?;
        let platform = harness.platform();
        platform.shutdown_write(source).must_fail("shutting down a closed stream", &stale)?;
        platform.connected(source).must_fail("asking a closed stream", &stale)?;
        platform.accept(source).map(|_| ()).must_fail("accepting from a closed stream", &stale)?;
        platform.close(source, Close::Graceful).must_fail("closing a closed stream", &stale)?;
        platform.close(source, Close::Abort).must_fail("aborting a closed stream", &stale)?;
        let token = harness.token()?;
        let refused = harness.platform().register(source, token, Interest::READABLE, Mode::Level);
        refused.must_fail("registering a closed stream", &stale)?;
        let (fresh, _) = harness.pair()?;
        let platform = harness.platform();
        platform
            .register(fresh, token, Interest::READABLE, Mode::Level)
            .must("using the token after a refusal")?;
    }
    Ok(())
}

pub(crate) fn a_stale_handle_never_reaches_a_new_stream<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    for _ in 0..10 {
        let (old, old_peer) = harness.pair()?;
        harness.close(old, Close::Graceful)?;
        let fresh = harness.reader()?;
        harness.send(fresh.peer, b"secret")?;
        harness.expect(fresh.token, Readiness::READABLE)?;
        let stale = [ErrorKind::Stale];
        harness.read(old, &mut [0; 8]).must_fail("reading a stale handle", &stale)?;
        harness.write(old, b"x").must_fail("writing a stale handle", &stale)?;
        harness.platform().shutdown_write(old).must_fail("shutting down a stale handle", &stale)?;
        harness.platform().close(old, Close::Abort).must_fail("closing a stale handle", &stale)?;
        harness.read_exactly(fresh.source, 6)?;
        let heard = harness.fixture.peer_read(fresh.peer, &mut [0; 8]);
        heard.must_fail("reading at a peer to which nothing was sent", &[ErrorKind::WouldBlock])?;
        harness.still_works(fresh)?;
        harness.drop_connection(fresh)?;
        harness.fixture.peer_close(old_peer).must("closing a far end")?;
    }
    Ok(())
}

pub(crate) fn a_closed_listener_is_stale<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let (listener, token) = harness.listen()?;
    harness.deregister(listener, token)?;
    harness.close(listener, Close::Graceful)?;
    harness
        .accept(listener)
        .map(|_| ())
        .must_fail("accepting from a closed listener", &[ErrorKind::Stale])?;
    let again = harness.platform().close(listener, Close::Graceful);
    again.must_fail("closing a closed listener", &[ErrorKind::Stale])?;
    let watched = harness.reader()?;
    harness.still_works(watched)
}

pub(crate) fn closing_after_the_peer_closed_works<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    for how in [Close::Graceful, Close::Abort] {
        let watched = harness.reader()?;
        harness.fixture.peer_close(watched.peer).must("closing the far end")?;
        harness.expect(watched.token, Readiness::READABLE)?;
        harness.deregister(watched.source, watched.token)?;
        harness.close(watched.source, how)?;
        let stale = harness.read(watched.source, &mut [0; 4]);
        stale.must_fail("reading a closed stream", &[ErrorKind::Stale])?;
    }
    Ok(())
}
