//! Terminals: what is shared with the shell is left as it was.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Mutex;

use selkie_core::Error;
use selkie_core::platform::{Close, Transport};

use crate::{check, pipe, platform};

/// Returns both sides of a new pseudo-terminal: the one of the emulator, and the one of the shell.
fn terminal() -> (OwnedFd, File) {
    /// The name of the other side is in memory that all threads share.
    static NAME: Mutex<()> = Mutex::new(());

    let _guard = NAME.lock().unwrap();
    // SAFETY: the call takes no pointers.
    let master = check(unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) });
    // SAFETY: the descriptor is new, so it has no other owner.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    // SAFETY: the calls take no pointers, and the name is read before any other call for one.
    let name = unsafe {
        check(libc::grantpt(master.as_raw_fd()));
        check(libc::unlockpt(master.as_raw_fd()));
        CStr::from_ptr(libc::ptsname(master.as_raw_fd())).to_str().unwrap()
    };
    let shell = OpenOptions::new().read(true).write(true).open(name).unwrap();
    (master, shell)
}

/// Returns true if the open file of a descriptor blocks.
fn is_blocking(fd: &impl AsRawFd) -> bool {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) }) & libc::O_NONBLOCK == 0
}

#[test]
fn a_terminal_blocks_again_when_it_is_closed_released_or_dropped() {
    for end in ["closed", "released", "dropped"] {
        let (_master, shell) = terminal();
        let mut platform = platform();
        let source = platform.adopt(shell.try_clone().unwrap().into()).unwrap();
        assert!(!is_blocking(&shell));
        match end {
            "closed" => platform.close(source, Close::Graceful).unwrap(),
            "released" => drop(platform.release(source).unwrap()),
            _ => drop(platform),
        }
        assert!(is_blocking(&shell), "{end}");
    }
}

#[test]
fn a_pipe_that_did_not_block_before_does_not_block_afterwards() {
    let (reader, _writer) = pipe();
    let mut platform = platform();
    let first = platform.adopt(reader.try_clone().unwrap().into()).unwrap();
    let second = platform.adopt(reader.try_clone().unwrap().into()).unwrap();
    platform.close(second, Close::Graceful).unwrap();
    assert!(!is_blocking(&reader), "the second found it non-blocking, and leaves it so");
    platform.close(first, Close::Graceful).unwrap();
    assert!(is_blocking(&reader));
}

#[test]
fn a_terminal_that_another_owner_makes_blocking_does_not_block() {
    let (_master, shell) = terminal();
    let mut platform = platform();
    let source = platform.adopt(shell.try_clone().unwrap().into()).unwrap();
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::fcntl(shell.as_raw_fd(), libc::F_SETFL, libc::O_RDWR) });
    assert_eq!(platform.read(source, &mut [0; 8]), Err(Error::WOULD_BLOCK));
    platform.close(source, Close::Graceful).unwrap();
    assert!(is_blocking(&shell));
}

#[test]
fn the_end_of_a_terminal_is_the_end_of_the_stream() {
    let (master, mut shell) = terminal();
    let mut platform = platform();
    let source = platform.adopt(master).unwrap();
    shell.write_all(b"bye").unwrap();
    drop(shell);
    let mut bytes = [0; 8];
    assert_eq!(platform.read(source, &mut bytes), Ok(3));
    assert_eq!(platform.read(source, &mut bytes), Ok(0));
}
