//! Rolling updates under load: no request is lost.

use std::fs;
use std::net::TcpListener;

use crate::load::Load;
use crate::network::in_own_network;
use crate::service::Service;

/// Clients that ask all the time.
const CLIENTS: usize = 40;
/// Instances that follow each other.
const UPDATES: usize = 5;
/// Requests between two updates.
const BETWEEN: u64 = 200;

#[test]
fn an_update_behind_an_inherited_listener_loses_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut service = Service::inherit(&listener);
    let load = Load::start(service.address, CLIENTS);
    for _ in 0..UPDATES {
        load.wait_for(BETWEEN);
        // As systemd restarts a unit: the old one ends before the new one starts.
        service.stop();
        service = Service::inherit(&listener);
    }
    load.wait_for(BETWEEN);
    let (served, lost) = load.finish();
    service.stop();
    println!("inherited listener: {served} served, {lost} lost");
    assert_eq!(lost, 0, "of {served}");
}

#[test]
fn an_update_with_two_sockets_and_migration_loses_no_request() {
    in_own_network(
        "rolling::an_update_with_two_sockets_and_migration_loses_no_request",
        update_with_migration,
    );
}

/// Updates with two sockets at one port, of which the one that is closed hands its clients over.
fn update_with_migration() {
    fs::write("/proc/sys/net/ipv4/tcp_migrate_req", "1").expect("the network is our own");
    let (served, lost) = update_with_two_sockets();
    println!("two sockets, tcp_migrate_req=1: {served} served, {lost} lost");
    assert_eq!(lost, 0, "of {served}");
}

/// Updates by starting the new instance first. Returns the requests that were served and lost.
fn update_with_two_sockets() -> (u64, u64) {
    let mut service = Service::start(&["127.0.0.1:0", "--reuse-port"]);
    let address = service.address.to_string();
    let load = Load::start(service.address, CLIENTS);
    for _ in 0..UPDATES {
        load.wait_for(BETWEEN);
        let next = Service::start(&[&address, "--reuse-port"]);
        std::mem::replace(&mut service, next).stop();
    }
    load.wait_for(BETWEEN);
    let counts = load.finish();
    service.stop();
    counts
}
