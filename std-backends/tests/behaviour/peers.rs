//! Checks of what is no TCP connection: the conformance suite has those.

use std::io::Write;
use std::os::unix::net::UnixStream;

use selkie_core::ErrorKind;
use selkie_core::platform::{Capabilities, Selector, Transport};

use crate::{pipe, platform};

#[test]
fn a_check_notices_a_unix_peer_that_is_gone_after_its_bytes_are_read() {
    let mut platform = platform();
    assert!(platform.capabilities().contains(Capabilities::CHECK | Capabilities::ABORT));
    let (near, mut far) = UnixStream::pair().unwrap();
    let stream = platform.adopt(near.into()).unwrap();
    assert_eq!(platform.check(stream), Ok(()));
    far.write_all(b"last").unwrap();
    drop(far);
    assert_eq!(platform.check(stream), Ok(()), "there is input left");
    assert_eq!(platform.read(stream, &mut [0; 8]), Ok(4));
    assert_eq!(platform.check(stream).unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn a_check_notices_a_pipe_without_its_other_end() {
    let mut platform = platform();
    let (reader, mut writer) = pipe();
    writer.write_all(b"last").unwrap();
    let read_end = platform.adopt(reader.into()).unwrap();
    assert_eq!(platform.check(read_end), Ok(()));
    drop(writer);
    assert_eq!(platform.check(read_end), Ok(()), "there is input left");
    assert_eq!(platform.read(read_end, &mut [0; 8]), Ok(4));
    assert_eq!(platform.check(read_end).unwrap_err().kind(), ErrorKind::NotConnected);

    let (reader, writer) = pipe();
    let write_end = platform.adopt(writer.into()).unwrap();
    assert_eq!(platform.check(write_end), Ok(()));
    drop(reader);
    assert_eq!(platform.check(write_end).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_listener_passes_a_check() {
    let mut platform = platform();
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 16).unwrap();
    assert_eq!(platform.check(listener), Ok(()));
}
