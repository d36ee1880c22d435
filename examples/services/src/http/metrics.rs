//! The counters of the server, as a Prometheus server reads them.

use selkie_core::{Counters, Peer, SendError};

use crate::decimal::Decimal;
use crate::output_buffer::OutputBuffer;

/// Returns the length of the text.
pub(super) fn len(counters: &Counters) -> usize {
    let lines = counters.samples().map(|sample| {
        let text: usize = sample.pieces().into_iter().map(str::len).sum();
        text + Decimal::new(sample.value()).digits().len() + 1
    });
    lines.sum()
}

/// Adds the text to the output.
pub(super) fn add(
    output: &mut OutputBuffer,
    peer: &mut Peer<'_>,
    counters: &Counters,
) -> Result<(), SendError> {
    for sample in counters.samples() {
        for piece in sample.pieces() {
            output.add(peer, piece.as_bytes())?;
        }
        output.add(peer, Decimal::new(sample.value()).digits())?;
        output.add(peer, b"\n")?;
    }
    Ok(())
}
