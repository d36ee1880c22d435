//! The example programs beside the programs that people use for the same: `http` beside hyper and
//! nginx, `kv` beside redis, `proxy` beside haproxy and nginx, `chat` beside a loop by hand.
//!
//! ```text
//! apt-get install wrk nginx-light libnginx-mod-stream redis-server redis-tools haproxy
//! cargo bench -p selkie-benches --bench programs
//! cargo bench -p selkie-benches --bench programs -- --quick
//! ```
//!
//! What is measured is the CPU time of the server, user and system, while clients work with it.
//! All servers of a table run at once, each has its turn in each round, and one without a turn
//! sleeps. A server is bound to core 0, its clients and upstreams to core 1. Every server but the
//! two shards has one thread; all have sizes as they come, and no access log. `programs/peers` has
//! the configurations.

#[macro_use]
mod support;

#[cfg(target_os = "linux")]
#[path = "programs/mod.rs"]
mod programs;

linux_main!("The processes of this benchmark are measured through /proc, on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use crate::programs::{chat, http, hyper_server, kv, proxy};
    use crate::support::arguments::{Arguments, Role};
    use crate::support::process;

    pub(super) fn main() {
        let arguments = Arguments::from_environment();
        if let Some(role) = &arguments.role {
            return play(role);
        }
        process::descriptors_max();
        println!("# programs");
        println!("Servers on core 0; clients and upstreams on core 1.");
        http::run(&arguments);
        kv::run(&arguments);
        proxy::run(&arguments);
        chat::run(&arguments);
    }

    /// Plays the part of a process that this benchmark started.
    fn play(role: &Role) {
        match role.word(0) {
            "http" => http::serve(role),
            "hyper" => hyper_server::serve(),
            "read-long" => http::read_long(role),
            "kv" => kv::serve(),
            "proxy" => proxy::serve(role),
            "upstream" => proxy::serve_upstream(),
            "tunnel-bytes" => proxy::tunnel_bytes(role),
            "tunnel-connections" => proxy::tunnel_connections(role),
            "chat" => chat::serve(role),
            "broadcast" => chat::serve_by_hand(),
            "speak" => chat::speak(role),
            name => panic!("an unknown role: {name:?}"),
        }
    }
}
