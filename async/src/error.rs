//! Errors of a task's calls.

use core::fmt;

use embedded_io_async::ErrorKind;
use selkie_core::CloseReason;

/// The reason why a call on a connection has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The connection is closed, or takes nothing more.
    Closed,
    /// The peer has ended its stream in the middle of what was to be read whole.
    UnexpectedEnd,
    /// A message that is to be read whole is longer than the input buffer.
    TooLong,
    /// There is no room for all of the bytes now.
    Full,
    /// The attempt to connect could not begin.
    CannotConnect(selkie_core::ErrorKind),
    /// The connection that was asked for has failed.
    NotConnected(CloseReason),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CannotConnect(selkie_core::ErrorKind::Unsupported) => {
                "cannot connect: the service is not `connecting()`, or the platform cannot"
            }
            Self::CannotConnect(kind) => {
                return write!(formatter, "cannot connect: {}", selkie_core::Error::new(*kind));
            }
            Self::NotConnected(reason) => return write!(formatter, "not connected: {reason}"),
            Self::Closed => "the connection is closed",
            Self::UnexpectedEnd => "the stream has ended in the middle of a message",
            Self::TooLong => "the message is longer than there can ever be room for",
            Self::Full => "the output buffer has no room for all of the bytes",
        })
    }
}

impl core::error::Error for Error {}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Closed => ErrorKind::NotConnected,
            Self::UnexpectedEnd => ErrorKind::InvalidData,
            Self::TooLong => ErrorKind::OutOfMemory,
            Self::NotConnected(CloseReason::Refused) => ErrorKind::ConnectionRefused,
            Self::NotConnected(CloseReason::TimedOut) => ErrorKind::TimedOut,
            Self::Full | Self::CannotConnect(_) | Self::NotConnected(_) => ErrorKind::Other,
        }
    }
}

/// The time of a [`Timer::timeout`](crate::Timer::timeout) has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the time has passed")
    }
}

impl core::error::Error for Elapsed {}
