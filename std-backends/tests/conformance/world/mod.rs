//! The surroundings of the platform under test: far ends, other threads, and signals.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use selkie_core::{Error, ErrorKind};
use selkie_std::from_errno;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

/// The far ends of connections, and the threads that do something to them later. It ends those
/// before it goes.
pub(crate) struct World {
    far: Vec<Option<End>>,
    threads: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { far: Vec::new(), threads: Vec::new(), over: Arc::new(AtomicBool::new(false)) }
    }

    /// Takes a far end in, and gives its name.
    pub(crate) fn add(&mut self, end: Owned) -> Result<usize, Error> {
        unblock(&end)?;
        self.far.push(Some(End::from(end)));
        Ok(self.far.len() - 1)
    }

    fn far(&mut self, peer: usize) -> Result<&mut End, Error> {
        self.far[peer].as_mut().ok_or(Error::new(ErrorKind::InvalidInput))
    }

    pub(crate) fn read(&mut self, peer: usize, buffer: &mut [u8]) -> Result<usize, Error> {
        self.far(peer)?.read(buffer).map_err(|error| from_io(&error))
    }

    pub(crate) fn write(&mut self, peer: usize, bytes: &[u8]) -> Result<usize, Error> {
        self.far(peer)?.write(bytes).map_err(|error| from_io(&error))
    }

    pub(crate) fn shutdown_write(&mut self, peer: usize) -> Result<(), Error> {
        shutdown_write(self.far(peer)?)
    }

    pub(crate) fn close(&mut self, peer: usize) -> Result<(), Error> {
        self.far[peer].take().map(drop).ok_or(Error::new(ErrorKind::InvalidInput))
    }

    /// Resets a connection of TCP.
    pub(crate) fn reset(&mut self, peer: usize) -> Result<(), Error> {
        reset_on_close(self.far(peer)?)?;
        self.close(peer)
    }

    /// Sends the urgent byte of TCP.
    pub(crate) fn write_urgent(&mut self, peer: usize) -> Result<(), Error> {
        write_urgent(self.far(peer)?)
    }

    pub(crate) fn write_later(
        &mut self,
        peer: usize,
        bytes: &'static [u8],
        delay: Duration,
    ) -> Result<(), Error> {
        let mut far = self.far(peer)?.try_clone().map_err(|error| from_io(&error))?;
        self.later(delay, move || far.write_all(bytes).expect("a far end takes a few bytes"));
        Ok(())
    }

    /// Runs `action` in another thread, after a while.
    pub(crate) fn later(&mut self, delay: Duration, action: impl FnOnce() + Send + 'static) {
        self.threads.push(thread::spawn(move || {
            thread::sleep(delay);
            action();
        }));
    }

    /// Interrupts this thread, again and again, from another one that ends before this does.
    pub(crate) fn interrupt(&mut self, period: Duration, span: Duration) -> Result<(), Error> {
        let target = Interrupted::this_thread()?;
        let over = Arc::clone(&self.over);
        self.threads.push(thread::spawn(move || {
            let start = Instant::now();
            while start.elapsed() < span && !over.load(Ordering::Relaxed) {
                thread::sleep(period);
                target.interrupt();
            }
        }));
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a thread of the world ends");
        }
    }
}

/// Lets other threads and the system go on for about a millisecond.
pub(crate) fn settle() {
    thread::sleep(Duration::from_millis(1));
}

pub(crate) fn from_io(error: &io::Error) -> Error {
    error.raw_os_error().map_or(Error::new(ErrorKind::Other), from_errno)
}
