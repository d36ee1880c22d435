//! The examples whose services are tasks: echo and frames in every runtime, the proxy where a
//! program can connect.

use std::io::Write;

use crate::clients::{self, Target};
use crate::frames;
use crate::runtime::Runtime;
use crate::upstream::refusing;

pub(crate) fn echo(runtime: Runtime) {
    let Some(mut server) = runtime.program_with("async_echo", 64, &["--capacity", "64"]) else {
        return;
    };
    clients::interleaved(&server.target());
    clients::large_with_half_close(&server.target(), 1 << 20);
    clients::churn(&server.target(), 50);
    assert!(server.is_up());
}

pub(crate) fn frames(runtime: Runtime) {
    let Some(mut server) = runtime.program_with("async_frames", 64, &["--capacity", "64"]) else {
        return;
    };
    let (mut quick, mut slow) = (server.target().connect(), server.target().connect());
    slow.write_all(b"\0\x09e").expect("a part is taken");
    frames::in_order(&mut quick);
    frames::expect(&mut slow, b"!timed out");
    assert!(server.is_up());
}

/// Relays to the second of two servers, an echo in the same runtime; the first refuses.
pub(crate) fn proxy(runtime: Runtime) {
    let Some(echo) = runtime.program_with("async_echo", 64, &["--capacity", "64"]) else { return };
    let (_kept, refuses) = refusing();
    let refuses = refuses.to_string();
    let upstream = echo.target().address.to_string();
    let options = ["--capacity", "64", &refuses, &upstream];
    let Some(mut server) = runtime.program_with("async_proxy", 64, &options) else { return };
    let target = Target { capacity: 16, ..server.target() };
    clients::interleaved(&target);
    clients::large_with_half_close(&target, 1 << 20);
    assert!(server.is_up());
}
