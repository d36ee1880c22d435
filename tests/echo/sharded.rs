//! The same example on two threads: clients see no difference.

use crate::clients::{self, Target};
use crate::server::Server;

/// Returns the backends that shards are tested with: the default one, and on Linux `io_uring`.
fn backends() -> impl Iterator<Item = &'static str> {
    let ring = cfg!(target_os = "linux").then_some("io_uring");
    std::iter::once(selkie::platform::Backend::default().name()).chain(ring)
}

/// Starts two shards on a backend.
fn start(backend: &str, options: &[&str]) -> Server {
    let with_shards = [&["--shards", "2"], options].concat();
    Server::start(backend, &with_shards)
}

/// Returns the target of a server whose shards together have the given capacity.
fn target(server: &Server, capacity: usize) -> Target {
    Target { capacity, ..server.target() }
}

#[test]
fn clients_of_two_shards_get_their_own_bytes() {
    for backend in backends() {
        for distribution in ["hash", "least-loaded"] {
            let server = start(backend, &["--distribution", distribution]);
            clients::interleaved(&server.target());
            clients::large_with_half_close(&server.target(), 2 << 20);
            server.stop();
        }
    }
}

#[test]
fn a_storm_of_resets_harms_no_shard() {
    for backend in backends() {
        let server = start(backend, &["--distribution", "least-loaded", "--pinned"]);
        clients::reset_storm(&server.target(), 200);
        server.stop();
    }
}

#[test]
fn clients_beyond_the_capacity_of_both_shards_get_their_turn() {
    for backend in backends() {
        let server = start(backend, &["--distribution", "least-loaded", "--capacity", "4"]);
        clients::full_capacity(&target(&server, 8));
        server.stop();
    }
}
