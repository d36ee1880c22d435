//! The part of the examples that serve over `io_uring`.

use std::io::stdout;

use selkie::uring::ListeningRing;
use selkie::{ServeError, Service};
use selkie_services::Counted;

use super::backend::Choice;
use super::{DRAIN, counts, platform, report};

/// A server over rings, or the decision for another backend.
pub(super) enum Opened<T> {
    Ring(Box<T>),
    /// Another backend, and the reason why, if `io_uring` was asked for.
    Other(Option<String>),
}

/// Opens a server over `io_uring`, if that is asked for and the system allows it.
pub(super) fn open<T>(
    choice: Option<Choice>,
    listen: impl FnOnce() -> Result<T, ServeError>,
) -> Result<Opened<T>, String> {
    let is_required = match choice {
        Some(Choice::Ring) => true,
        Some(Choice::Auto) => false,
        _ => return Ok(Opened::Other(None)),
    };
    match listen() {
        Ok(server) => Ok(Opened::Ring(Box::new(server))),
        Err(error) if error.is_without_ring() && !is_required => {
            Ok(Opened::Other(Some(error.to_string())))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Serves until asked to stop.
pub(super) fn serve<S: Service + Counted>(
    mut server: ListeningRing,
    capacity: u32,
    service: S,
) -> Result<(), String> {
    let handle = server.handle();
    platform::on_termination(move || handle.drain(DRAIN))?;
    let address = server.local_address().map_err(|error| error.to_string())?;
    let listening = format!("listening on {address} (io_uring, capacity {capacity})\n");
    platform::print(stdout(), &listening);
    let finished = server.run(service).map_err(|error| error.to_string())?;
    let own = counts([&finished.service]);
    platform::print(stdout(), &(report(&finished.counters, finished.loop_counters) + &own));
    Ok(())
}
