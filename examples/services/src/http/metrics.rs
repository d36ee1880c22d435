//! The counters of the server and of the service, as a Prometheus server reads them.

use selkie_core::{Counters, Peer, SendError};

use super::HttpCounters;
use crate::decimal::Decimal;
use crate::output_buffer::OutputBuffer;

/// Returns the counts of the service, each behind its lines up to the value.
const fn own(counters: &HttpCounters) -> [(&'static str, u64); 4] {
    let HttpCounters { requests, malformed, too_slow, cut_off } = *counters;
    [
        ("# TYPE selkie_http_requests_total counter\nselkie_http_requests_total ", requests),
        ("# TYPE selkie_http_malformed_total counter\nselkie_http_malformed_total ", malformed),
        ("# TYPE selkie_http_too_slow_total counter\nselkie_http_too_slow_total ", too_slow),
        ("# TYPE selkie_http_cut_off_total counter\nselkie_http_cut_off_total ", cut_off),
    ]
}

/// Returns the length of the text.
pub(super) fn len(counters: &Counters, http: &HttpCounters) -> usize {
    let lines = counters.samples().map(|sample| {
        let text: usize = sample.pieces().into_iter().map(str::len).sum();
        text + Decimal::new(sample.value()).digits().len() + 1
    });
    let own = own(http).map(|(text, value)| text.len() + Decimal::new(value).digits().len() + 1);
    lines.sum::<usize>() + own.iter().sum::<usize>()
}

/// Adds the text to the output.
pub(super) fn add(
    output: &mut OutputBuffer,
    peer: &mut Peer<'_>,
    counters: &Counters,
    http: &HttpCounters,
) -> Result<(), SendError> {
    for sample in counters.samples() {
        for piece in sample.pieces() {
            output.add(peer, piece.as_bytes())?;
        }
        output.add(peer, Decimal::new(sample.value()).digits())?;
        output.add(peer, b"\n")?;
    }
    for (text, value) in own(http) {
        output.add(peer, text.as_bytes())?;
        output.add(peer, Decimal::new(value).digits())?;
        output.add(peer, b"\n")?;
    }
    Ok(())
}
