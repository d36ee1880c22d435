//! The front door in static memory, driven by turns.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant as Clock};

use selkie::memory::{StaticBuilder, StaticFrontDoor, StaticMemory};
use selkie::platform::{DefaultSelector, Platform, Socket};
use selkie::{Instant, static_memory};
use selkie_services::Echo;

/// Two clients, and one idle second.
const SETTINGS: StaticBuilder = StaticBuilder::new()
    .connections(2)
    .buffer_size(256)
    .events(4)
    .idle_timeout(Some(Duration::from_secs(1)));

type Memory = static_memory!(SETTINGS, Socket, ());
type Server<'m> = StaticFrontDoor<'m, Platform<DefaultSelector<'static>>, Echo>;

/// Puts a server together. Returns its address, too.
fn server(memory: &mut Memory) -> (SocketAddr, Server<'_>) {
    let slots = SETTINGS.slots();
    let selector = DefaultSelector::new(slots).expect("a selector");
    let mut platform = Platform::new(selector, slots).expect("memory");
    let listener = platform.listen(([127, 0, 0, 1], 0).into(), 8).expect("a free port");
    let address = platform.local_address(listener).expect("it is bound");
    let mut server = SETTINGS.build(platform, Echo, memory, Instant::ZERO);
    server.listen(listener).expect("a slot");
    (address, server)
}

/// Makes turns at `now` until a condition holds.
fn turn_until<'m>(server: &mut Server<'m>, now: Instant, holds: impl Fn(&Server<'m>) -> bool) {
    let end = Clock::now() + Duration::from_secs(30);
    while !holds(server) {
        assert!(Clock::now() < end, "it never holds: {:?}", server.counters());
        server.turn(now).expect("the platform polls");
        thread::yield_now();
    }
}

#[test]
fn clients_are_served_idle_ones_closed_and_a_drain_ends_it() {
    let mut memory = Memory::new();
    let (address, mut server) = server(&mut memory);
    let mut client = TcpStream::connect(address).expect("it listens");
    client.write_all(b"hello").expect("it is sent");
    turn_until(&mut server, Instant::ZERO, |server| server.counters().bytes_out == 5);
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"hello");

    // A turn says until when there is nothing to do.
    let next = server.turn(Instant::ZERO).expect("the platform polls");
    assert_eq!(next, Some(Instant::ZERO + Duration::from_secs(1)));
    let later = Instant::ZERO + Duration::from_secs(2);
    turn_until(&mut server, later, |server| {
        server.counters().closed_for(selkie::CloseReason::Idle) == 1
    });

    assert!(!server.is_stopped());
    server.drain(later, Duration::from_secs(1));
    turn_until(&mut server, later, StaticFrontDoor::is_stopped);
}

#[test]
fn static_memory_is_as_large_as_stated() {
    const LARGE: StaticBuilder = StaticBuilder::new().connections(64).buffers_each(1);
    for (size, stated) in [
        (size_of::<Memory>(), SETTINGS.memory::<Socket, ()>()),
        (size_of::<static_memory!(LARGE, u32, u64)>(), LARGE.memory::<u32, u64>()),
    ] {
        // The rest is for alignment.
        assert!((stated..stated + 16).contains(&size), "{size} bytes, {stated} stated");
    }
}

#[test]
#[should_panic(expected = "the settings need 9 slots, and the memory has 3")]
fn memory_that_was_made_for_other_settings_is_refused_with_both_numbers() {
    let mut memory = Memory::new();
    let selector = DefaultSelector::new(9).expect("a selector");
    let platform = Platform::new(selector, 9).expect("memory");
    let others = StaticBuilder::new().connections(8);
    let _ = others.build(platform, Echo, &mut memory, Instant::ZERO);
}

#[test]
fn the_memory_is_a_static_too() {
    static MEMORY: Mutex<Memory> = Mutex::new(StaticMemory::new());
    let mut memory = MEMORY.lock().expect("no other test has it");
    let (_, server) = server(&mut memory);
    assert_eq!(server.counters().accepted, 0);
}
