//! `kv` beside redis-server.

use std::hash::{BuildHasher, RandomState};
use std::process::Command;
use std::time::Instant;

use selkie::Builder;
use selkie_services::{Entry, Kv, Store};

use super::comparison::{Contestant, Subject, Work, compare};
use super::server::{Peer, Server, announce, bind};
use super::{CLIENT_CORE, SERVER_CORE};
use crate::support::arguments::Arguments;

const REDIS: Peer = Peer { program: "redis-server", package: "redis-server", file: None };
const CLIENT: Peer = Peer { program: "redis-benchmark", package: "redis-tools", file: None };
const CONFIGURATION: &str = include_str!("peers/redis.conf");
/// Keys that there is room for, as in the example.
const ENTRIES: usize = 16_384;

pub(crate) fn run(arguments: &Arguments) {
    compare_at(arguments, 16, 0.75);
    compare_at(arguments, 1, 0.95);
}

/// Compares the servers with so many requests at once on each connection.
fn compare_at(arguments: &Arguments, depth: u64, goal: f64) {
    let title = format!("kv, redis-benchmark -t set,get -P {depth} -c 50");
    if !arguments.wants(&title) {
        return;
    }
    if let Err(reason) = CLIENT.find() {
        println!("\n## {title}\n\n{reason}");
        return;
    }
    let ours = Ok(Server::role(&["kv"], SERVER_CORE));
    let contestants = [
        Contestant { name: "selkie kv", goal: None, server: ours },
        Contestant { name: "redis", goal: Some(goal), server: REDIS.find().map(|()| redis()) },
    ];
    let requests = arguments.scaled(if depth == 1 { 40_000 } else { 200_000 }, 2_000);
    let explanation = format!("{requests} requests of each kind a round.");
    let subject = Subject { title: &title, explanation: &explanation, unit: "request" };
    compare(arguments, subject, &contestants, |_, server| load(server, depth, requests));
}

fn redis() -> Server {
    Server::peer(CONFIGURATION, &[], |directory| {
        let mut command = Command::new("redis-server");
        command.arg(directory.configuration()).current_dir(directory.path());
        command
    })
}

/// Runs redis-benchmark against a server.
fn load(server: &Server, depth: u64, requests: u64) -> Work {
    let numbers = [("-p", u64::from(server.port())), ("-P", depth), ("-n", requests)];
    let mut command = Command::new("redis-benchmark");
    command.args(["-t", "set,get", "-c", "50", "-q"]);
    for (option, number) in numbers {
        command.arg(option).arg(number.to_string());
    }
    bind(&mut command, CLIENT_CORE);
    let start = Instant::now();
    let output = command.output().expect("redis-benchmark");
    let elapsed = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let is_done = ["SET: ", "GET: "].iter().all(|test| text.contains(test));
    assert!(output.status.success() && is_done, "redis-benchmark:\n{text}");
    Work::new(2 * requests, elapsed)
}

/// Plays `kv`, with the memory of the example.
pub(crate) fn serve() {
    let mut hashes = vec![0; ENTRIES];
    let mut entries = vec![Entry::<64, 1024>::EMPTY; ENTRIES];
    let store = Store::new(&mut hashes, &mut entries, RandomState::new().hash_one(0));
    let address = ([127, 0, 0, 1], 0).into();
    let mut server = Builder::new().connections(256).listen(address).expect("a free port");
    announce(server.local_address().expect("an address").port());
    server.run(Kv::new(store)).expect("memory");
}
