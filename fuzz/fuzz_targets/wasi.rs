//! The WASI backends over a host that answers anything: nothing panics, no event is for a
//! dead token, nothing is read or written beyond what there is, no handle is used that is not the
//! guest's, and none is given back twice.
#![no_main]

use core::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use selkie_fuzz::guest::{SLOTS, run};
use wasi_guest::host::{self, byte};
use wasi_guest::{IoPoll, PollOneoff, Socket, StaticIoPoll, StaticPollOneoff, waitable_set};

/// Adopts a descriptor (WASI 0.1).
fn adopt(platform: &mut PollOneoff<'_>) -> Option<Socket> {
    let fd = host::preview1::open();
    // SAFETY: the host has just issued the descriptor, and has no other owner.
    let adopted = unsafe {
        match byte() % 3 {
            0 => platform.adopt_listener(fd),
            1 => platform.adopt_stream(fd),
            _ => platform.adopt_other(fd),
        }
    };
    if adopted.is_err() {
        host::take_back(fd);
    }
    adopted.ok()
}

/// Listens and asks for addresses (WASI 0.2).
fn listen(platform: &mut IoPoll<'_>) -> Option<Socket> {
    let listener = platform.listen(SocketAddr::from(([127, 0, 0, 1], 0)), byte().into()).ok()?;
    let _ = platform.local_address(listener);
    let _ = platform.peer_address(listener);
    Some(listener)
}

fn poll_oneoff() {
    let mut memory = StaticPollOneoff::<SLOTS>::new();
    let mut platform = PollOneoff::new(memory.storage());
    run(&mut platform, adopt);
    drop(platform);
    assert_eq!(host::handles(), 0, "every descriptor is closed in the end");
}

fn io_poll() {
    let mut memory = StaticIoPoll::<SLOTS>::new();
    // A host that says nothing at the start says so of every list.
    if let Ok(mut platform) = IoPoll::new(memory.storage()) {
        run(&mut platform, listen);
    }
}

fn waitable_set() {
    waitable_set::read(host::array());
    while !host::is_over() {
        waitable_set::read_outcome(u32::from_le_bytes(host::array()));
        waitable_set::try_table((0..20).map(|_| (u32::from(byte()) % 40, byte())));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((system, answers)) = bytes.split_first() else { return };
    host::begin(answers);
    match system % 3 {
        0 => poll_oneoff(),
        1 => io_poll(),
        _ => waitable_set(),
    }
});
