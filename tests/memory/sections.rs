//! The section that the memory of a static server is in: a `bool` in a session must not move all of
//! it from `.bss`, which a program's file does not contain, to `.data`.

use std::sync::Mutex;

use selkie::memory::{StaticLoop, StaticServer};
use selkie::platform::Socket;

/// A value of which all bits zero is one, and `None` is not.
#[derive(Default)]
#[allow(dead_code, reason = "only its layout counts")]
struct Session {
    is_known: bool,
    name: Option<&'static str>,
    kind: Kind,
}

#[derive(Default)]
#[allow(dead_code, reason = "only its layout counts")]
enum Kind {
    #[default]
    First,
    Second,
}

static SERVER: Mutex<StaticServer<Socket, Session, 4096, 64, 65_536, 1024>> =
    Mutex::new(StaticServer::new());
static LOOP: Mutex<StaticLoop<65_536, 4096>> = Mutex::new(StaticLoop::new());
/// Something that a file must contain, to show that the test can tell.
static DATA: Mutex<[u8; 65_536]> = Mutex::new([1; 65_536]);

/// Returns true if the program's file contains the middle of `value`. Pages of `.bss` are mapped
/// from no file.
fn is_in_the_file<T>(value: &T) -> bool {
    let middle = std::ptr::from_ref(value) as usize + size_of::<T>() / 2;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let mapping = maps.lines().find(|line| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let (start, end) = range.expect("a range");
        let number = |text| usize::from_str_radix(text, 16).expect("an address");
        (number(start)..number(end)).contains(&middle)
    });
    mapping.expect("a static is mapped").contains('/')
}

#[test]
fn a_bool_in_a_session_keeps_static_memory_out_of_the_file() {
    assert!(is_in_the_file(&DATA));
    assert!(!is_in_the_file(&SERVER));
    assert!(!is_in_the_file(&LOOP));
}
