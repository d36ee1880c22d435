//! The programs whose services are tasks.

use std::io::Write;

use crate::server::{self, Server};
use crate::upstream::{refusing, silent};
use crate::{UNREACHABLE, answer_to, answer_to_half, beside, clients, trickle};

const ECHO: &str = env!("CARGO_BIN_EXE_async_echo");
const FRAMES: &str = env!("CARGO_BIN_EXE_async_frames");
const PROXY: &str = env!("CARGO_BIN_EXE_async_proxy");

#[test]
fn clients_of_an_echo_task_that_trickle_or_vanish_keep_no_other_waiting() {
    let server = crate::start(ECHO, &["--idle-timeout", "2"]);
    let target = server.target();
    beside(
        || target.serves(),
        || {
            let mut silent = target.connect();
            let mut slow = target.connect();
            for byte in [7; 40] {
                assert_eq!(trickle(&mut slow, &[byte]), 1);
                clients::expect(&mut slow, &[byte]);
            }
            clients::leave(slow);
            crate::close_in_the_middle(&server, &vec![9; 100_000]);
            assert_eq!(answer_to_half(&server, &vec![3; 50_000]), vec![3; 50_000]);
            assert_eq!(crate::rest(&mut silent), b"");
        },
    );
    server.stop();
}

#[test]
fn frames_that_are_wrong_too_long_slow_or_cut_off_keep_no_other_waiting() {
    let server = crate::start(FRAMES, &[]);
    let shout = || assert_eq!(answer_to_half(&server, b"\0\x03uhi"), b"\0\x02HI");
    beside(shout, || {
        assert_eq!(answer_to_half(&server, b"\0\0\0\x01x\0\x02w\0"), b"\0\x01?".repeat(3));
        assert_eq!(answer_to(&server, b"\xff\xffe"), b"\0\x09!too long");
        assert_eq!(answer_to(&server, b"\x01\x01e"), b"\0\x09!too long");
        for half in [&b"\0"[..], b"\0\x09", b"\0\x09uhello"] {
            assert_eq!(answer_to_half(&server, half), b"", "{half:?}");
        }
        // A frame has five seconds, however its bytes come.
        let mut slow = server.target().connect();
        trickle(&mut slow, &[&b"\x01\0e"[..], &[b'x'; 255][..254]].concat());
        assert_eq!(crate::rest(&mut slow), b"\0\x0a!timed out");
        let mut fast = server.target().connect();
        let (request, answer) = ([&b"\x01\0u"[..], &[b'x'; 255]], [&b"\0\xff"[..], &[b'X'; 255]]);
        crate::expect_pipelined(&mut fast, &request.concat(), &answer.concat());
        clients::leave(fast);
        crate::close_in_the_middle(&server, &b"\0\x0auxxxxxxxxx".repeat(20));
    });
    server.stop();
}

#[test]
fn a_proxy_task_passes_over_servers_that_are_unreachable_silent_or_refuse() {
    let echo = crate::start(server::PROGRAM, &[]);
    let live = echo.target().address.to_string();
    let ((_silent, silent), (_refusing, refuses)) = (silent(), refusing());
    let start = |bad: &str| -> Server { crate::start(PROXY, &[bad, &live]) };
    for bad in [UNREACHABLE[0], UNREACHABLE[1], &refuses.to_string(), &silent.to_string()] {
        let proxy = start(bad);
        for _ in 0..2 {
            proxy.target().serves();
        }
        crate::close_in_the_middle(&proxy, &[1; 1000]);
        let mut slow = proxy.target().connect();
        assert_eq!(trickle(&mut slow, b"x"), 1);
        clients::expect(&mut slow, b"x");
        slow.write_all(b"and more").expect("it takes a few bytes");
        clients::expect(&mut slow, b"and more");
        clients::leave(slow);
        drop(proxy);
    }
    echo.stop();
}
