//! Platforms that own the buffers: bytes that a reader leaves stay, in silence until there are
//! more, and the room that is promised is there.

use selkie_core::platform::Transport;
use selkie_core::{Error, ErrorKind, Interest, Mode, Readiness};

use crate::harness::{Harness, PATIENCE, Registered};
use crate::outcome::{Answer, Check, Stop, ensure, fail};
use crate::{MakeFixture, SourceOf, TransportFixture};

impl<F: TransportFixture> Harness<F> {
    /// Looks at what is there through the platform.
    fn peek(&mut self, source: SourceOf<F>, buffer: &mut [u8]) -> Result<usize, Error> {
        self.platform().peek(source, buffer)
    }

    /// Registers a stream and sends it `bytes`. Not applicable where the platform owns no buffers.
    #[track_caller]
    fn sent(&mut self, bytes: &[u8]) -> Check<Registered<F>> {
        if !F::Platform::OWNS_BUFFERS {
            return Err(Stop::not_applicable(format_args!(
                "the platform has no buffers that keep what waits"
            )));
        }
        let watched = self.reader()?;
        self.send(watched.peer, bytes)?;
        self.expect_bytes(watched, bytes)?;
        Ok(watched)
    }

    /// Waits until a look finds `wanted`, of which ever more may arrive.
    #[track_caller]
    fn expect_bytes(&mut self, watched: Registered<F>, wanted: &[u8]) -> Check {
        for _ in 0..PATIENCE {
            self.look(watched.token)?;
            let mut buffer = [0; 64];
            match self.peek(watched.source, &mut buffer) {
                Ok(count) if buffer[..count] == *wanted => return Ok(()),
                Ok(count) => {
                    let shown = &buffer[..count];
                    ensure!(
                        wanted.starts_with(shown) && count > 0,
                        "{shown:?} was shown in place of {wanted:?}"
                    );
                }
                Err(error) => {
                    ensure!(error.kind() == ErrorKind::WouldBlock, "looking failed: {error}");
                }
            }
            self.fixture.settle();
        }
        fail!("not all of {wanted:?} arrived")
    }
}

pub(crate) fn looking_takes_nothing<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.sent(b"abc")?;
    harness.expect_bytes(watched, b"abc")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.read_exactly(watched.source, 3)?;
    harness.still_works(watched)
}

pub(crate) fn what_is_left_waits_for_more<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.sent(b"abc")?;
    harness.platform().consume(watched.source, 1, 2);
    harness.expect_silence(watched.token, "nothing arrived behind what was left")?;
    harness
        .peek(watched.source, &mut [0; 8])
        .must_fail("looking at what was left", &[ErrorKind::WouldBlock])?;
    harness.send(watched.peer, b"d")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.expect_bytes(watched, b"bcd")
}

pub(crate) fn what_is_left_can_be_shown_again<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.sent(b"abc")?;
    harness.platform().consume(watched.source, 0, 3);
    harness.expect_silence(watched.token, "nothing arrived behind what was left")?;
    harness.platform().consume(watched.source, 0, 0);
    harness.expect(watched.token, Readiness::READABLE)?;
    harness.expect_bytes(watched, b"abc")?;
    harness.platform().consume(watched.source, 3, 0);
    harness.expect_silence(watched.token, "all was taken")?;
    harness.still_works(watched)
}

pub(crate) fn the_end_comes_behind_what_was_left<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.sent(b"abc")?;
    harness.platform().consume(watched.source, 1, 2);
    harness.fixture.peer_shutdown_write(watched.peer).must("shutting down the far end")?;
    harness.expect(watched.token, Readiness::READABLE)?;
    for _ in 0..2 {
        let count =
            harness.peek(watched.source, &mut [0; 8]).must("looking behind what was left")?;
        ensure!(count == 0, "{count} bytes arrived after the end");
    }
    harness.platform().consume(watched.source, 0, 0);
    harness.expect_bytes(watched, b"bc")
}

pub(crate) fn the_room_that_is_told_is_there<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.sent(b"x")?;
    harness.modify(watched, Interest::WRITABLE, Mode::Level)?;
    let bytes = [b'y'; 1_000];
    for _ in 0..PATIENCE {
        let room = harness.platform().write_room(watched.source);
        let offered = &bytes[..room.min(bytes.len())];
        if offered.is_empty() {
            break;
        }
        let taken =
            harness.write(watched.source, offered).must("writing what there is room for")?;
        ensure!(
            taken == offered.len(),
            "{taken} of {} bytes were taken, and there was room for {room}",
            offered.len()
        );
    }
    Ok(())
}
