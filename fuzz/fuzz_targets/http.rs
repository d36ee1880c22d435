//! A client of the HTTP server that sends anything, cut anywhere: nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| selkie_fuzz::programs::http(bytes));
