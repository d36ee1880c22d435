//! Clients that vanish, and clients that are only silent.

use std::time::Duration;

use selkie_core::Config;

use crate::clients::TestBench;

const SECOND: Duration = Duration::from_secs(1);
/// The time after which the default limits have ended a connection whose peer has vanished.
const GONE: Duration = Duration::from_secs(75 + 15 + 5);
/// No limit but the network's own.
const PATIENT: Config = Config { idle_timeout: None, stall_timeout: None, ..Config::DEFAULT };

#[test]
fn clients_that_vanish_make_room_for_others() {
    let mut bench =
        TestBench::with(selkie_services::Echo, 4, 1_024, PATIENT, selkie_smoltcp::Config::DEFAULT);
    for _ in 0..4 {
        let client = bench.connect();
        bench.send(client, b"hello");
        assert_eq!(bench.receive(client, 5), b"hello");
    }
    bench.replace_remote();
    bench.vanish_for(GONE);
    assert_eq!(bench.server.open_connections(), 0);
    for _ in 0..4 {
        let client = bench.connect();
        bench.send(client, b"hello");
        assert_eq!(bench.receive(client, 5), b"hello");
    }
}

#[test]
fn silent_clients_stay_while_their_hosts_answer() {
    let mut bench =
        TestBench::with(selkie_services::Echo, 4, 1_024, PATIENT, selkie_smoltcp::Config::DEFAULT);
    let clients: Vec<_> = (0..4).map(|_| bench.connect()).collect();
    let turns = bench.sleep_for(300 * SECOND);
    assert!(turns < 4 * 20 * 4, "{turns} turns are more than the probes need");
    for client in clients {
        bench.send(client, b"hello");
        assert_eq!(bench.receive(client, 5), b"hello");
    }
}
