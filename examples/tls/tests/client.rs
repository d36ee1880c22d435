//! TLS in the direction out: the client against `openssl s_server`, and against servers that are
//! none.
#![cfg(unix)]

mod certificate;
#[path = "../../../tests/clients/upstream.rs"]
#[allow(dead_code, reason = "a server that is silent is one that listens here")]
mod upstream;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An `openssl s_server` that sends lines back in reverse, which is killed at the end.
struct Reverser {
    process: Child,
    address: String,
    certificate: PathBuf,
}

impl Reverser {
    fn start(test: &str, options: &[&str]) -> Option<Self> {
        let (certificate, key) = certificate::files(test)?;
        let mut process = Command::new("openssl")
            .args(["s_server", "-rev", "-accept", "127.0.0.1:0", "-cert"])
            .arg(&certificate)
            .arg("-key")
            .arg(&key)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it made the certificate");
        let output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let line = output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned));
        let address = line.expect("it says where it listens");
        Some(Self { process, address, certificate })
    }
}

impl Drop for Reverser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks a server. Returns the answer, or the error.
fn ask(address: &str, authority: &Path, options: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_selkie-tls-ask"))
        .args([address, "hello", "--authority"])
        .arg(authority)
        .args(options)
        .output()
        .expect("it can be run");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_server_whose_certificate_is_right_is_asked() {
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(server) = Reverser::start(&format!("right{version}"), &[version]) else { return };
        let asked = |options: &[&str]| ask(&server.address, &server.certificate, options);
        assert_eq!(asked(&[]), Ok("olleh\n".to_owned()), "by its address, {version}");
        assert_eq!(asked(&["--name", "localhost"]), Ok("olleh\n".to_owned()), "by its name");
    }
}

#[test]
fn a_certificate_that_is_refused_says_why() {
    let Some(server) = Reverser::start("refused", &[]) else { return };
    let other = certificate::files("other").expect("openssl is there").0;
    for (authority, options, why) in [
        (&other, &[][..], "certificate"),
        (&server.certificate, &["--name", "selkie.test"], "certificate not valid for name"),
    ] {
        let error = ask(&server.address, authority, options).expect_err("it is refused");
        let expected = format!("ask: {}: ", server.address);
        assert!(error.starts_with(&expected) && error.contains(why), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_server_that_is_none_refuses_or_is_silent_is_an_error_in_time() {
    let Some((certificate, _)) = certificate::files("none") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let error = ask(&address, &certificate, &["--timeout", "0.3"]).expect_err("it is silent");
    assert!(error.contains("no handshake in time"), "{error}");
    let plain = std::thread::spawn(move || {
        // The one that was silent is the first.
        let _ = listener.accept();
        let (mut client, _) = listener.accept().expect("it connects");
        client.write_all(b"220 mail.test ESMTP\r\n").expect("it takes a line");
        client
    });
    let error = ask(&address, &certificate, &[]).expect_err("it speaks no TLS");
    assert!(error.contains("corrupt message"), "{error}");
    drop(plain.join().expect("no panic"));
    let (_kept, address) = upstream::refusing();
    let error = ask(&address.to_string(), &certificate, &[]).expect_err("no listener is there");
    assert!(error.contains("no answer: refused"), "{error}");
    for (address, authority) in [("tls.test:443", &certificate), ("127.0.0.1:9", &"none".into())] {
        let error = ask(address, authority, &[]).expect_err("it is refused");
        assert!(error.contains("tls.test:443") || error.contains("none: "), "{error}");
    }
}
