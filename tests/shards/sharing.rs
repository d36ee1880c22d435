//! The distribution of connections among shards.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use selkie::shards::Distribution;
use selkie::shards::ShardFailure;

use super::fleet::{Fleet, Waits, shard_of, wait_until};

/// Connects `count` clients, each of which is answered, and returns how many each shard serves.
fn serve(fleet: &Fleet, count: usize) -> (Vec<TcpStream>, Vec<usize>) {
    let mut clients: Vec<_> = (0..count).map(|_| fleet.connect()).collect();
    let mut served = vec![0; fleet.handle.shards()];
    for client in &mut clients {
        served[shard_of(client).expect("an answer")] += 1;
    }
    (clients, served)
}

pub(crate) fn by_hash_every_shard_serves(waits: Waits) {
    let fleet = Fleet::start(waits, 2, Distribution::Hash, 400);
    let (_clients, served) = serve(&fleet, 400);
    // Chance alone is within 60 of the half in all but one of a billion runs.
    assert!(served.iter().all(|&count| count > 140), "{served:?}");
    assert_eq!(served, fleet.accepted());
    fleet.handle.stop();
    assert_eq!(fleet.finish().counters().accepted, 400);
}

pub(crate) fn the_least_loaded_shard_gets_the_next_connection(waits: Waits) {
    let fleet = Fleet::start(waits, 3, Distribution::LeastLoaded, 100);
    let (clients, served) = serve(&fleet, 90);
    assert_eq!(served, [30, 30, 30]);
    // All clients of one shard leave: the next ones go there.
    let mut stay = Vec::new();
    for mut client in clients {
        if shard_of(&mut client) != Some(1) {
            stay.push(client);
        }
    }
    // A connection counts until its server has closed it. The next clients tell.
    wait_until("the slots of shard 1 are free", || {
        let mut next = fleet.connect();
        shard_of(&mut next) == Some(1)
    });
    fleet.handle.drain(Duration::ZERO);
    fleet.finish();
}

pub(crate) fn clients_beyond_all_shards_wait_until_one_leaves(waits: Waits) {
    let fleet = Fleet::start(waits, 2, Distribution::LeastLoaded, 2);
    let (mut clients, served) = serve(&fleet, 4);
    assert_eq!(served, [2, 2]);
    let mut waiting = fleet.connect();
    let left = clients.pop().expect("four clients");
    drop(left);
    assert!(shard_of(&mut waiting).is_some(), "served as soon as there is room");
    fleet.handle.stop();
    fleet.finish();
}

pub(crate) fn clients_beyond_the_queue_of_a_stalled_shard_wait_in_the_backlog(waits: Waits) {
    let fleet = Fleet::start(waits, 1, Distribution::LeastLoaded, 1000);
    let mut first = fleet.connect();
    assert!(shard_of(&mut first).is_some());
    std::io::Write::write_all(&mut first, b".").expect("the server reads");
    fleet.stall.wait();
    // More than the 256 that wait in the queue.
    let mut clients: Vec<_> = (0..600).map(|_| fleet.connect()).collect();
    fleet.stall.wait();
    assert_eq!(clients.iter_mut().filter_map(shard_of).count(), 600);
    fleet.handle.stop();
    assert_eq!(fleet.finish().counters().accepted, 601);
}

#[cfg(target_os = "linux")]
pub(crate) fn by_core_the_clients_of_this_machine_go_where_they_run(waits: Waits) {
    let fleet = Fleet::start(waits, 2, Distribution::Cpu, 100);
    let served = std::thread::scope(|scope| {
        let bound = scope.spawn(|| {
            selkie::shards::pin_to_cpu(0).expect("the first core");
            serve(&fleet, 50).1
        });
        bound.join().expect("answers")
    });
    assert!(served.contains(&50), "all of them by one shard: {served:?}");
    fleet.handle.stop();
    fleet.finish();
}

pub(crate) fn a_shard_that_panics_is_told_of_and_takes_no_other(waits: Waits) {
    let fleet = Fleet::start(waits, 2, Distribution::LeastLoaded, 10);
    let (mut clients, served) = serve(&fleet, 4);
    assert_eq!(served, [2, 2]);
    let doomed = shard_of(&mut clients[0]);
    std::io::Write::write_all(&mut clients[0], b"!").expect("the server reads");
    assert!(clients[0].read(&mut [0; 8]).map_or(true, |count| count == 0), "closed");
    clients.retain_mut(|client| shard_of(client).is_some());
    assert_eq!(clients.len(), 2, "those of the other shard");
    let mut next = fleet.connect();
    assert_ne!(shard_of(&mut next), doomed);
    fleet.handle.drain(Duration::ZERO);
    let finished = fleet.finish();
    let failed: Vec<_> = finished.shards.iter().filter_map(|shard| shard.as_ref().err()).collect();
    assert!(
        matches!(failed[..], [ShardFailure::Panicked(message)] if message.contains("to panic")),
        "{failed:?}"
    );
}
