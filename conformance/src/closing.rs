//! Closing: what was written arrives or is thrown away as asked, and a closed handle reaches
//! nothing ever after.

use selkie_core::{Close, ErrorKind, Interest, Mode, Readiness, Selector, Transport};

use crate::outcome::{Answer, Check, ensure, fail};
use crate::stage::{PATIENCE, Stage};
use crate::{Make, SourceOf, TransportFixture};

impl<F: TransportFixture> Stage<F> {
    /// Closes a source that is not registered.
    #[track_caller]
    pub(crate) fn close(&mut self, source: SourceOf<F>, how: Close) -> Check {
        self.platform().close(source, how).must("closing")
    }
}

pub(crate) fn graceful_delivers_what_was_written<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let (source, peer) = stage.pair()?;
    let taken = stage.write(source, b"farewell").must("writing")?;
    stage.close(source, Close::Graceful)?;
    let came = stage.receive_to_the_end(peer)?;
    ensure!(came == taken, "{came} of {taken} bytes came before the end");
    Ok(())
}

pub(crate) fn graceful_delivers_what_the_platform_holds<F: TransportFixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 2)?;
    let watched = stage.watch(Interest::READABLE | Interest::WRITABLE, Mode::Level)?;
    let filled = stage.fill(watched.source)?;
    stage.deregister(watched.source, watched.token)?;
    stage.close(watched.source, Close::Graceful)?;
    let came = stage.receive_to_the_end(watched.peer)?;
    ensure!(came == filled, "{came} of {filled} bytes came before the end");
    Ok(())
}

pub(crate) fn abort_resets<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 2)?;
    // To know that the platform can reset is to have seen a fixture that can: pairs without resets
    // have no abort.
    let (probe, probe_peer) = stage.pair()?;
    stage.fixture.peer_reset(probe_peer).ability("reset")?;
    stage.close(probe, Close::Abort)?;
    let (source, peer) = stage.pair()?;
    stage.close(source, Close::Abort)?;
    for _ in 0..PATIENCE {
        match stage.fixture.peer_read(peer, &mut [0; 8]) {
            Ok(count) => fail!(
                "a stream that was aborted gave the peer {count} bytes, where 0 is an orderly end"
            ),
            Err(error) if error.kind() == ErrorKind::WouldBlock => stage.nudge()?,
            Err(error) => {
                ensure!(
                    error.kind() == ErrorKind::ConnectionReset,
                    "an abort came as {:?}",
                    error.kind()
                );
                return Ok(());
            }
        }
    }
    fail!("an abort never came")
}

pub(crate) fn a_closed_handle_is_stale_for_everything<F: TransportFixture>(
    make: Make<'_, F>,
) -> Check {
    for how in [Close::Graceful, Close::Abort] {
        let mut stage = Stage::new(make, 4)?;
        let watched = stage.reader()?;
        stage.deregister(watched.source, watched.token)?;
        stage.close(watched.source, how)?;
        let (source, stale) = (watched.source, [ErrorKind::Stale]);
        stage.read(source, &mut [0; 4]).must_fail("reading a closed stream", &stale)?;
        stage.write(source, b"x").must_fail("writing a closed stream", &stale)?;
        let platform = stage.platform();
        platform.shutdown_write(source).must_fail("shutting down a closed stream", &stale)?;
        platform.connected(source).must_fail("asking a closed stream", &stale)?;
        platform.accept(source).map(|_| ()).must_fail("accepting from a closed stream", &stale)?;
        platform.close(source, Close::Graceful).must_fail("closing a closed stream", &stale)?;
        platform.close(source, Close::Abort).must_fail("aborting a closed stream", &stale)?;
        let token = stage.token()?;
        let refused = stage.platform().register(source, token, Interest::READABLE, Mode::Level);
        refused.must_fail("registering a closed stream", &stale)?;
        let (fresh, _) = stage.pair()?;
        let platform = stage.platform();
        platform
            .register(fresh, token, Interest::READABLE, Mode::Level)
            .must("using the token after a refusal")?;
    }
    Ok(())
}

pub(crate) fn a_stale_handle_never_reaches_a_new_stream<F: TransportFixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 2)?;
    for _ in 0..10 {
        let (old, old_peer) = stage.pair()?;
        stage.close(old, Close::Graceful)?;
        let fresh = stage.reader()?;
        stage.send(fresh.peer, b"secret")?;
        stage.expect(fresh.token, Readiness::READABLE)?;
        let stale = [ErrorKind::Stale];
        stage.read(old, &mut [0; 8]).must_fail("reading a stale handle", &stale)?;
        stage.write(old, b"x").must_fail("writing a stale handle", &stale)?;
        stage.platform().shutdown_write(old).must_fail("shutting down a stale handle", &stale)?;
        stage.platform().close(old, Close::Abort).must_fail("closing a stale handle", &stale)?;
        stage.read_exactly(fresh.source, 6)?;
        let heard = stage.fixture.peer_read(fresh.peer, &mut [0; 8]);
        heard.must_fail("reading at a peer to which nothing was sent", &[ErrorKind::WouldBlock])?;
        stage.still_works(fresh)?;
        stage.drop_connection(fresh)?;
        stage.fixture.peer_close(old_peer).must("closing a far end")?;
    }
    Ok(())
}

pub(crate) fn a_closed_listener_is_stale<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let (listener, token) = stage.listen()?;
    stage.deregister(listener, token)?;
    stage.close(listener, Close::Graceful)?;
    stage
        .accept(listener)
        .map(|_| ())
        .must_fail("accepting from a closed listener", &[ErrorKind::Stale])?;
    let again = stage.platform().close(listener, Close::Graceful);
    again.must_fail("closing a closed listener", &[ErrorKind::Stale])?;
    let watched = stage.reader()?;
    stage.still_works(watched)
}

pub(crate) fn closing_after_the_peer_closed_works<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    for how in [Close::Graceful, Close::Abort] {
        let watched = stage.reader()?;
        stage.fixture.peer_close(watched.peer).must("closing the far end")?;
        stage.expect(watched.token, Readiness::READABLE)?;
        stage.deregister(watched.source, watched.token)?;
        stage.close(watched.source, how)?;
        let stale = stage.read(watched.source, &mut [0; 4]);
        stale.must_fail("reading a closed stream", &[ErrorKind::Stale])?;
    }
    Ok(())
}
