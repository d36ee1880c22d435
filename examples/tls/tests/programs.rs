//! The program with the clients that people use: curl, and `openssl s_client`.
#![cfg(unix)]

mod certificate;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A running server, which is killed if a test fails.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
    certificate: PathBuf,
}

impl Server {
    fn start(service: &str) -> Option<Self> {
        Self::start_with(service, service, &[])
    }

    /// Starts it for a test of this name.
    fn start_with(test: &str, service: &str, options: &[&str]) -> Option<Self> {
        let (certificate, key) = certificate::files(test)?;
        let mut process = Command::new(env!("CARGO_BIN_EXE_selkie-tls"))
            .args(["127.0.0.1:0", "--service", service])
            .arg("--certificate")
            .arg(&certificate)
            .arg("--key")
            .arg(&key)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be run");
        let mut stdout = BufReader::new(process.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output can be read");
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}"));
        Some(Self { process, stdout, address, certificate })
    }

    /// Connects without TLS.
    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("it listens");
        let patience = Some(Duration::from_secs(30));
        client.set_read_timeout(patience).expect("a connected socket takes the option");
        client
    }

    /// Sends bytes without TLS, and returns what comes until the end.
    fn answer_to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut client = self.connect();
        let _ = client.write_all(bytes);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        answer
    }

    /// Asks for a path by curl. Returns the number of bytes, or nothing without curl.
    fn curl(&self, path: &str) -> Option<usize> {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "60", "--cacert"])
            .arg(&self.certificate)
            .arg(format!("https://127.0.0.1:{}{path}", self.address.port()))
            .output();
        let Ok(output) = output else {
            println!("not run: curl is not installed");
            return None;
        };
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "curl: {complaint}");
        Some(output.stdout.len())
    }

    /// Ends it, and returns what it prints.
    fn stop(mut self) -> String {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").arg(&id).status().expect("there is a kill");
        assert!(sent.success());
        let mut report = String::new();
        self.stdout.read_to_string(&mut report).expect("its output can be read");
        assert!(self.process.wait().expect("the child is ours").success());
        report
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A member of the chat: an `openssl s_client`.
struct Member {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Member {
    fn join(server: &Server, nick: &str, version: &str) -> Self {
        let mut process = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_quiet", "-verify_return_error", version])
            .args(["-connect", &server.address.to_string(), "-servername", "localhost"])
            .arg("-CAfile")
            .arg(&server.certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it made the certificate");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let mut member = Self { process, input, output };
        assert_eq!(member.line(), "your nickname?\n");
        member.say(nick);
        member
    }

    fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it has an input");
        input.write_all(format!("{line}\n").as_bytes()).expect("it reads its input");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("its output can be read");
        line
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_chat_inside_tls_reaches_everybody() {
    let options = ["--handshake-timeout", "600"];
    let Some(server) = Server::start_with("chat", "chat", &options) else { return };
    // One without TLS, one that never says anything, one that is cut in the middle.
    let mut plain = server.connect();
    plain.write_all(b"not TLS at all\n").expect("it takes bytes");
    let silent = server.connect();
    let mut cut = server.connect();
    cut.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).expect("it takes bytes");
    drop(cut);
    let mut ann = Member::join(&server, "ann", "-tls1_3");
    let mut bob = Member::join(&server, "bob", "-tls1_2");
    assert_eq!(ann.line(), "bob joined\n");
    bob.say("hello");
    assert_eq!(ann.line(), "bob: hello\n");
    ann.say("goodbye");
    assert_eq!(bob.line(), "ann: goodbye\n");
    let mut alert = Vec::new();
    plain.read_to_end(&mut alert).expect("it ends in time");
    assert_eq!(alert.first(), Some(&21), "an alert, then the end: {alert:?}");
    drop(bob);
    assert_eq!(ann.line(), "bob left\n");
    drop((ann, silent));
    let report = server.stop();
    assert!(report.contains("handshakes 2, failed 1, timed out 0"), "{report}");
}

#[test]
fn curl_gets_what_it_asks_for() {
    let Some(server) = Server::start("http") else { return };
    // More than all buffers together, at one go and slowly.
    for length in [0, 1, 16_384, 3_000_000] {
        let Some(count) = server.curl(&format!("/bytes/{length}")) else { return };
        assert_eq!(count, length);
    }
    let report = server.stop();
    assert!(report.contains("handshakes 4, failed 0, timed out 0, truncated 0"), "{report}");
}

/// Connects with TLS.
fn connect_tls(server: &Server) -> StreamOwned<ClientConnection, TcpStream> {
    let certificate = CertificateDer::from_pem_file(&server.certificate).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("it is well-formed");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("a configuration");
    StreamOwned::new(tls, server.connect())
}

#[test]
fn a_task_inside_tls_gives_each_client_its_own_bytes() {
    let options = ["--handshake-timeout", "600"];
    let Some(server) = Server::start_with("task", "async-echo", &options) else { return };
    std::thread::scope(|scope| {
        for number in 1..=6_u8 {
            let mut client = connect_tls(&server);
            scope.spawn(move || {
                // Less than a task's buffer, more than it, more than a record and than the server's
                // own buffers.
                for length in [1, 255, 257, 5_000, 16_385, 60_000] {
                    let sent = vec![number; length];
                    let mut received = vec![0; length];
                    client.write_all(&sent).expect("the server takes bytes");
                    client.read_exact(&mut received).expect("the server answers in time");
                    assert!(sent == received, "foreign bytes among {length}");
                }
                if number % 2 == 0 {
                    return; // Cut without a goodbye.
                }
                client.conn.send_close_notify();
                client.flush().expect("the server takes bytes");
                assert_eq!(client.read(&mut [0]).expect("the server says goodbye"), 0);
            });
        }
    });
    let report = server.stop();
    assert!(report.contains("accepted 6, closed 6\nhandshakes 6, failed 0, "), "{report}");
    assert!(report.contains("truncated 3"), "{report}");
}

/// The first bytes of a handshake.
const HELLO: [u8; 11] = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];

#[test]
fn what_is_no_tls_is_answered_by_an_alert() {
    let Some(server) = Server::start_with("no_tls", "http", &[]) else { return };
    // Other protocols, a record that is too long, one of another version, one in the middle.
    let oversized = [&[22, 3, 3, 0xff, 0xff][..], &[0; 4096]].concat();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 5000], &oversized, &[20, 9, 9, 0, 1, 1]] {
        assert_eq!(server.answer_to(bytes).first(), Some(&21), "no alert to {:?}", &bytes[..5]);
    }
    for end in 0..HELLO.len() {
        server.connect().write_all(&HELLO[..end]).expect("it takes bytes");
    }
    let report = server.stop();
    assert!(report.contains("failed 4, timed out 0, "), "{report}");
}

#[test]
fn a_handshake_in_progress_delays_no_other() {
    let options = ["--handshake-timeout", "600"];
    let Some(server) = Server::start_with("in_progress", "http", &options) else { return };
    let mut unfinished: Vec<_> = (0..HELLO.len()).map(|_| server.connect()).collect();
    for (length, client) in unfinished.iter_mut().enumerate() {
        client.write_all(&HELLO[..length]).expect("it takes bytes");
    }
    let Some(3) = server.curl("/bytes/3") else { return };
    for client in &mut unfinished {
        client.set_nonblocking(true).expect("a connected socket takes the option");
        let error = client.read(&mut [0]).expect_err("it has sent something, or the end");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "its handshake goes on");
    }
}

#[test]
fn handshakes_that_are_silent_or_slow_end_in_time() {
    let options = ["--handshake-timeout", "0.5"];
    let Some(server) = Server::start_with("slow", "http", &options) else { return };
    assert_eq!(server.answer_to(&HELLO), b"");
    assert_eq!(server.answer_to(b""), b"");
    let mut slow = server.connect();
    slow.set_read_timeout(Some(Duration::from_millis(20))).expect("it takes the option");
    let ends = HELLO.iter().chain(std::iter::repeat(&0)).take(500).any(|byte| {
        let read = slow.write_all(&[*byte]).and_then(|()| slow.read(&mut [0]));
        !matches!(&read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert!(ends, "a slow handshake goes on");
    let report = server.stop();
    assert!(report.contains("failed 0, timed out 3, "), "{report}");
}

#[test]
fn a_certificate_that_is_none_is_named() {
    let Some((certificate, key)) = certificate::files("named") else { return };
    let wrong = certificate.with_file_name("wrong.pem");
    std::fs::write(&wrong, "no certificate").expect("the folder is there");
    let missing = certificate.with_file_name("missing.pem");
    for (certificate, key, named) in
        [(&wrong, &key, &wrong), (&missing, &key, &missing), (&certificate, &wrong, &wrong)]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selkie-tls"));
        command.args(["127.0.0.1:0", "--certificate"]).arg(certificate).arg("--key").arg(key);
        let output = command.output().expect("it can be run");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(&named.display().to_string()), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
