//! Ending one shard, and all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use selkie::CloseReason;
use selkie::shards::Distribution;

use super::fleet::{Fleet, PATIENCE, shard_of};

/// Drains shard 0 of two while clients come and go, and returns those that were lost.
fn lost_while_one_drains(distribution: Distribution) -> (usize, usize) {
    let fleet = Fleet::start(2, distribution, 1000);
    let is_over = AtomicBool::new(false);
    let (served, lost) = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut served, mut lost) = (0, 0);
            while !is_over.load(Ordering::SeqCst) || served < 200 {
                let mut client = fleet.connect();
                match shard_of(&mut client) {
                    Some(_) => served += 1,
                    None => lost += 1,
                }
            }
            (served, lost)
        });
        while fleet.accepted().iter().any(|&count| count < 20) {
            thread::yield_now();
        }
        fleet.handle.drain_shard(0, PATIENCE);
        let before = fleet.accepted()[1];
        while fleet.accepted()[1] < before + 200 {
            thread::yield_now();
        }
        is_over.store(true, Ordering::SeqCst);
        load.join().expect("the clients")
    });
    fleet.handle.drain(PATIENCE);
    let finished = fleet.finish();
    assert_eq!(finished.counters().closed_for(CloseReason::Expelled), 0);
    (served, lost)
}

#[test]
fn no_client_is_lost_while_one_of_the_shards_drains_by_hash() {
    let (served, lost) = lost_while_one_drains(Distribution::Hash);
    assert_eq!(lost, 0, "of {served}");
}

#[test]
fn no_client_is_lost_while_one_of_the_shards_drains_by_load() {
    let (served, lost) = lost_while_one_drains(Distribution::LeastLoaded);
    assert_eq!(lost, 0, "of {served}");
}

#[test]
fn clients_in_the_backlog_of_a_shard_that_drains_are_served_by_another() {
    // Shard 0 is full, so its backlog fills.
    let fleet = Fleet::start(2, Distribution::Hash, 4);
    let clients: Vec<_> = (0..40).map(|_| fleet.connect()).collect();
    fleet.handle.drain_shard(0, Duration::ZERO);
    // Each that is answered leaves its slot to the next.
    let asking: Vec<_> = clients
        .into_iter()
        .map(|mut client| thread::spawn(move || shard_of(&mut client)))
        .collect();
    let answers = asking.into_iter().map(|asked| asked.join().expect("an answer"));
    let served = answers.flatten().count();
    assert!(served >= 36, "all but those that shard 0 served: {served}");
    fleet.handle.drain(Duration::ZERO);
    fleet.finish();
}

#[test]
fn all_shards_drain_and_the_last_one_alone() {
    for distribution in Distribution::ALL {
        if distribution == Distribution::Cpu && !cfg!(target_os = "linux") {
            continue;
        }
        let fleet = Fleet::start(3, distribution, 10);
        let mut client = fleet.connect();
        assert!(shard_of(&mut client).is_some());
        for shard in 0..3 {
            fleet.handle.drain_shard(shard, PATIENCE);
        }
        drop(client);
        let finished = fleet.finish();
        assert!(finished.shards.iter().all(Result::is_ok), "{distribution}");
    }
}
