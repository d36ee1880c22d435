//! Errors in the terms of embedded-io, and what is printed of them.

use embedded_io::ErrorKind as Embedded;
use selkie_core::{CloseReason, Error, ErrorKind, SendError};

#[test]
fn what_embedded_io_has_a_name_for_keeps_it() {
    for (kind, embedded) in [
        (ErrorKind::PermissionDenied, Embedded::PermissionDenied),
        (ErrorKind::ConnectionRefused, Embedded::ConnectionRefused),
        (ErrorKind::ConnectionReset, Embedded::ConnectionReset),
        (ErrorKind::ConnectionAborted, Embedded::ConnectionAborted),
        (ErrorKind::NotConnected, Embedded::NotConnected),
        (ErrorKind::AddressInUse, Embedded::AddrInUse),
        (ErrorKind::AddressUnavailable, Embedded::AddrNotAvailable),
        (ErrorKind::BrokenPipe, Embedded::BrokenPipe),
        (ErrorKind::InvalidInput, Embedded::InvalidInput),
        (ErrorKind::TimedOut, Embedded::TimedOut),
        (ErrorKind::Unsupported, Embedded::Unsupported),
        (ErrorKind::OutOfMemory, Embedded::OutOfMemory),
        (ErrorKind::Other, Embedded::Other),
    ] {
        assert_eq!(embedded_io::Error::kind(&Error::new(kind)), embedded);
        assert_eq!(Error::from(embedded).kind(), kind);
    }
}

#[test]
fn what_only_one_side_has_a_name_for_comes_near_it() {
    assert_eq!(
        embedded_io::Error::kind(&Error::new(ErrorKind::InvalidSource)),
        Embedded::InvalidInput
    );
    assert_eq!(embedded_io::Error::kind(&Error::new(ErrorKind::Full)), Embedded::Other);
    assert_eq!(Error::from(Embedded::InvalidData).kind(), ErrorKind::InvalidInput);
    assert_eq!(Error::from(Embedded::NotFound).kind(), ErrorKind::Other);
}

#[test]
fn an_error_is_a_sentence_with_the_platforms_number() {
    assert_eq!(Error::new(ErrorKind::TimedOut).to_string(), "timed out");
    let refused = Error::with_code(ErrorKind::ConnectionRefused, 111);
    assert_eq!(refused.to_string(), "connection refused (platform error 111)");
    assert_eq!((refused.code(), Error::new(ErrorKind::Full).code()), (Some(111), None));
}

#[test]
fn reasons_and_refusals_have_words() {
    for reason in CloseReason::ALL {
        assert_eq!(reason.to_string(), reason.name());
        assert_eq!(format!("{reason:?}").to_lowercase(), reason.name().replace([' ', '-'], ""));
    }
    assert!(SendError::Full.to_string().contains("no room"));
    assert!(SendError::Closed.to_string().contains("closed"));
}
