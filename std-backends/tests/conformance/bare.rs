//! A selector by itself, over socket pairs.

use std::collections::HashSet;

use selkie_core::{Error, ErrorKind};
use selkie_std::selectors::{AnySelector, Backend};

use crate::fixture::Near;
use crate::world::{self, Borrowed, Owned, Raw};

/// The selector, and the descriptors that it may watch. Some of those are closed while it does.
pub(crate) struct Bare {
    selector: AnySelector<'static>,
    open: HashSet<Raw>,
    /// The files that have the numbers of broken ones.
    held: Vec<world::Placeholder>,
}

impl Near for Bare {
    type Platform = AnySelector<'static>;

    const IS_TCP: bool = false;

    fn new(backend: Backend, capacity: usize) -> Result<Self, Error> {
        Ok(Self {
            selector: AnySelector::new(backend, capacity)?,
            open: HashSet::new(),
            held: Vec::new(),
        })
    }

    fn platform(&mut self) -> &mut AnySelector<'static> {
        &mut self.selector
    }

    fn pair(&mut self) -> Result<(Borrowed<'static>, Owned), Error> {
        let (near, far) = world::pair()?;
        Ok((self.adopt(near)?, far))
    }

    fn adopt(&mut self, fd: Owned) -> Result<Borrowed<'static>, Error> {
        world::unblock(&fd)?;
        let fd = world::into_raw(world::moved(fd)?);
        self.open.insert(fd);
        // SAFETY: the descriptor is open. Some tests use it after it was closed on purpose; its
        // number is not given to another file meanwhile.
        Ok(unsafe { world::borrowed(fd) })
    }

    fn fd(&self, source: Borrowed<'static>) -> Result<Borrowed<'_>, Error> {
        Ok(source)
    }

    fn read(&mut self, source: Borrowed<'static>, buffer: &mut [u8]) -> Result<usize, Error> {
        world::read(source, buffer)
    }

    fn write(&mut self, source: Borrowed<'static>, bytes: &[u8]) -> Result<usize, Error> {
        world::write(source, bytes)
    }

    fn close(&mut self, source: Borrowed<'static>) -> Result<(), Error> {
        let fd = world::raw(source);
        if !self.open.remove(&fd) {
            return Err(ErrorKind::InvalidSource.into());
        }
        // SAFETY: the descriptor was owned by this fixture.
        unsafe { world::close(fd) }
    }

    fn break_source(&mut self, source: Borrowed<'static>) -> Result<(), Error> {
        let fd = world::raw(source);
        if !self.open.remove(&fd) {
            return Err(ErrorKind::InvalidSource.into());
        }
        // SAFETY: the descriptor was owned by this fixture.
        self.held.push(unsafe { world::close_and_hold(fd) }?);
        Ok(())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for fd in self.open.drain() {
            // SAFETY: the descriptor is owned by this fixture.
            let _ = unsafe { world::close(fd) };
        }
    }
}
