//! Hosts that give a program no network, or lack an interface: the programs say which option to
//! give, in one sentence, and where the host itself refuses a program it names what it lacks.

use std::io::Write;

use crate::clients;
use crate::runtime::{COMPONENT_RUNTIMES, Runtime};

/// Checks that a program complains in one sentence that says what to do, and does not trap (for
/// which wasmtime ends with 134).
fn assert_complains(complaint: Option<(i32, String)>, expected: i32, words: &str) {
    let Some((code, text)) = complaint else { return };
    assert_eq!(code, expected, "{text}");
    assert!(text.starts_with("echo: ") && text.trim_end().lines().count() == 1, "{text}");
    assert!(text.contains(words), "{text}");
}

#[test]
fn without_a_socket_a_wasi_01_program_says_what_to_run() {
    for name in ["wasmtime-36", "wasmtime-48", "wasmtime-49"] {
        assert_complains(
            Runtime::Wasmtime01(name).complaint("echo", &[], &[]),
            2,
            "-S preview2=n -S tcplisten=",
        );
    }
    assert_complains(Runtime::Wasmi01.complaint("echo", &[], &[]), 2, "wasmi run --tcplisten");
}

/// Gives no network, and then one that is not for TCP. Programs of these versions can only
/// say that they have failed, not with which number.
#[test]
fn without_the_network_a_component_says_what_to_run() {
    for runtime in COMPONENT_RUNTIMES {
        for options in [&[][..], &["-S", "inherit-network,tcp=n"]] {
            let complaint = runtime.complaint("echo", options, &["127.0.0.1:0"]);
            assert_complains(complaint, 1, "-S inherit-network");
        }
    }
}

/// Runs programs that import what the host does not have: it refuses them before they begin.
#[test]
fn a_host_that_lacks_an_interface_names_it() {
    let lacks_03 = (Runtime::Wasmtime03("wasmtime-36"), "echo", "component model async feature");
    let lacks_http = COMPONENT_RUNTIMES
        .map(|runtime| (runtime, "outgoing", "component imports instance `wasi:http/"));
    for (runtime, program, words) in lacks_http.into_iter().chain([lacks_03]) {
        let options = ["-S", "inherit-network"];
        let Some((code, text)) = runtime.complaint(program, &options, &["127.0.0.1:0"]) else {
            return;
        };
        assert!(code == 1 && text.contains(words), "{runtime:?}, {program}: {code}, {text}");
    }
}

/// Runs the program that the documentation shows for WASI 0.3.
#[test]
fn the_program_of_the_documentation_serves_and_says_what_it_lacks() {
    let runtime = Runtime::Wasmtime03("wasmtime-49");
    let Some((code, text)) = runtime.complaint("template", &[], &[]) else { return };
    assert_eq!((code, text.trim_end().lines().count()), (1, 1), "{text}");
    assert!(text.contains("-S inherit-network"), "{text}");
    let Some(mut server) = runtime.silent("template") else { return };
    let mut client = server.target().connect();
    client.write_all(b"hello").expect("bytes are taken");
    clients::expect(&mut client, b"HELLO");
    assert!(server.is_up());
}
