//! WASI 0.1: who gets the listeners that the host has opened for the program. Each is given away
//! once in a process, so this is a process of its own.

use selkie_core::ErrorKind;
use wasi_guest::host::{self, preview1};
use wasi_guest::{PollOneoff, StaticPollOneoff};

/// The host's answer when it is asked of a descriptor: a socket, which does not block.
const SOCKET: [u8; 3] = [0, 6, 4];
/// That there is no such descriptor.
const NONE: [u8; 2] = [200, 8];

#[test]
fn a_preopened_listener_belongs_to_one_platform() {
    let mut answers = [SOCKET, SOCKET].concat();
    answers.extend(NONE);
    // Each of the two is looked at once more when it is given away, and when it is made
    // non-blocking.
    answers.extend([SOCKET; 4].concat());
    host::begin(&answers);
    // Three standard streams are numbered from 0, but the host of the tests counts from 1.
    let descriptors: Vec<u32> = (0..4).map(|_| preview1::open()).collect();
    assert_eq!(descriptors, [1, 2, 3, 4]);

    let mut memory: [StaticPollOneoff<1>; 3] = core::array::from_fn(|_| StaticPollOneoff::new());
    let [first, second, third] = memory.each_mut().map(|memory| PollOneoff::new(memory.storage()));
    let (mut first, mut second, mut third) = (first, second, third);
    let listener = first.preopened_listener().expect("there are two");
    assert_eq!(first.fd(listener), Ok(3));
    let listener = second.preopened_listener().expect("there is another");
    assert_eq!(second.fd(listener), Ok(4));
    assert_eq!(third.preopened_listener().unwrap_err().kind(), ErrorKind::InvalidSource);

    // What one platform has closed has no owner; the number may be that of something else by now.
    drop(first);
    assert_eq!(third.preopened_listener().unwrap_err().kind(), ErrorKind::InvalidSource);
    drop(second);
    host::take_back(1);
    host::take_back(2);
    assert_eq!(host::handles(), 0, "each descriptor is closed once");
}
