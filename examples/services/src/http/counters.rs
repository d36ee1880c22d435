//! The counts of the service.

use super::Http;
use crate::counted::Counted;

/// Counts of an [`Http`] since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpCounters {
    /// Requests whose head was complete.
    pub requests: u64,
    /// Connections that ended since they sent no request, or more than the limits allow.
    pub malformed: u64,
    /// Connections that ended since a request did not come in time.
    pub too_slow: u64,
    /// Connections whose client ended its stream within a request.
    pub cut_off: u64,
}

impl Counted for Http {
    fn counts(&self, each: &mut dyn FnMut(&'static str, u64)) {
        let HttpCounters { requests, malformed, too_slow, cut_off } = self.counters;
        each("requests", requests);
        each("malformed", malformed);
        each("too slow", too_slow);
        each("cut off", cut_off);
    }
}
