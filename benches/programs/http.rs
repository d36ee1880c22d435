//! `http` beside hyper and nginx.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use selkie::Builder;
use selkie::shards::{Distribution, Shards};
use selkie_services::Http;

use super::CLIENT_CORE;
use super::comparison::{Contestant, Subject, Work, compare};
use super::driver::{Driver, obey};
use super::server::{Directory, Peer, Server, announce, bind};
use crate::support::arguments::{Arguments, Role};

const NGINX: Peer = Peer { program: "nginx", package: "nginx-light", file: None };
const WRK: Peer = Peer { program: "wrk", package: "wrk", file: None };
const CONFIGURATION: &str = include_str!("peers/nginx-http.conf");
const PIPELINE: &str = include_str!("peers/pipeline.lua");
/// The length of a long reply, and the clients that read it.
const LONG: usize = 10 << 20;
const READERS: usize = 4;

pub(crate) fn run(arguments: &Arguments) {
    small(arguments, 1);
    small(arguments, 16);
    long(arguments);
}

/// Compares small replies, of which each client has so many under way.
fn small(arguments: &Arguments, depth: u64) {
    let title = match depth {
        1 => "http, small replies, 64 connections",
        _ => "http, small replies, 64 connections, 16 requests at once",
    };
    if !arguments.wants(title) {
        return;
    }
    if let Err(reason) = WRK.find() {
        println!("\n## {title}\n\n{reason}");
        return;
    }
    let goals = if depth == 1 { (Some(0.85), Some(1.0)) } else { (Some(0.6), None) };
    let explanation = "By wrk with one thread, a second a round; every reply has a Date.";
    let subject = Subject { title, explanation, unit: "request" };
    let seconds = arguments.scaled(1, 1);
    compare(arguments, subject, &contestants(goals), |_, server| wrk(server, depth, seconds));
}

/// Compares replies of 10 MiB.
fn long(arguments: &Arguments) {
    let title = "http, GET /bytes/10485760, 4 connections";
    if !arguments.wants(title) {
        return;
    }
    let contestants = contestants((None, Some(1.1)));
    let mut drivers: Vec<Option<Driver>> = contestants
        .iter()
        .map(|contestant| {
            let port = contestant.server.as_ref().ok()?.port().to_string();
            Some(Driver::start(&["read-long", &port]))
        })
        .collect();
    let count = arguments.scaled(12, 1);
    let explanation = "Read in pieces of 64 KiB at most.";
    let subject = Subject { title, explanation, unit: "reply" };
    compare(arguments, subject, &contestants, |position, _| {
        let driver = drivers[position].as_mut().expect("each server has a client");
        Work::new(count * READERS as u64, driver.run(count))
    });
}

/// Starts all servers. The goals are the ratios to hyper and to nginx.
fn contestants((hyper, nginx): (Option<f64>, Option<f64>)) -> Vec<Contestant> {
    let role = |words: &[&str]| Ok(Server::role(words, super::SERVER_CORE));
    let ring = has_ring().and_then(|()| role(&["http", "io_uring"]));
    let shards = role(&["http", "shards"]);
    vec![
        Contestant { name: "selkie http", goal: None, server: role(&["http"]) },
        Contestant { name: "selkie http, io_uring", goal: None, server: ring },
        Contestant { name: "selkie http, 2 shards on that core", goal: None, server: shards },
        Contestant { name: "hyper, tokio current_thread", goal: hyper, server: role(&["hyper"]) },
        Contestant { name: "nginx", goal: nginx, server: NGINX.find().map(|()| start_nginx()) },
    ]
}

fn start_nginx() -> Server {
    Server::peer(CONFIGURATION, &[], |directory| {
        let folder = directory.path().join("files/bytes");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(LONG.to_string()), vec![b'x'; LONG]).expect("a file");
        nginx_command(directory)
    })
}

/// Returns the command line of nginx in a folder of its own.
pub(crate) fn nginx_command(directory: &Directory) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory.path()).arg("-c").arg(directory.configuration());
    command.args(["-e", "stderr"]);
    command
}

/// Runs wrk against a server.
fn wrk(server: &Server, depth: u64, seconds: u64) -> Work {
    let script = std::env::temp_dir().join(format!("selkie-pipeline-{}.lua", std::process::id()));
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", &format!("-d{seconds}s")]);
    if depth > 1 {
        fs::write(&script, PIPELINE).expect("a script");
        command.arg("-s").arg(&script);
    }
    command.arg(format!("http://127.0.0.1:{}/", server.port()));
    bind(&mut command, CLIENT_CORE);
    let output = command.output().expect("wrk");
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = ["Non-2xx", "Socket errors"].iter().any(|failure| text.contains(failure));
    assert!(output.status.success() && !failed, "wrk:\n{text}");
    if depth > 1 {
        fs::remove_file(script).expect("the script that was written");
    }
    let counted = text.lines().find_map(|line| line.split_once(" requests in "));
    let (requests, rest) = counted.unwrap_or_else(|| panic!("requests in what wrk said:\n{text}"));
    let elapsed = rest.split_once("s,").and_then(|(elapsed, _)| elapsed.parse().ok());
    let elapsed = Duration::from_secs_f64(elapsed.expect("seconds"));
    Work::new(requests.trim().parse().expect("a number"), elapsed)
}

/// Plays `http`, over a ring or as shards if the role says so.
pub(crate) fn serve(role: &Role) {
    let address = ([127, 0, 0, 1], 0).into();
    let settings = Builder::new().connections(256);
    let service = || Http::new(unix_time);
    match role.word(1) {
        "io_uring" => {
            let mut server = settings.listen_ring(address).expect("a ring and a free port");
            announce(server.local_address().expect("an address").port());
            server.run(service()).expect("memory");
        }
        "shards" => {
            let shards = Shards::new(settings, 2).distribution(Distribution::LeastLoaded);
            let server = shards.listen(address).expect("a free port");
            announce(server.local_address().port());
            server.run(|_| service()).expect("memory");
        }
        _ => {
            let mut server = settings.listen(address).expect("a free port");
            announce(server.local_address().expect("an address").port());
            server.run(service()).expect("memory");
        }
    }
}

fn unix_time() -> Option<u64> {
    Some(SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Returns the reason why there is no `io_uring`, if there is one.
fn has_ring() -> Result<(), String> {
    let opened = Builder::new().connections(1).listen_ring(([127, 0, 0, 1], 0).into());
    opened.map(drop).map_err(|error| format!("NOT RUN: {error}"))
}

/// Plays `read-long PORT`: reads so many long replies on each connection.
pub(crate) fn read_long(role: &Role) {
    let port: u16 = role.number(1);
    let connect = |_| TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    let streams: Vec<TcpStream> = (0..READERS).map(connect).collect();
    obey(|count| {
        thread::scope(|scope| {
            for stream in &streams {
                scope.spawn(move || (0..count).for_each(|_| read_one(stream)));
            }
        });
    });
}

/// Asks for a long reply, and reads it.
fn read_one(mut stream: &TcpStream) {
    write!(stream, "GET /bytes/{LONG} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a line of the head");
    }
    let mut left = LONG - reader.buffer().len();
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let count = stream.read(&mut buffer).expect("the reply goes on");
        assert!(count > 0, "the reply ends early");
        left -= count;
    }
}
