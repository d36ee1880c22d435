//! Vectored writes: the parts arrive as if they were one buffer.

use selkie_core::platform::{Close, Transport};
use selkie_core::{ErrorKind, Interest, Mode};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, ensure, fail};
use crate::{MakeFixture, TransportFixture};

/// Number of parts in a large write, more than some systems take at once.
const PARTS: usize = 40;

/// Size of each part of a large write.
const PART: usize = 997;

/// Number of bytes in a stream of large writes.
const TOTAL: usize = 300_000;

impl<F: TransportFixture> Harness<F> {
    /// Writes the bytes from `offset` of a pattern as parts of unequal sizes.
    #[allow(clippy::large_stack_arrays, reason = "40 KB, and the suite has no allocator")]
    fn write_parts(&mut self, source: crate::SourceOf<F>, offset: usize) -> Check<usize> {
        let mut bytes = [0; PARTS * PART];
        let len = bytes.len().min(TOTAL - offset);
        for (place, byte) in bytes[..len].iter_mut().enumerate() {
            *byte = pattern(offset + place);
        }
        let mut parts: [&[u8]; PARTS] = [&[]; PARTS];
        let mut rest = &bytes[..len];
        for (number, part) in parts.iter_mut().enumerate() {
            // Every third part is empty, and the last one takes the rest.
            let size = if number + 1 == PARTS { rest.len() } else { number % 3 * PART };
            let (head, tail) = rest.split_at(size.min(rest.len()));
            (*part, rest) = (head, tail);
        }
        match self.platform().write_vectored(source, &parts) {
            Err(error) if error.is_would_block() => Ok(0),
            Ok(0) => fail!("a vectored write of {len} bytes took nothing"),
            Ok(count) => {
                ensure!(count <= len, "a vectored write of {len} bytes took {count}");
                Ok(count)
            }
            Err(error) => fail!("a vectored write failed: {error}"),
        }
    }

    /// Reads at the far end, and compares with the pattern from `offset`.
    fn read_pattern(&mut self, peer: F::Peer, offset: usize) -> Check<usize> {
        let mut buffer = [0; 4_096];
        match self.fixture.peer_read(peer, &mut buffer) {
            Ok(count) => {
                for (place, byte) in buffer[..count].iter().enumerate() {
                    let wanted = pattern(offset + place);
                    let at = offset + place;
                    ensure!(*byte == wanted, "byte {at} arrived as {byte}, not {wanted}");
                }
                Ok(count)
            }
            Err(error) if error.is_would_block() => Ok(0),
            Err(error) => fail!("reading at the far end failed: {error}"),
        }
    }
}

/// Returns the byte at `position` of a pattern without short periods.
#[allow(clippy::cast_possible_truncation, reason = "the low bits of a hash")]
const fn pattern(position: usize) -> u8 {
    (position.wrapping_mul(2_654_435_761) >> 7) as u8
}

pub(crate) fn parts_keep_their_order<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (source, peer) = harness.pair()?;
    let all = b"one two three";
    let mut sent = 0;
    for _ in 0..PATIENCE {
        let rest = &all[sent..];
        let middle = rest.len() / 2;
        let parts: [&[u8]; 4] = [&rest[..1], &rest[1..1.max(middle)], &[], &rest[1.max(middle)..]];
        match harness.platform().write_vectored(source, &parts) {
            Ok(count) => sent += count,
            Err(error) if error.is_would_block() => harness.nudge()?,
            Err(error) => fail!("a vectored write failed: {error}"),
        }
        if sent == all.len() {
            break;
        }
    }
    ensure!(sent == all.len(), "{sent} of {} bytes were taken", all.len());
    let mut buffer = [0; 32];
    let mut got = 0;
    for _ in 0..PATIENCE {
        match harness.fixture.peer_read(peer, &mut buffer[got..]) {
            Ok(count) => got += count,
            Err(error) if error.is_would_block() => harness.nudge()?,
            Err(error) => fail!("reading at the far end failed: {error}"),
        }
        if got == all.len() {
            break;
        }
    }
    ensure!(buffer[..got] == *all, "the parts arrived as {:?}", &buffer[..got]);
    Ok(())
}

pub(crate) fn no_byte_is_lost_under_backpressure<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let watched = harness.watch(Interest::READABLE, Mode::Level)?;
    let (mut sent, mut got, mut idle) = (0, 0, 0);
    while got < TOTAL {
        let before = (sent, got);
        while sent < TOTAL {
            let count = harness.write_parts(watched.source, sent)?;
            sent += count;
            if count == 0 {
                break;
            }
        }
        got += harness.read_pattern(watched.peer, got)?;
        idle = if before == (sent, got) { idle + 1 } else { 0 };
        ensure!(idle < PATIENCE, "after {got} of {sent} bytes nothing moves");
        if idle > 0 {
            harness.nudge()?;
        }
    }
    Ok(())
}

pub(crate) fn empty_parts_are_skipped<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (source, peer) = harness.pair()?;
    let taken = harness
        .platform()
        .write_vectored(source, &[&[], &[], b"x", &[]])
        .must("writing a byte between empty parts")?;
    ensure!(taken == 1, "a write of one byte between empty parts took {taken}");
    harness.receive(peer, 1)?;
    for parts in [&[][..], &[&[][..], &[][..]][..]] {
        let taken = harness.platform().write_vectored(source, parts).must("writing nothing")?;
        ensure!(taken == 0, "a write of nothing took {taken} bytes");
    }
    harness.fixture.peer_read(peer, &mut [0; 4]).must_fail("reading", &[ErrorKind::WouldBlock])
}

pub(crate) fn a_closed_handle_is_stale<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 2)?;
    let (source, _) = harness.pair()?;
    harness.close(source, Close::Graceful)?;
    let refused = harness.platform().write_vectored(source, &[b"x", b"y"]).map(|_| ());
    refused.must_fail("writing to a closed stream", &[ErrorKind::Stale])
}
