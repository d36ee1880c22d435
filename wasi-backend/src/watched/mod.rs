//! What both backends keep and do alike: who is registered, and the dense list of what is waited for.
//!
//! Both systems take an array that names every source and direction to wait for, and say which of them are ready. The
//! array is kept up to date one change at a time: the last item fills the place of one that goes, so nothing is ever
//! built anew for a wait.

#[cfg(any(test, fuzzing, target_env = "p2"))]
mod gather;
mod owner;
mod report;
#[cfg(test)]
mod tests;

use selkie_core::{Error, ErrorKind, Interest, Mode, Readiness, Registration, Registrations, Token};

pub(crate) use self::owner::Owner;
use crate::direction::Direction;
use crate::handles::{Handles, Socket, UNREGISTERED};
use crate::storage::Storage;

/// What a platform knows of a source.
pub trait Watch: Copy {
    /// How the system is asked to wait for one direction of a source.
    type Item: Copy;
    /// What it answers.
    type Report: Copy;

    /// Whether a source can break, so that the system must not be asked about it.
    const CAN_BREAK: bool;
    /// What stands for no source. This and the two below are all zero.
    const NONE: Self;
    /// What stands where there is no item.
    const NO_ITEM: Self::Item;
    /// What stands where there is no report.
    const NO_REPORT: Self::Report;

    /// Asks for one direction of what is known to the system as `owner`.
    fn item(&mut self, owner: Owner) -> Self::Item;

    /// Whom a report is about.
    fn owner(report: &Self::Report) -> Owner;

    /// What the source is ready for according to a report: [`Readiness::NONE`] for nothing.
    fn readiness(&mut self, report: &Self::Report, direction: Direction) -> Readiness;
}

/// The sources of a platform, and the list of what is waited for.
#[derive(Debug)]
pub(crate) struct Watched<'a, T: Watch> {
    pub(crate) registrations: Registrations<&'a mut [Registration]>,
    pub(crate) handles: Handles<'a, T>,
    /// Densely, what is waited for; and room for what the platform adds to a wait, such as a clock.
    pub(crate) items: &'a mut [T::Item],
    /// By the position of an item: whose it is.
    pub(crate) owners: &'a mut [Owner],
    /// How many items there are.
    pub(crate) len: usize,
    /// Where the next batch begins, since whoever stands first would otherwise be first for ever.
    pub(crate) first: usize,
    /// How many items are of sources that broke. They stand before all others.
    broken: usize,
}

impl<'a, T: Watch> Watched<'a, T> {
    /// Nothing yet; and the memory for reports.
    pub(crate) fn new(storage: Storage<'a, T>) -> (Self, &'a mut [T::Report]) {
        let Storage { registrations, sources, items, reports, owners } = storage;
        let (registrations, handles) = (Registrations::new(registrations), Handles::new(sources));
        (Self { registrations, handles, items, owners, len: 0, first: 0, broken: 0 }, reports)
    }

    /// [`selkie_core::Selector::register`].
    pub(crate) fn register(
        &mut self,
        socket: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        supported(mode)?;
        let (slot, entry) = self.handles.get(socket)?;
        self.registrations.vacancy(token)?;
        if entry.token != UNREGISTERED {
            return Err(Error::new(ErrorKind::AlreadyRegistered));
        }
        entry.token = token;
        self.registrations.insert(token, interest, mode);
        self.arm(slot, interest);
        Ok(())
    }

    /// [`selkie_core::Selector::modify`].
    pub(crate) fn modify(&mut self, socket: Socket, token: Token, interest: Interest, mode: Mode) -> Result<(), Error> {
        supported(mode)?;
        let slot = self.registered(socket, token)?;
        self.registrations.update(token, interest, mode);
        self.arm(slot, interest);
        Ok(())
    }

    /// [`selkie_core::Selector::deregister`].
    pub(crate) fn deregister(&mut self, socket: Socket, token: Token) -> Result<(), Error> {
        self.registered(socket, token)?;
        self.forget(socket)?;
        Ok(())
    }

    /// The place of a source that is registered under `token`.
    fn registered(&mut self, socket: Socket, token: Token) -> Result<usize, Error> {
        let (slot, entry) = self.handles.get(socket)?;
        let registered = entry.token;
        self.registrations.get(token)?;
        if registered == token { Ok(slot) } else { Err(Error::new(ErrorKind::NotRegistered)) }
    }

    /// Forgets the registration of a source, if it has one. Gives its place.
    pub(crate) fn forget(&mut self, socket: Socket) -> Result<usize, Error> {
        let (slot, entry) = self.handles.get(socket)?;
        let token = core::mem::replace(&mut entry.token, UNREGISTERED);
        if token != UNREGISTERED {
            self.registrations.remove(token);
        }
        self.arm(slot, Interest::NONE);
        Ok(slot)
    }

    /// Waits for a source in the directions of `interest`, and in no other. One that was broken may have been mended.
    pub(crate) fn arm(&mut self, slot: usize, interest: Interest) {
        for direction in Direction::BOTH {
            let owner = Owner::new(slot, direction);
            let (number, is_wanted) = (*self.number(owner) as usize, direction.is_in(interest));
            let stays = is_wanted && number > self.broken();
            if number > 0 && !stays {
                self.remove(number - 1);
            }
            if is_wanted && !stays {
                self.append(owner);
            }
        }
    }

    /// Adds an item at the end.
    fn append(&mut self, owner: Owner) {
        self.items[self.len] = self.handles.at(owner.slot()).platform.item(owner);
        self.place(self.len, owner);
        self.len += 1;
    }

    /// Removes an item. The last one takes its place; but among those that are broken, and then among those that have had
    /// their turn, the last of these does, so that each stays where it belongs.
    fn remove(&mut self, mut position: usize) {
        if position < self.broken() {
            self.broken -= 1;
            self.swap(position, self.broken);
            position = self.broken;
        }
        if position < self.first {
            self.first -= 1;
            self.swap(position, self.first);
            position = self.first;
        }
        self.len -= 1;
        self.swap(position, self.len);
        *self.number(self.owners[self.len]) = 0;
    }

    /// Lets two items change places.
    #[inline(never)]
    fn swap(&mut self, one: usize, other: usize) {
        self.items.swap(one, other);
        let owners = (self.owners[one], self.owners[other]);
        self.place(one, owners.1);
        self.place(other, owners.0);
    }

    /// Notes whose item stands at a position.
    #[expect(clippy::cast_possible_truncation, reason = "there are less than 2^31 places, and two items for each")]
    fn place(&mut self, position: usize, owner: Owner) {
        self.owners[position] = owner;
        *self.number(owner) = position as u32 + 1;
    }

    /// The position of an owner's item, plus one; 0 if there is none.
    #[inline]
    fn number(&mut self, owner: Owner) -> &mut u32 {
        &mut self.handles.at(owner.slot()).positions[owner.direction() as usize]
    }

    /// How many items are of sources that broke.
    #[inline]
    pub(crate) const fn broken(&self) -> usize {
        if T::CAN_BREAK { self.broken } else { 0 }
    }

    /// Takes the item at this position, of those that are not broken, for broken until its source is armed again.
    #[cfg(any(test, fuzzing, target_env = "p1"))]
    pub(crate) fn mark_broken(&mut self, position: usize) {
        self.swap(position, self.broken);
        self.broken += 1;
    }
}

/// Neither system has edges.
fn supported(mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge { Err(Error::new(ErrorKind::Unsupported)) } else { Ok(()) }
}
