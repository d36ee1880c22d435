//! The life of a connection: open, serve, settle, close.

use super::connection::{Connection, Flags};
use super::counters::tally;
use super::service::{Peer, Service};
use super::table::{Driver, Span};
use super::{CloseReason, Task};
use crate::contract::{Close, Instant, Interest, Readiness, Transport};

impl<P: Transport, S: Service> Task<'_, '_, '_, P, S> {
    /// Begins to serve a registered source.
    pub(super) fn open(&mut self) {
        let index = self.driver.current.index();
        self.driver.here().set(Flags::OPEN);
        let table = &mut *self.driver.table;
        table.open += 1;
        tally(&mut table.counters.accepted, 1);
        table.counters.open_max = table.counters.open_max.max(table.open as u64);
        self.sessions[index] = Some(S::Session::default());
        self.driver.touch(index);
        self.call(S::opened);
        self.settle();
        if self.driver.table.draining && self.driver.here().is(Flags::OPEN) {
            self.driver.look_soon(index);
        }
        self.schedule_next();
    }

    /// Calls the service about the peer.
    #[inline]
    fn call(&mut self, call: impl FnOnce(&mut S, &mut Peer<'_>, &mut S::Session)) {
        // There is one as long as there is a connection.
        if let Some(Some(session)) = self.sessions.get_mut(self.driver.current.index()) {
            call(self.service, &mut Peer::new(self.driver.current, &mut self.driver), session);
        }
    }

    /// Serves one event of a connection in any state.
    #[inline(never)]
    pub(super) fn serve(&mut self, readiness: Readiness) {
        let flags = self.driver.here().flags;
        if flags.contains(Flags::LINGERING) {
            return self.linger();
        }
        let mut moved = false;
        if readiness.is_writable() {
            moved = self.driver.flush();
            // The service is told if it wants to know, or if the outbox has just drained.
            let connection = self.driver.here();
            let tells = moved || connection.is(Flags::WANTS_WRITABLE);
            if tells && !connection.is(Flags::OWES | Flags::BROKEN | Flags::CLOSING) {
                connection.clear(Flags::WANTS_WRITABLE);
                self.call(S::writable);
            }
        }
        let connection = *self.driver.here();
        // After the end only what is held is left to be offered; the first time, that comes before
        // the service is told of it.
        let ending = connection.is(Flags::READ_ENDED) && !connection.is(Flags::END_TOLD);
        if !ending && !connection.is(Flags::BROKEN | Flags::CLOSING) {
            let readable =
                readiness.is_readable() && connection.interest.contains(Interest::READABLE);
            let room_came = moved || (P::OWNS_BUFFERS && readiness.is_writable());
            if readable || (room_came && connection.is(Flags::HOLDS)) {
                self.receive(readable);
            }
        }
        self.settle();
    }

    /// Brings a connection to where its flags say it should be: told, ended, closed, or watched for
    /// the right things.
    #[inline(never)]
    pub(super) fn settle(&mut self) {
        if let Some(how) = self.settled() {
            self.close(how);
        }
    }

    /// [`settle`](Self::settle), except for the closing.
    fn settled(&mut self) -> Option<Close> {
        self.tell_end();
        let index = self.driver.current.index();
        let flags = self.driver.here().flags;
        if flags.contains(Flags::BROKEN) {
            return Some(Close::Abort);
        }
        if !flags.intersects(Flags::OWES) {
            if flags.contains(Flags::CLOSING) {
                // At once if the peer has ended its stream, else the server's own stream is ended
                // first, and the peer's end awaited, lest a reset overtake the last
                // bytes.
                let linger = self.driver.table.limits.linger;
                if flags.contains(Flags::READ_ENDED) || linger == Span::ZERO {
                    return Some(Close::Graceful);
                }
                if flags.contains(Flags::WRITE_ENDED) || self.driver.end_stream() {
                    let deadline = linger.after(self.driver.context.turn_time());
                    let connection = self.driver.here();
                    connection.set(Flags::LINGERING);
                    connection.timer = deadline;
                    self.driver.let_go();
                    self.driver.schedule(index, deadline);
                } else if self.driver.here().is(Flags::BROKEN) {
                    return Some(Close::Graceful);
                }
                // Otherwise the end needs room; writable readiness brings us back.
            } else if flags.contains(Flags::ENDING) {
                self.driver.end_stream();
            }
        }
        self.driver.update_interest(index);
        if self.driver.here().is(Flags::BROKEN) { Some(Close::Abort) } else { None }
    }

    /// Tells the service that the peer has ended its stream, once it was offered all that came
    /// before.
    fn tell_end(&mut self) {
        let flags = self.driver.here().flags;
        if !flags.contains(Flags::READ_ENDED)
            || flags.intersects(Flags::END_TOLD | Flags::BROKEN | Flags::CLOSING)
        {
            return;
        }
        if flags.contains(Flags::HOLDS) {
            self.receive(false);
            if self.is_cramped() {
                // When there is room for an answer, they are offered again.
                return;
            }
        }
        self.driver.here().set(Flags::END_TOLD);
        self.call(S::read_closed);
    }

    /// Whether bytes are held that the service could not be offered in full, for want of room for
    /// an answer.
    fn is_cramped(&mut self) -> bool {
        let connection = *self.driver.here();
        let lacks_room = if P::OWNS_BUFFERS {
            connection.is(Flags::CRAMPED) || !self.driver.has_room(self.driver.current.index())
        } else {
            connection.is(Flags::OWES | Flags::STARVED)
        };
        connection.is(Flags::HOLDS) && lacks_room
    }

    /// Ends a connection, whatever is owed.
    #[inline(never)]
    pub(super) fn close(&mut self, how: Close) {
        let index = self.driver.current.index();
        let connection = core::mem::replace(self.driver.here(), Connection::EMPTY);
        let table = &mut *self.driver.table;
        table.open -= 1;
        tally(&mut table.counters.closed[connection.reason as usize], 1);
        self.driver.give_all_back(connection);
        self.driver.close_source(index, how);
        self.call(|service, peer, session| service.closed(peer, session, connection.reason));
        self.sessions[index] = None;
        self.driver.resume_listeners();
        self.driver.stop_when_drained();
    }

    /// Serves a connection whose deadline has come.
    #[inline(never)]
    pub(super) fn look_after(&mut self) {
        let now = self.driver.context.turn_time();
        let connection = *self.driver.here();
        let timer_due = connection.timer != Instant::ZERO && connection.timer <= now;
        let drain_due = self.driver.table.drained_by <= now;
        let mut how = Close::Graceful;
        if connection.is(Flags::BROKEN | Driver::<P>::OWES) {
            how = Close::Abort;
        }
        let lingered = connection.is(Flags::LINGERING) && (timer_due || drain_due);
        let over = if connection.is(Flags::BROKEN) || lingered {
            Some(connection.reason)
        } else if drain_due && connection.is(Flags::OWES | Flags::CLOSING) {
            Some(CloseReason::Expelled)
        } else if self.driver.stalled_at() <= now {
            Some(CloseReason::Stalled)
        } else if self.driver.idle_at() <= now {
            Some(CloseReason::Idle)
        } else {
            None
        };
        if let Some(reason) = over {
            self.driver.here().reason = reason;
            return self.close(how);
        }
        if self.driver.table.draining {
            self.driver.begin_closing(self.driver.current.index(), CloseReason::Drained);
        } else if timer_due && !connection.is(Flags::CLOSING) {
            self.driver.here().timer = Instant::ZERO;
            self.call(S::timer_expired);
            self.driver.here().set(Flags::RESUMED);
        }
        self.offer_again();
        if !connection.is(Flags::LINGERING) {
            self.settle();
        }
        self.schedule_next();
        self.driver.feed_next();
    }

    /// Has a connection looked after when it next has to be, if it is still there.
    fn schedule_next(&mut self) {
        if self.driver.here().is(Flags::OPEN) {
            let deadline = self.driver.next_deadline();
            self.driver.schedule(self.driver.current.index(), deadline);
        }
    }
}
