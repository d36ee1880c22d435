//! The same example on two threads: clients see no difference.

use crate::clients::{self, Target};
use crate::server::Server;

/// Starts two shards on the default backend.
fn start(options: &[&str]) -> Server {
    let with_shards = [&["--shards", "2"], options].concat();
    Server::start(selkie::platform::Backend::default().name(), &with_shards)
}

/// Returns the target of a server whose shards together have the given capacity.
fn target(server: &Server, capacity: usize) -> Target {
    Target { capacity, ..server.target() }
}

#[test]
fn clients_of_two_shards_get_their_own_bytes() {
    for distribution in ["hash", "least-loaded"] {
        let server = start(&["--distribution", distribution]);
        clients::interleaved(&server.target());
        clients::large_with_half_close(&server.target(), 2 << 20);
        server.stop();
    }
}

#[test]
fn a_storm_of_resets_harms_no_shard() {
    let server = start(&["--distribution", "least-loaded", "--pinned"]);
    clients::reset_storm(&server.target(), 200);
    server.stop();
}

#[test]
fn clients_beyond_the_capacity_of_both_shards_get_their_turn() {
    let server = start(&["--distribution", "least-loaded", "--capacity", "4"]);
    clients::full_capacity(&target(&server, 8));
    server.stop();
}
