//! An echo server over smoltcp that receives any frames: raw ones, and segments that are nearly
//! right. Nothing panics, the loop always sleeps in the end, and once the peer is silent every
//! socket comes back.
#![no_main]

use core::mem::ManuallyDrop;
use core::time::Duration;

use libfuzzer_sys::fuzz_target;
use selkie_fuzz::choices::Choices;
use selkie_fuzz::peer::{self, Segment, flags};
use selkie_fuzz::test_bench::{Memory, Tables, TestBench};

/// The most steps of a run.
const STEPS_MAX: usize = 200;

/// Returns as many bytes as the first one says.
fn bytes(choices: &Choices) -> Vec<u8> {
    (0..choices.byte()).map(|_| choices.byte()).collect()
}

fn step(bench: &mut TestBench<'_>, choices: &Choices) {
    match choices.below(10) {
        0 => bench.deliver(bytes(choices)),
        1 => bench.deliver(peer::ethernet(u16::from_be_bytes(choices.array()), &bytes(choices))),
        2 => bench.deliver(peer::ip(choices.byte(), &bytes(choices))),
        3 => bench.deliver(peer::arp()),
        4 => {
            bench.settle();
            bench.pass(Duration::from_millis(u64::from(choices.byte()) * 50));
        }
        5 => {
            // A connection that comes about as it should.
            let port = 2_000 + u16::from(choices.byte() % 6);
            bench.send(&Segment::plain(port, flags::SYN, &[]));
            bench.settle();
            bench.send(&Segment::plain(port, flags::ACK, &bytes(choices)));
        }
        6 | 7 => {
            bench.settle();
        }
        _ => bench.send(&Segment::choose(choices)),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let choices = Choices::new(bytes);
    // The sockets borrow from the same memory that they are in, which could therefore not be
    // dropped. It has nothing to drop.
    let mut memory = ManuallyDrop::new(Memory::new());
    let mut tables = Tables::default();
    let mut bench = TestBench::new(&mut memory, &mut tables);
    for _ in 0..STEPS_MAX {
        if choices.is_over() {
            break;
        }
        step(&mut bench, &choices);
    }
    bench.settle();
    bench.expect_recovery();
});
