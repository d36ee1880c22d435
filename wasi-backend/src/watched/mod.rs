//! What both backends keep and do alike: who is registered, and the dense list of what is waited
//! for.
//!
//! Both systems take an array that names every source and direction to wait for, and say which of
//! them are ready. The array is kept up to date one change at a time: the last item fills the place
//! of one that goes, so nothing is ever built anew for a wait.

#[cfg(any(test, fuzzing, target_env = "p2"))]
mod gather;
mod owner;
mod report;
#[cfg(test)]
mod tests;

use selkie_core::{Error, ErrorKind, Interest, Mode, Readiness, Token};

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
    /// By the index of a token: the place of the source that is registered under it, plus one; 0
    /// for none.
    pub(crate) places: &'a mut [u32],
    pub(crate) handles: Handles<'a, T>,
    /// Densely, what is waited for; and room for what the platform adds to a wait, such as a
    /// clock.
    pub(crate) items: &'a mut [T::Item],
    /// By the position of an item: whose it is.
    pub(crate) owners: &'a mut [Owner],
    /// How many items there are.
    pub(crate) len: usize,
    /// Where the next batch begins, since whoever stands first would otherwise be first for ever.
    pub(crate) first: usize,
}

impl<'a, T: Watch> Watched<'a, T> {
    /// Nothing yet; and the memory for reports.
    pub(crate) fn new(storage: Storage<'a, T>) -> (Self, &'a mut [T::Report]) {
        let Storage { places, sources, items, reports, owners } = storage;
        places.fill(0);
        (Self { places, handles: Handles::new(sources), items, owners, len: 0, first: 0 }, reports)
    }

    /// [`selkie_core::Selector::register`].
    pub(crate) fn register(
        &mut self,
        socket: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        let is_registered = self.handles.get(socket)?.1.token != UNREGISTERED;
        let Some(place) = self.places.get_mut(token.index()) else {
            return Err(Error::new(ErrorKind::Full));
        };
        if is_registered || *place != 0 || token.generation() == 0 {
            return Err(self.refusal(token));
        }
        supported(mode)?;
        *place = number(socket.slot());
        self.watch(socket.slot(), token, interest, mode);
        Ok(())
    }

    /// Why a source cannot be registered under a token with an index of this table.
    #[cold]
    fn refusal(&mut self, token: Token) -> Error {
        let tenant = match self.places[token.index()] {
            0 => UNREGISTERED,
            place => self.handles.at(place as usize - 1).token,
        };
        Error::new(match token.generation() {
            // No registry issues such tokens.
            0 => ErrorKind::NotRegistered,
            generation if generation < tenant.generation() => ErrorKind::Stale,
            _ => ErrorKind::AlreadyRegistered,
        })
    }

    /// [`selkie_core::Selector::modify`].
    pub(crate) fn modify(
        &mut self,
        socket: Socket,
        token: Token,
        interest: Interest,
        mode: Mode,
    ) -> Result<(), Error> {
        self.registered(socket, token)?;
        supported(mode)?;
        self.watch(socket.slot(), token, interest, mode);
        Ok(())
    }

    /// [`selkie_core::Selector::deregister`].
    pub(crate) fn deregister(&mut self, socket: Socket, token: Token) -> Result<(), Error> {
        self.registered(socket, token)?;
        self.forget(socket)
    }

    /// Whether a source is registered under `token`.
    fn registered(&mut self, socket: Socket, token: Token) -> Result<(), Error> {
        let tenant = self.handles.get(socket)?.1.token;
        if tenant == token && tenant != UNREGISTERED {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::NotRegistered))
        }
    }

    /// Notes what a source is watched for.
    fn watch(&mut self, slot: usize, token: Token, interest: Interest, mode: Mode) {
        let entry = self.handles.at(slot);
        entry.token = token;
        entry.oneshot = mode == Mode::Oneshot;
        self.arm(slot, interest);
    }

    /// Forgets the registration of a source, if it has one.
    pub(crate) fn forget(&mut self, socket: Socket) -> Result<(), Error> {
        let (slot, entry) = self.handles.get(socket)?;
        let token = core::mem::replace(&mut entry.token, UNREGISTERED);
        if token != UNREGISTERED {
            self.places[token.index()] = 0;
        }
        self.arm(slot, Interest::NONE);
        Ok(())
    }

    /// Waits for a source in the directions of `interest`, and in no other. Its items are made
    /// anew.
    pub(crate) fn arm(&mut self, slot: usize, interest: Interest) {
        for owner in Owner::both(slot) {
            self.arm_direction(owner, owner.direction().is_in(interest));
        }
    }

    /// [`arm`](Self::arm), for one direction.
    #[inline(never)]
    fn arm_direction(&mut self, owner: Owner, is_wanted: bool) {
        let mut number = *self.number(owner) as usize;
        if is_wanted {
            if number == 0 {
                self.len += 1;
                number = self.len;
            }
            self.items[number - 1] = self.handles.at(owner.slot()).platform.item(owner);
            self.place(number - 1, owner);
        } else if number > 0 {
            self.remove(number - 1);
        }
    }

    /// Removes an item. The last one takes its place; but among those that have had their turn, the
    /// last of these does, so that each stays where it belongs.
    fn remove(&mut self, mut position: usize) {
        let removed = self.owners[position];
        if position < self.first {
            self.first -= 1;
            position = self.shift(self.first, position);
        }
        self.len -= 1;
        self.shift(self.len, position);
        *self.number(removed) = 0;
    }

    /// Moves an item to a position whose own is gone, and gives the position that is free then.
    fn shift(&mut self, from: usize, to: usize) -> usize {
        if from != to {
            self.items[to] = self.items[from];
            self.place(to, self.owners[from]);
        }
        from
    }

    /// Notes whose item stands at a position.
    fn place(&mut self, position: usize, owner: Owner) {
        self.owners[position] = owner;
        *self.number(owner) = number(position);
    }

    /// The position of an owner's item, plus one; 0 if there is none.
    #[inline]
    fn number(&mut self, owner: Owner) -> &mut u32 {
        &mut self.handles.at(owner.slot()).positions[owner.direction() as usize]
    }
}

/// What stands for a place or a position, where 0 stands for none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "there are less than 2^31 places, and two items for each"
)]
const fn number(index: usize) -> u32 {
    index as u32 + 1
}

/// Neither system has edges.
fn supported(mode: Mode) -> Result<(), Error> {
    if mode == Mode::Edge { Err(Error::new(ErrorKind::Unsupported)) } else { Ok(()) }
}
