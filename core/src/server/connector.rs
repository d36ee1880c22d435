//! Connections that the server opens: asked for by a service or from outside, watched until they
//! are established or fail.

use super::config::Features;
use super::connection::Phase;
use super::counters::{CloseReason, bump};
use super::engine::{Application, Engine, NONE, reason_of};
use super::origin::Origin;
use super::service::Service;
use super::storage::Entry;
use crate::contract::{Close, Error, ErrorKind, Instant, Interest, Token, Transport};

impl<P: Transport, F: Features> Engine<'_, '_, P, F> {
    /// Begins to connect: Free -> Connecting.
    pub(super) fn connect_to(
        &mut self,
        by: Option<Token>,
        address: &P::Address,
    ) -> Result<Token, Error> {
        // Before the platform opens a socket that would only be closed again.
        if self.state.open >= self.state.limits.connections_max || self.has_left() {
            return Err(Error::new(ErrorKind::Full));
        }
        // The first connection may be made before any listener joins the server to the loop.
        self.join();
        let source = self.context.platform.connect(address)?;
        let token = match self.register(source, Interest::WRITABLE) {
            Ok(token) => token,
            Err(error) => {
                let closed = self.context.platform.close(source, Close::Abort);
                bump(&mut self.state.counters.close_failures, usize::from(closed.is_err()));
                // The attempt never had a slot, so this error is all that its service is told.
                return Err(error);
            }
        };
        let index = token.index();
        if index == self.current.index() {
            // The service is told that the connection of this slot is closed, and that names
            // nothing any more.
            self.current = NONE;
        }
        let deadline = self.state.limits.connect.after(self.context.now());
        let connection = self.connection(index);
        connection.connect(by);
        connection.set_watched(Interest::WRITABLE);
        // A service sets its own deadlines once it is established, so the place is free.
        if deadline != Instant::MAX {
            connection.timer = deadline;
        }
        self.count_open();
        self.state.connects += 1;
        bump(&mut self.state.counters.connects, 1);
        // A drain ends attempts too.
        let drain = self.drain().map_or(Instant::MAX, |drain| drain.deadline);
        self.schedule(index, deadline.min(drain));
        Ok(token)
    }

    /// Asks the platform for the outcome of the attempt: Connecting -> Open, or Failed and closed.
    pub(super) fn on_attempt<S: Service>(&mut self, app: &mut Application<'_, S>) {
        let Some(source) = self.source(self.current.index()) else { return };
        match self.context.platform.connected(source) {
            Ok(()) => {
                // An attempt has no session before it is established.
                app.sessions[self.current.index()] = Entry::Taken(S::Session::default());
                self.current().establish();
                return self.begin_service(app);
            }
            // A spurious event, or the deadline of the attempt.
            Err(error) if error.is_would_block() => self.give_up_if_late(),
            Err(error) => self.current().fail(attempt_reason(error)),
        }
        if self.current().phase() == Phase::Failed {
            // Nothing was sent, so there is nothing to flush.
            self.close_connection(app, Close::Abort);
        } else {
            self.schedule_next();
        }
    }

    /// Fails an attempt whose time is over, or that of the server: Connecting -> Failed.
    fn give_up_if_late(&mut self) {
        let now = self.context.now();
        if self.drain().is_some_and(|drain| drain.deadline <= now) {
            self.current().fail(CloseReason::Expelled);
        } else if self.current().is_timer_due(now) {
            self.current().fail(CloseReason::TimedOut);
        }
    }

    /// Forgets a connection that the service asked for. One that was never established gets a
    /// session, as the service is told that it is closed.
    pub(super) fn finish_connect<S: Service>(
        &mut self,
        app: &mut Application<'_, S>,
        origin: Origin,
    ) {
        if matches!(origin, Origin::Connected { .. }) {
            self.state.connects -= 1;
            let session = &mut app.sessions[self.current.index()];
            if session.is_vacant() {
                *session = Entry::Taken(S::Session::default());
            }
        }
    }
}

/// Returns the reason why an attempt has failed.
fn attempt_reason(error: Error) -> CloseReason {
    match error.kind() {
        ErrorKind::ConnectionRefused => CloseReason::Refused,
        ErrorKind::TimedOut => CloseReason::TimedOut,
        ErrorKind::Unreachable | ErrorKind::AddressUnavailable => CloseReason::Unreachable,
        ErrorKind::PermissionDenied => CloseReason::Denied,
        _ => reason_of(error),
    }
}
