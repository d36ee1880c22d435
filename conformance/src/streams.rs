//! Streams: no byte is lost, made up or out of order, and ends are told from failures.

use selkie_core::platform::{Capabilities, Transport};
use selkie_core::{Error, ErrorKind, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, Stop, ensure, fail};
use crate::{MakeFixture, SourceOf, TransportFixture};

impl<F: TransportFixture> Harness<F> {
    /// Reads through the platform.
    pub(crate) fn read(&mut self, source: SourceOf<F>, buffer: &mut [u8]) -> Result<usize, Error> {
        self.platform().read(source, buffer)
    }

    /// Writes through the platform.
    pub(crate) fn write(&mut self, source: SourceOf<F>, bytes: &[u8]) -> Result<usize, Error> {
        self.platform().write(source, bytes)
    }

    /// Ends the stream to the peer.
    #[track_caller]
    pub(crate) fn shut_down(&mut self, source: SourceOf<F>) -> Check {
        for _ in 0..PATIENCE {
            match self.platform().shutdown_write(source) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.fixture.settle(),
                done => return done.must("shutting down"),
            }
        }
        fail!("shutting down would block without end")
    }

    /// Reads at the far end until its stream ends, and returns the number of bytes that arrived.
    #[track_caller]
    pub(crate) fn receive_to_the_end(&mut self, peer: F::Peer) -> Check<usize> {
        let mut buffer = [0; 4_096];
        let mut total = 0;
        let mut idle = 0;
        while idle < PATIENCE {
            match self.fixture.peer_read(peer, &mut buffer) {
                Ok(0) => return Ok(total),
                Ok(count) => {
                    total += count;
                    idle = 0;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    idle += 1;
                    // A platform that buffers bytes sends them when it is polled.
                    self.nudge()?;
                }
                Err(error) => fail!("reading at the far end failed after {total} bytes: {error}"),
            }
        }
        fail!("the stream to the far end did not end after {total} bytes")
    }

    /// Lets platform and world go on.
    #[track_caller]
    pub(crate) fn nudge(&mut self) -> Check {
        self.look(selkie_core::Token::from_u64(0))?;
        self.fixture.settle();
        Ok(())
    }

    /// Returns a stream whose peer reset it, after the reset has arrived.
    #[track_caller]
    fn reset_stream(&mut self) -> Check<SourceOf<F>> {
        let watched = self.reader()?;
        self.fixture.peer_reset(watched.peer).ability("reset")?;
        self.expect(watched.token, Readiness::READABLE)?;
        Ok(watched.source)
    }
}

pub(crate) fn nothing_to_read_would_block<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    for _ in 0..3 {
        harness
            .read(watched.source, &mut [0; 8])
            .must_fail("reading nothing", &[ErrorKind::WouldBlock])?;
        harness.still_works(watched)?;
    }
    Ok(())
}

pub(crate) fn bytes_keep_their_order<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    let mut next = 0_u8;
    for round in 0..20_u8 {
        let sent: [u8; 13] = core::array::from_fn(|offset| {
            u8::try_from(offset).unwrap_or(0).wrapping_add(round * 13)
        });
        harness.send(watched.peer, &sent)?;
        let mut left = sent.len();
        while left > 0 {
            harness.expect(watched.token, Readiness::READABLE)?;
            let mut buffer = [0; 5];
            let count = match harness.read(watched.source, &mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                read => read.must("reading")?,
            };
            ensure!(
                count > 0 && count <= left,
                "{count} bytes were read, and {left} are on their way"
            );
            for byte in &buffer[..count] {
                ensure!(*byte == next, "byte {next} arrived as {byte}");
                next = next.wrapping_add(1);
            }
            left -= count;
        }
    }
    Ok(())
}

pub(crate) fn the_end_is_zero_again_and_again<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"bye")?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.read_exactly(watched.source, 3)?;
    harness.expect(watched.token, Readiness::READABLE)?;
    for _ in 0..3 {
        let mut count = harness.read(watched.source, &mut [0; 8]);
        for _ in 0..PATIENCE {
            if count.is_ok() {
                break;
            }
            harness.nudge()?;
            count = harness.read(watched.source, &mut [0; 8]);
        }
        let count = count.must("reading at the end")?;
        ensure!(count == 0, "{count} bytes arrived after the end");
    }
    Ok(())
}

pub(crate) fn a_full_stream_would_block<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::NONE, Mode::Level)?;
    let filled = harness.fill(watched.source)?;
    ensure!(filled > 0, "a fresh stream took no byte");
    harness
        .write(watched.source, b"x")
        .must_fail("writing to a full stream", &[ErrorKind::WouldBlock])?;
    harness.receive(watched.peer, filled)?;
    harness.modify(watched, Interest::WRITABLE, Mode::Level)?;
    harness.expect(watched.token, Readiness::WRITABLE)?;
    let taken = harness.write(watched.source, b"x").must("writing when writable")?;
    ensure!(taken == 1, "a writable stream took {taken} of 1 byte");
    harness.receive(watched.peer, 1)
}

/// Returns the byte at `position` of a stream that a lost, doubled or moved byte would show in.
#[allow(clippy::cast_possible_truncation, reason = "the low byte is what is asked for")]
const fn pattern(position: usize) -> u8 {
    (position ^ (position >> 8)).wrapping_mul(167) as u8
}

/// Checks the bytes of a read, of which the first one stands at `position` of the stream.
fn check_pattern(bytes: &[u8], position: usize) -> Check {
    ensure!(!bytes.is_empty(), "the stream ended after {position} bytes");
    let wrong = (0..bytes.len()).find(|offset| bytes[*offset] != pattern(position + offset));
    let place = position + wrong.unwrap_or(0);
    ensure!(wrong.is_none(), "byte {place} is not the one that was written");
    Ok(())
}

pub(crate) fn no_byte_is_lost_under_backpressure<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    const TOTAL: usize = 1 << 20;
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::WRITABLE, Mode::Level)?;
    let (mut written, mut read) = (0, 0);
    let mut idle = 0;
    let mut buffer = [0; 3_000];
    while read < TOTAL {
        ensure!(idle < PATIENCE, "a stream stalled after {written} bytes written and {read} read");
        idle += 1;
        if written < TOTAL {
            let bytes: [u8; 4_096] = core::array::from_fn(|offset| pattern(written + offset));
            match harness.write(watched.source, &bytes[..bytes.len().min(TOTAL - written)]) {
                Ok(count) => {
                    written += count;
                    idle = 0;
                }
                Err(error) => {
                    ensure!(error.kind() == ErrorKind::WouldBlock, "writing failed: {error}");
                }
            }
        }
        match harness.fixture.peer_read(watched.peer, &mut buffer) {
            Ok(count) => {
                check_pattern(&buffer[..count], read)?;
                read += count;
                idle = 0;
            }
            Err(error) => ensure!(error.kind() == ErrorKind::WouldBlock, "reading failed: {error}"),
        }
        if idle > 0 {
            harness.nudge()?;
        }
    }
    harness.expect(watched.token, Readiness::WRITABLE)?;
    Ok(())
}

pub(crate) fn an_empty_buffer_is_not_the_end<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    let harmless = |result: Result<usize, Error>| match result {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    ensure!(harmless(harness.read(watched.source, &mut [])), "reading into nothing is an error");
    ensure!(harmless(harness.write(watched.source, &[])), "writing nothing is an error");
    harness.send(watched.peer, b"ab")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    ensure!(harmless(harness.read(watched.source, &mut [])), "reading into nothing is an error");
    harness.read_exactly(watched.source, 2)?;
    harness.still_works(watched)?;
    ensure!(
        harness.fixture.peer_read(watched.peer, &mut [0; 8]).is_err(),
        "writing nothing sent something"
    );
    Ok(())
}

pub(crate) fn a_peer_that_shut_down_still_reads<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    for _ in 0..3 {
        let taken =
            harness.write(watched.source, b"reply").must("writing to a peer that only reads")?;
        ensure!(taken == 5, "a fresh stream took {taken} of 5 bytes");
        harness.receive(watched.peer, 5)?;
    }
    harness.shut_down(watched.source)?;
    let more = harness.receive_to_the_end(watched.peer)?;
    ensure!(more == 0, "{more} bytes arrived from nowhere");
    Ok(())
}

pub(crate) fn shutting_down_leaves_the_other_direction_open<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    let taken = harness.write(watched.source, b"request").must("writing")?;
    ensure!(taken == 7, "a fresh stream took {taken} of 7 bytes");
    harness.shut_down(watched.source)?;
    let arrived = harness.receive_to_the_end(watched.peer)?;
    ensure!(arrived == 7, "{arrived} of 7 bytes arrived before the end");
    for _ in 0..3 {
        harness.still_works(watched)?;
    }
    Ok(())
}

pub(crate) fn writing_after_shutting_down_fails<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.reader()?;
    harness.shut_down(watched.source)?;
    harness
        .write(watched.source, b"x")
        .must_fail("writing after the end", &[ErrorKind::BrokenPipe])?;
    harness.still_works(watched)
}

pub(crate) fn a_reset_ends_reading<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let source = harness.reset_stream()?;
    harness
        .read(source, &mut [0; 8])
        .must_fail("reading after a reset", &[ErrorKind::ConnectionReset])?;
    let again = harness.read(source, &mut [0; 8]);
    let ended = match again {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    ensure!(ended, "a stream that was reset goes on");
    Ok(())
}

pub(crate) fn a_reset_after_readiness_is_an_error_not_an_end<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let bystander = harness.reader()?;
    let watched = harness.reader()?;
    harness.send(watched.peer, b"half a req")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.fixture.peer_reset(watched.peer).ability("reset")?;
    for _ in 0..PATIENCE {
        match harness.read(watched.source, &mut [0; 64]) {
            Ok(0) => fail!("a reset arrived as an orderly end"),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => harness.nudge()?,
            Err(error) => {
                ensure!(
                    error.kind() == ErrorKind::ConnectionReset,
                    "a reset arrived as {:?}",
                    error.kind()
                );
                harness.deregister(watched.source, watched.token)?;
                harness.fixture.close(watched.source).must("closing what was reset")?;
                return harness.still_works(bystander);
            }
        }
    }
    fail!("a reset never arrived")
}

pub(crate) fn writing_after_a_reset_fails<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let source = harness.reset_stream()?;
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::NotConnected];
    for _ in 0..3 {
        harness.write(source, b"x").must_fail("writing after a reset", &kinds)?;
    }
    Ok(())
}

pub(crate) fn the_end_of_both_directions_is_reported<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    if !harness.can(Capabilities::CLOSED) {
        return Err(Stop::not_applicable(format_args!("the platform does not report CLOSED")));
    }
    let watched = harness.reader()?;
    harness.shut_down(watched.source)?;
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.expect(watched.token, Readiness::CLOSED)?;
    Ok(())
}
