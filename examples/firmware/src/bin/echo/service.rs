//! The service that the firmware runs.

use selkie_services::Echo;

/// Returns the echo service.
pub(crate) fn make() -> Echo {
    Echo
}
