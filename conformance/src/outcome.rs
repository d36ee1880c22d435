//! The outcome of a case, without panicking and without allocating.

use core::fmt::{self, Write};
use core::panic::Location;

use selkie_core::{Error, ErrorKind};

/// Outcome of a case.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// The contract holds.
    Passed,
    /// The platform or its fixture lacks what the case needs; the note says what.
    NotApplicable(Note),
    /// The contract does not hold; the note says where and how.
    Failed(Note),
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => formatter.write_str("passed"),
            Self::NotApplicable(note) => write!(formatter, "not applicable: {}", note.text()),
            Self::Failed(note) => write!(formatter, "failed: {note}"),
        }
    }
}

/// A sentence, and the line of the suite that it is about. Longer sentences are cut.
#[derive(Clone, Copy)]
pub struct Note {
    location: &'static Location<'static>,
    text: [u8; Self::LEN_MAX],
    len: usize,
}

impl Note {
    /// Capacity of a note, in bytes.
    const LEN_MAX: usize = 240;

    #[track_caller]
    fn new(text: fmt::Arguments<'_>) -> Self {
        let mut note = Self { location: Location::caller(), text: [0; Self::LEN_MAX], len: 0 };
        // The only failure is a formatter's own, and then what was written so far is the note.
        let _ = note.write_fmt(text);
        note
    }

    /// Returns the sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.text[..self.len]).unwrap_or("")
    }

    /// Returns the line of the suite.
    #[must_use]
    pub const fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl Write for Note {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut take = text.len().min(Self::LEN_MAX - self.len);
        while !text.is_char_boundary(take) {
            take -= 1;
        }
        self.text[self.len..self.len + take].copy_from_slice(&text.as_bytes()[..take]);
        self.len += take;
        Ok(())
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}:{})", self.text(), self.location.file(), self.location.line())
    }
}

/// Reason to end a case early.
pub(crate) enum Stop {
    NotApplicable(Note),
    Failed(Note),
}

impl Stop {
    #[track_caller]
    pub(crate) fn failed(text: fmt::Arguments<'_>) -> Self {
        Self::Failed(Note::new(text))
    }

    #[track_caller]
    pub(crate) fn not_applicable(text: fmt::Arguments<'_>) -> Self {
        Self::NotApplicable(Note::new(text))
    }
}

/// Result of a case.
pub(crate) type Check<T = ()> = Result<T, Stop>;

impl From<Check> for Outcome {
    fn from(check: Check) -> Self {
        match check {
            Ok(()) => Self::Passed,
            Err(Stop::NotApplicable(note)) => Self::NotApplicable(note),
            Err(Stop::Failed(note)) => Self::Failed(note),
        }
    }
}

/// Converts errors of the platform and the fixture into the end of a case.
pub(crate) trait Answer<T> {
    /// Returns the value; an error fails the case.
    fn must(self, what: &str) -> Check<T>;

    /// Returns the value; `Unsupported` makes the case not applicable, any other error fails it.
    fn ability(self, what: &str) -> Check<T>;

    /// Fails the case unless the answer is an error of one of these kinds.
    fn must_fail(self, what: &str, kinds: &[ErrorKind]) -> Check;
}

impl<T> Answer<T> for Result<T, Error> {
    #[track_caller]
    fn must(self, what: &str) -> Check<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(Stop::failed(format_args!("{what} failed: {error}"))),
        }
    }

    #[track_caller]
    fn ability(self, what: &str) -> Check<T> {
        match self {
            Err(error) if error.kind() == ErrorKind::Unsupported => Err(Stop::not_applicable(
                format_args!("no {what} on this platform or in its fixture"),
            )),
            Ok(value) => Ok(value),
            Err(error) => Err(Stop::failed(format_args!("{what} failed: {error}"))),
        }
    }

    #[track_caller]
    fn must_fail(self, what: &str, kinds: &[ErrorKind]) -> Check {
        match self {
            Ok(_) => Err(Stop::failed(format_args!(
                "{what} succeeded, and should have failed with {kinds:?}"
            ))),
            Err(error) if kinds.contains(&error.kind()) => Ok(()),
            Err(error) => Err(Stop::failed(format_args!(
                "{what} failed with {:?}, and not with {kinds:?}",
                error.kind()
            ))),
        }
    }
}

/// Fails the case with a sentence.
macro_rules! fail {
    ($($text:tt)*) => {
        return Err($crate::outcome::Stop::failed(format_args!($($text)*)))
    };
}

/// Fails the case with a sentence, unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            $crate::outcome::fail!($($text)*);
        }
    };
}

pub(crate) use {ensure, fail};
