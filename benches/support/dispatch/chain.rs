//! The sources, and what is done when one is dispatched: the same for every contestant.

use std::fs::File;
use std::hint::black_box;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::process;

/// The kind of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two descriptors, and the cost of a socket.
    SocketPair,
    /// One descriptor, and next to no cost of its own.
    EventFd,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SocketPair => "socketpairs",
            Self::EventFd => "eventfds",
        }
    }

    /// Returns the number of descriptors of one source.
    pub(crate) const fn descriptors(self) -> usize {
        match self {
            Self::SocketPair => 2,
            Self::EventFd => 1,
        }
    }
}

/// One source: where it is read, and where it is written if that is elsewhere.
#[derive(Debug)]
struct Ends {
    reader: File,
    writer: Option<File>,
}

/// All sources of a run.
#[derive(Debug)]
pub(crate) struct Sources(Vec<Ends>);

impl Sources {
    pub(crate) fn new(kind: Kind, count: usize) -> Self {
        Self((0..count).map(|_| Ends::new(kind)).collect())
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the descriptors to watch, in the order of the ring.
    pub(crate) fn watched(&self) -> impl ExactSizeIterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|ends| ends.reader.as_fd())
    }
}

impl Ends {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::SocketPair => {
                let (reader, writer) = UnixStream::pair().expect("a socket pair");
                reader.set_nonblocking(true).expect("a socket that does not block");
                Self {
                    reader: OwnedFd::from(reader).into(),
                    writer: Some(OwnedFd::from(writer).into()),
                }
            }
            Kind::EventFd => {
                // SAFETY: the call takes no pointers.
                let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
                assert!(fd >= 0, "an eventfd: {}", std::io::Error::last_os_error());
                // SAFETY: the descriptor is new, so it has no other owner.
                Self { reader: unsafe { File::from_raw_fd(fd) }, writer: None }
            }
        }
    }
}

/// The amount of work of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// The number of sources that are written to at first, and so are ready at any time.
    pub(crate) active: usize,
    /// The number of further writes before the measurement begins.
    pub(crate) warm_up: u64,
    /// The number of further writes that are measured.
    pub(crate) writes: u64,
}

/// The callback of a ready source, called through a table: a loop that serves many kinds of sources
/// does not know its callbacks.
pub(crate) type Callback = fn(&mut Chain<'_>, usize);

/// The state of a run.
#[derive(Debug)]
pub(crate) struct Chain<'s> {
    sources: &'s [Ends],
    /// From a source to the one that it writes to: the next, or itself if all are active, so that
    /// no two writes ever meet in one source.
    step: usize,
    /// The number of writes still to be made.
    writes_left: u64,
    /// The number of reads still to be made.
    reads_left: u64,
}

impl<'s> Chain<'s> {
    pub(crate) const fn new(sources: &'s Sources) -> Self {
        Self { sources: sources.0.as_slice(), step: 1, writes_left: 0, reads_left: 0 }
    }

    /// Returns the table of callbacks: one for each source.
    pub(crate) fn callbacks(&self) -> Vec<Callback> {
        vec![black_box(serve as Callback); self.sources.len()]
    }

    /// Runs the load on a loop that `until_finished` turns, and gives the CPU time of its measured
    /// part.
    pub(crate) fn measure(
        &mut self,
        load: Load,
        mut until_finished: impl FnMut(&mut Self),
    ) -> Duration {
        if load.warm_up > 0 {
            self.begin(load.active, load.warm_up);
            until_finished(self);
        }
        process::cpu_time_of(|| {
            self.begin(load.active, load.writes);
            until_finished(self);
        })
    }

    /// Writes to `active` sources, evenly spread.
    fn begin(&mut self, active: usize, writes: u64) {
        self.step = usize::from(active < self.sources.len());
        self.writes_left = writes;
        self.reads_left = writes + active as u64;
        for position in 0..active {
            self.write(position * self.sources.len() / active);
        }
    }

    /// Returns whether every write was read.
    #[inline]
    pub(crate) const fn is_finished(&self) -> bool {
        self.reads_left == 0
    }

    /// Makes a source ready.
    #[inline]
    fn write(&self, index: usize) {
        let ends = &self.sources[index];
        let mut writer = ends.writer.as_ref().unwrap_or(&ends.reader);
        assert_eq!(writer.write(&1_u64.to_ne_bytes()).expect("a write"), 8);
    }
}

/// Serves a ready source: reads, and writes to its neighbour.
fn serve(chain: &mut Chain<'_>, index: usize) {
    let mut word = [0_u8; 8];
    if let Err(error) = (&chain.sources[index].reader).read(&mut word) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "a read: {error}");
        return;
    }
    chain.reads_left -= 1;
    if chain.writes_left > 0 {
        chain.writes_left -= 1;
        let next = index + chain.step;
        chain.write(if next < chain.sources.len() { next } else { 0 });
    }
}
