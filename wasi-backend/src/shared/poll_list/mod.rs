//! The registrations of WASI 0.1 and 0.2, and the dense list of the items that are polled.
//!
//! Both systems take an array of every source and direction to wait for, and return those that are
//! ready. The array is kept up to date with each change: the last item fills the place of a removed
//! one, so the array is never rebuilt for a wait.

mod compact;
mod report;
mod subscription_id;
#[cfg(test)]
mod tests;

use selkie_core::backend::check_vacant;
use selkie_core::{Error, ErrorKind, Interest, Mode, Readiness, Token};

pub(crate) use self::subscription_id::SubscriptionId;
use crate::shared::direction::{Direction, check_supported};
use crate::shared::socket_table::{Socket, SocketTable, UNREGISTERED};
use crate::shared::storage::Storage;

/// The data that a platform has of a source.
pub trait PollSource: Copy {
    /// A request to the system to wait for one direction of a source.
    type Item: Copy;
    /// A report of the system.
    type Report: Copy;

    /// No source. This and the two below are all zero.
    const NONE: Self;
    /// No item.
    const NO_ITEM: Self::Item;
    /// No report.
    const NO_REPORT: Self::Report;

    /// Creates the item for the direction of `id`, which the system returns in its reports.
    fn item(&mut self, id: SubscriptionId) -> Self::Item;

    /// Returns the subscription that a report is about.
    fn id(report: &Self::Report) -> SubscriptionId;

    /// Converts a report to readiness, which may be [`Readiness::NONE`].
    fn readiness(&mut self, report: &Self::Report, direction: Direction) -> Readiness;
}

/// The sources of a platform, and the list of the items that are polled.
#[derive(Debug)]
pub(crate) struct PollList<'a, T: PollSource> {
    /// For each token index: the place of the source that is registered there, plus one; 0 for
    /// none.
    pub(crate) token_slots: &'a mut [u32],
    pub(crate) sockets: SocketTable<'a, T>,
    /// The items that are polled, and room for an item of the platform, such as a clock.
    pub(crate) items: &'a mut [T::Item],
    /// For each position: the subscription of its item.
    pub(crate) ids: &'a mut [SubscriptionId],
    /// Number of items.
    pub(crate) len: usize,
    /// The position where the next batch begins, for fairness.
    pub(crate) first: usize,
}

impl<'a, T: PollSource> PollList<'a, T> {
    /// Creates an empty list, and returns the memory for reports.
    pub(crate) fn new(storage: Storage<'a, T>) -> (Self, &'a mut [T::Report]) {
        let Storage { token_slots, sources, items, reports, ids } = storage;
        token_slots.fill(0);
        (
            Self { token_slots, sockets: SocketTable::new(sources), items, ids, len: 0, first: 0 },
            reports,
        )
    }

    /// Implements [`selkie_core::platform::Selector::register`].
    pub(crate) fn register(
        &mut self,
        socket: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let is_registered = self.sockets.get(socket)?.1.token != UNREGISTERED;
        check_vacant(self.tenant(token.index()), token, self.token_slots.len())?;
        if is_registered {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        check_supported(interest, mode)?;
        self.token_slots[token.index()] = plus_one(socket.slot());
        self.set_interest(socket.slot(), token, interest, mode);
        Ok(())
    }

    /// Returns the token that is registered at an index.
    fn tenant(&mut self, index: usize) -> Option<Token> {
        let place = *self.token_slots.get(index)?;
        self.sockets.find((place as usize).checked_sub(1)?).map(|source| source.token)
    }

    /// Implements [`selkie_core::platform::Selector::modify`].
    pub(crate) fn modify(
        &mut self,
        socket: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.check_registered(socket, token)?;
        check_supported(interest, mode)?;
        self.set_interest(socket.slot(), token, interest, mode);
        Ok(())
    }

    /// Implements [`selkie_core::platform::Selector::deregister`].
    pub(crate) fn deregister(&mut self, socket: Socket, token: Token) -> Result<(), Error> {
        self.check_registered(socket, token)?;
        self.unregister(socket)
    }

    /// Checks that a source is registered under `token`.
    fn check_registered(&mut self, socket: Socket, token: Token) -> Result<(), Error> {
        let tenant = self.sockets.get(socket)?.1.token;
        if tenant == token && tenant != UNREGISTERED {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::NotRegistered))
        }
    }

    /// Records the registration of a source and arms it.
    fn set_interest(&mut self, slot: usize, token: Token, interest: Interest, mode: Mode) {
        let entry = self.sockets.at(slot);
        entry.token = token;
        entry.oneshot = mode == Mode::Oneshot;
        self.arm(slot, interest);
    }

    /// Removes the registration of a source, if it has one.
    pub(crate) fn unregister(&mut self, socket: Socket) -> Result<(), Error> {
        let (slot, entry) = self.sockets.get(socket)?;
        let token = core::mem::replace(&mut entry.token, UNREGISTERED);
        if token != UNREGISTERED {
            self.token_slots[token.index()] = 0;
        }
        self.arm(slot, Interest::NONE);
        Ok(())
    }

    /// Polls a source in the directions of `interest` only. Its items are created again.
    pub(crate) fn arm(&mut self, slot: usize, interest: Interest) {
        for id in SubscriptionId::both(slot) {
            self.arm_direction(id, id.direction().is_in(interest));
        }
    }

    /// Implements [`arm`](Self::arm) for one direction.
    #[inline(never)]
    fn arm_direction(&mut self, id: SubscriptionId, is_wanted: bool) {
        let mut number = *self.position_mut(id) as usize;
        if is_wanted {
            if number == 0 {
                self.len += 1;
                number = self.len;
            }
            self.items[number - 1] = self.sockets.at(id.slot()).platform.item(id);
            self.set_position(number - 1, id);
        } else if number > 0 {
            self.remove(number - 1);
        }
    }

    /// Removes an item. The last one takes its place; among the items that have had their turn, the
    /// last of these does, so that items with and without a turn stay separate.
    fn remove(&mut self, mut position: usize) {
        let removed = self.ids[position];
        if position < self.first {
            self.first -= 1;
            position = self.move_item(self.first, position);
        }
        self.len -= 1;
        self.move_item(self.len, position);
        *self.position_mut(removed) = 0;
    }

    /// Moves an item to a free position, and returns the position that is free then.
    fn move_item(&mut self, from: usize, to: usize) -> usize {
        if from != to {
            self.items[to] = self.items[from];
            self.set_position(to, self.ids[from]);
        }
        from
    }

    /// Records the subscription of the item at a position.
    fn set_position(&mut self, position: usize, id: SubscriptionId) {
        self.ids[position] = id;
        *self.position_mut(id) = plus_one(position);
    }

    /// Returns the position of an item, plus one; 0 if there is none.
    #[inline]
    fn position_mut(&mut self, id: SubscriptionId) -> &mut u32 {
        &mut self.sockets.at(id.slot()).positions[id.direction() as usize]
    }
}

/// Returns an index plus one, where 0 means none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "there are fewer than 2^31 places, and two items for each"
)]
const fn plus_one(index: usize) -> u32 {
    index as u32 + 1
}
