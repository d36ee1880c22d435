//! The one error type of all contracts.

use core::fmt;
use core::num::NonZeroU32;

/// The kind of a failure, with the same meaning on every platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum ErrorKind {
    // From 1, so that no error is all zero bits.
    /// A table of fixed capacity has no room left.
    Full = 1,
    /// The token or the source is registered already.
    AlreadyRegistered,
    /// Nothing is registered under this token.
    NotRegistered,
    /// The token or the handle names something that was closed, and whose slot may serve another by
    /// now.
    Stale,
    /// The platform cannot do this; its [`Capabilities`](crate::platform::Capabilities) say what it
    /// can.
    Unsupported,
    /// The source cannot be used this way (for example, a closed descriptor).
    InvalidSource,
    /// An argument makes no sense to the platform.
    InvalidInput,
    /// A wait without a deadline, an armed source or a waker would never end.
    NothingToWaitFor,
    /// The operation cannot be done now: wait for readiness and try again.
    WouldBlock,
    /// The address is in use.
    AddressInUse,
    /// The address is not one of this host.
    AddressUnavailable,
    /// The platform does not allow it.
    PermissionDenied,
    /// The peer's host refused the connection.
    ConnectionRefused,
    /// The peer reset the connection.
    ConnectionReset,
    /// The connection was gone before it was accepted.
    ConnectionAborted,
    /// There is no connection.
    NotConnected,
    /// The connection takes no more bytes in this direction.
    BrokenPipe,
    /// The peer did not answer in time.
    TimedOut,
    /// The peer or its network cannot be reached.
    Unreachable,
    /// The process or the system has no descriptor, socket or handle left.
    OutOfDescriptors,
    /// The platform has no memory left for it.
    OutOfMemory,
    /// Any other failure; see the platform's code.
    Other,
}

impl ErrorKind {
    /// Returns the kind that has this number.
    #[inline]
    const fn from_number(number: u8) -> Self {
        // Every kind in order, so that this compiles to nothing but a comparison.
        match number {
            1 => Self::Full,
            2 => Self::AlreadyRegistered,
            3 => Self::NotRegistered,
            4 => Self::Stale,
            5 => Self::Unsupported,
            6 => Self::InvalidSource,
            7 => Self::InvalidInput,
            8 => Self::NothingToWaitFor,
            9 => Self::WouldBlock,
            10 => Self::AddressInUse,
            11 => Self::AddressUnavailable,
            12 => Self::PermissionDenied,
            13 => Self::ConnectionRefused,
            14 => Self::ConnectionReset,
            15 => Self::ConnectionAborted,
            16 => Self::NotConnected,
            17 => Self::BrokenPipe,
            18 => Self::TimedOut,
            19 => Self::Unreachable,
            20 => Self::OutOfDescriptors,
            21 => Self::OutOfMemory,
            _ => Self::Other,
        }
    }

    /// Returns the sentence that [`Error`] displays.
    const fn sentence(self) -> &'static str {
        match self {
            Self::Full => "no room left in a table of fixed capacity",
            Self::AlreadyRegistered => "the source or its token is registered already",
            Self::NotRegistered => "nothing is registered under this token",
            Self::Stale => "the token or handle is stale: what it named was closed",
            Self::Unsupported => "this platform does not support the operation",
            Self::InvalidSource => "not a usable source",
            Self::InvalidInput => "invalid argument",
            Self::NothingToWaitFor => {
                "nothing to wait for: no deadline, no armed source and no waker"
            }
            Self::WouldBlock => "the operation would block",
            Self::AddressInUse => "the address is in use",
            Self::AddressUnavailable => "the address is not one of this host",
            Self::PermissionDenied => "permission denied",
            Self::ConnectionRefused => "connection refused",
            Self::ConnectionReset => "connection reset by the peer",
            Self::ConnectionAborted => "connection aborted",
            Self::NotConnected => "not connected",
            Self::BrokenPipe => "the connection takes no more bytes",
            Self::TimedOut => "timed out",
            Self::Unreachable => "host or network unreachable",
            Self::OutOfDescriptors => "no descriptors left",
            Self::OutOfMemory => "out of memory",
            Self::Other => "the platform failed",
        }
    }
}

/// An operating error: its kind, and the platform's own code where it has one.
///
/// One concrete type for all platforms, rather than an associated type on each trait: it is `Copy`,
/// joins two platforms in [`Pair`](crate::adapters::Pair) without a wrapper, and lets generic code
/// decide by [`kind`](Self::kind). It is one word that is never zero, so a `Result<(), Error>` is
/// one word as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error(NonZeroU32);

impl Error {
    /// The operation cannot be done now: wait for readiness and try again.
    ///
    /// Platforms return this value without a code, so it can be compared with `==`.
    pub const WOULD_BLOCK: Self = Self::new(ErrorKind::WouldBlock);

    /// Returns whether this is [`ErrorKind::WouldBlock`]: not a failure, but "not now".
    #[inline]
    #[must_use]
    pub const fn is_would_block(self) -> bool {
        matches!(self.kind(), ErrorKind::WouldBlock)
    }

    /// Makes an error of this kind, without a code.
    #[inline]
    #[must_use]
    pub const fn new(kind: ErrorKind) -> Self {
        Self::with_code(kind, 0)
    }

    /// Makes an error that the platform reported by a code: an errno, a WASI errno, or the number
    /// of an error case.
    ///
    /// Codes are 24 bits wide, sign included; the rest of a wider one is lost. No platform has any.
    #[inline]
    #[must_use]
    pub const fn with_code(kind: ErrorKind, code: i32) -> Self {
        match NonZeroU32::new(code.cast_unsigned() << 8 | kind as u32) {
            Some(word) => Self(word),
            // No kind is zero.
            None => unreachable!(),
        }
    }

    /// Returns the kind of the failure.
    #[inline]
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        ErrorKind::from_number(self.0.get().to_le_bytes()[0])
    }

    /// Returns the platform's own code, if it gave one.
    #[inline]
    #[must_use]
    pub const fn code(self) -> Option<i32> {
        let code = self.0.get().cast_signed() >> 8;
        if code == 0 { None } else { Some(code) }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("kind", &self.kind())
            .field("code", &self.code())
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Error {
    fn format(&self, formatter: defmt::Formatter<'_>) {
        defmt::write!(formatter, "Error {{ kind: {}, code: {} }}", self.kind(), self.code());
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind().sentence())?;
        match self.code() {
            Some(code) => write!(formatter, " (platform error {code})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Error {}

/// The error as the standard library has it: by its error number where it has one, by its kind
/// otherwise.
///
/// The code is taken for an error number of the system, as the backends of `selkie-std` report
/// them; elsewhere, as under WASI, only the kind is used.
#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        #[cfg(any(unix, windows))]
        if let Some(code) = error.code() {
            return Self::from_raw_os_error(code);
        }
        Self::new(io_kind(Error::kind(error)), error)
    }
}

/// Returns the standard library's word for a kind.
#[cfg(feature = "std")]
const fn io_kind(kind: ErrorKind) -> std::io::ErrorKind {
    use std::io::ErrorKind as Io;
    match kind {
        ErrorKind::AlreadyRegistered => Io::AlreadyExists,
        ErrorKind::NotRegistered | ErrorKind::Stale => Io::NotFound,
        ErrorKind::Unsupported => Io::Unsupported,
        ErrorKind::InvalidSource | ErrorKind::InvalidInput => Io::InvalidInput,
        ErrorKind::WouldBlock => Io::WouldBlock,
        ErrorKind::AddressInUse => Io::AddrInUse,
        ErrorKind::AddressUnavailable => Io::AddrNotAvailable,
        ErrorKind::PermissionDenied => Io::PermissionDenied,
        ErrorKind::ConnectionRefused => Io::ConnectionRefused,
        ErrorKind::ConnectionReset => Io::ConnectionReset,
        ErrorKind::ConnectionAborted => Io::ConnectionAborted,
        ErrorKind::NotConnected => Io::NotConnected,
        ErrorKind::BrokenPipe => Io::BrokenPipe,
        ErrorKind::TimedOut => Io::TimedOut,
        ErrorKind::Unreachable => Io::HostUnreachable,
        ErrorKind::OutOfMemory => Io::OutOfMemory,
        _ => Io::Other,
    }
}

impl embedded_io::Error for Error {
    fn kind(&self) -> embedded_io::ErrorKind {
        use embedded_io::ErrorKind as Embedded;
        match Self::kind(*self) {
            ErrorKind::PermissionDenied => Embedded::PermissionDenied,
            ErrorKind::ConnectionRefused => Embedded::ConnectionRefused,
            ErrorKind::ConnectionReset => Embedded::ConnectionReset,
            ErrorKind::ConnectionAborted => Embedded::ConnectionAborted,
            ErrorKind::NotConnected => Embedded::NotConnected,
            ErrorKind::AddressInUse => Embedded::AddrInUse,
            ErrorKind::AddressUnavailable => Embedded::AddrNotAvailable,
            ErrorKind::BrokenPipe => Embedded::BrokenPipe,
            ErrorKind::InvalidInput | ErrorKind::InvalidSource => Embedded::InvalidInput,
            ErrorKind::TimedOut => Embedded::TimedOut,
            ErrorKind::Unsupported => Embedded::Unsupported,
            ErrorKind::OutOfMemory => Embedded::OutOfMemory,
            _ => Embedded::Other,
        }
    }
}

impl From<embedded_io::ErrorKind> for Error {
    fn from(kind: embedded_io::ErrorKind) -> Self {
        use embedded_io::ErrorKind as Embedded;
        Self::new(match kind {
            Embedded::PermissionDenied => ErrorKind::PermissionDenied,
            Embedded::ConnectionRefused => ErrorKind::ConnectionRefused,
            Embedded::ConnectionReset => ErrorKind::ConnectionReset,
            Embedded::ConnectionAborted => ErrorKind::ConnectionAborted,
            Embedded::NotConnected => ErrorKind::NotConnected,
            Embedded::AddrInUse => ErrorKind::AddressInUse,
            Embedded::AddrNotAvailable => ErrorKind::AddressUnavailable,
            Embedded::BrokenPipe => ErrorKind::BrokenPipe,
            Embedded::InvalidInput | Embedded::InvalidData => ErrorKind::InvalidInput,
            Embedded::TimedOut => ErrorKind::TimedOut,
            Embedded::Unsupported => ErrorKind::Unsupported,
            Embedded::OutOfMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        for number in 1..=ErrorKind::Other as u8 {
            let kind = ErrorKind::from_number(number);
            assert_eq!(kind as u8, number, "{kind:?} is out of order");
            assert_eq!(Error::new(kind).kind(), kind);
            assert_eq!(Error::new(kind).code(), None);
        }
    }

    #[test]
    fn codes_of_either_sign_come_back() {
        for code in [1, 110, 0xffff, -1, (1 << 23) - 1, -(1 << 23)] {
            let error = Error::with_code(ErrorKind::TimedOut, code);
            assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, Some(code)));
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn the_standard_library_understands() {
        fn with_question_mark() -> std::io::Result<()> {
            Err(Error::new(ErrorKind::Stale))?;
            Ok(())
        }
        let stale = with_question_mark().unwrap_err();
        assert_eq!(stale.kind(), std::io::ErrorKind::NotFound);
        assert!(std::string::ToString::to_string(&stale).contains("stale"));
        let coded = std::io::Error::from(Error::with_code(ErrorKind::ConnectionRefused, 111));
        #[cfg(unix)]
        assert_eq!(coded.raw_os_error(), Some(111));
        #[cfg(not(any(unix, windows)))]
        assert_eq!(coded.kind(), std::io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_result_without_a_value_is_one_word() {
        assert_eq!(size_of::<Result<(), Error>>(), 4);
    }
}
