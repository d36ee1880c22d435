//! Ending one shard, and all of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use selkie::CloseReason;
use selkie::shards::Distribution;

use super::fleet::{Fleet, PATIENCE, Waits, shard_of, wait_until};

/// Threads of clients that connect, ask and leave without a pause.
const LOADS: usize = 8;

/// Returns how many clients there are while shards drain: `SELKIE_CLIENTS`, or a few.
fn clients_wanted() -> usize {
    std::env::var("SELKIE_CLIENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(3_000)
}

/// Connects clients one after the other until it is over, each of which asks twice. Returns the
/// number of those that were answered, and of those that were lost.
fn come_and_go(fleet: &Fleet, served: &AtomicUsize, is_over: &AtomicBool) -> usize {
    let mut lost = 0;
    while !is_over.load(Ordering::SeqCst) {
        let mut client = fleet.connect();
        let answers = [shard_of(&mut client), shard_of(&mut client)];
        if answers.iter().all(Option::is_some) {
            served.fetch_add(1, Ordering::SeqCst);
        } else {
            lost += 1;
        }
    }
    lost
}

/// Drains two of three shards while clients come and go, and returns the number of clients that
/// were served and of those that were lost.
fn lost_while_two_drain(waits: Waits, distribution: Distribution) -> (usize, usize) {
    let fleet = Fleet::start(waits, 3, distribution, 1000);
    let (served, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let wanted = clients_wanted();
    let lost = thread::scope(|scope| {
        let load = || come_and_go(&fleet, &served, &is_over);
        let loads: Vec<_> = (0..LOADS).map(|_| scope.spawn(load)).collect();
        for part in 1..=3 {
            while served.load(Ordering::SeqCst) < wanted * part / 3 {
                assert!(loads.iter().all(|load| !load.is_finished()), "clients come all the time");
                thread::yield_now();
            }
            if part < 3 {
                fleet.handle.drain_shard(part - 1, PATIENCE);
            }
        }
        is_over.store(true, Ordering::SeqCst);
        loads.into_iter().map(|load| load.join().expect("the clients")).sum()
    });
    // By core, the clients may all have run on one.
    let is_spread = fleet.accepted().iter().all(|&count| count > 0);
    assert!(is_spread || distribution == Distribution::Cpu, "{:?}", fleet.accepted());
    fleet.handle.drain(PATIENCE);
    let finished = fleet.finish();
    assert_eq!(finished.counters().closed_for(CloseReason::Expelled), 0);
    let served = served.load(Ordering::SeqCst);
    println!(
        "{waits:?}, {distribution}: {served} clients were served while two of three shards drained"
    );
    (served, lost)
}

pub(crate) fn no_client_is_lost_while_shards_drain_by_hash(waits: Waits) {
    let (served, lost) = lost_while_two_drain(waits, Distribution::Hash);
    assert_eq!(lost, 0, "of {served}");
}

#[cfg(target_os = "linux")]
pub(crate) fn no_client_is_lost_while_shards_drain_by_core(waits: Waits) {
    let (served, lost) = lost_while_two_drain(waits, Distribution::Cpu);
    assert_eq!(lost, 0, "of {served}");
}

pub(crate) fn no_client_is_lost_while_shards_drain_by_load(waits: Waits) {
    let (served, lost) = lost_while_two_drain(waits, Distribution::LeastLoaded);
    assert_eq!(lost, 0, "of {served}");
}

pub(crate) fn clients_in_the_backlog_of_a_shard_that_drains_are_served_by_another(waits: Waits) {
    let served = served_from_the_backlog(waits, SMALL, |fleet, _| {
        fleet.handle.drain_shard(0, Duration::ZERO);
    });
    assert!(served >= 36, "all but those that shard 0 served: {served}");
}

/// Shows it for more connections than the few for which a ring accepts one at a time.
pub(crate) fn clients_that_a_full_shard_has_accepted_ahead_are_served_by_another(waits: Waits) {
    let sizes = Sizes { connections: 60, clients: 240 };
    let served = served_from_the_backlog(waits, sizes, |fleet, _| {
        fleet.handle.drain_shard(0, Duration::ZERO);
    });
    assert!(served >= 180, "all but those that shard 0 served: {served}");
}

pub(crate) fn clients_in_the_backlog_of_a_shard_that_panics_are_served_by_another(waits: Waits) {
    let served = served_from_the_backlog(waits, SMALL, |_, clients| {
        for client in &mut *clients {
            client.write_all(b"?").expect("the client is connected");
            client.set_nonblocking(true).expect("an option");
        }
        let is_of_shard_0 = |client: &mut TcpStream| {
            let mut answer = [0];
            client.read(&mut answer).is_ok_and(|count| count == 1) && answer == *b"0"
        };
        let mut doomed = None;
        wait_until("an answer of shard 0", || {
            doomed = clients.iter_mut().position(is_of_shard_0);
            doomed.is_some()
        });
        clients[doomed.expect("an answer")].write_all(b"!").expect("the client is connected");
        for client in clients {
            client.set_nonblocking(false).expect("an option");
        }
    });
    assert!(served >= 36, "all but those that shard 0 served: {served}");
}

/// The slots of each of two shards, and the clients that fill them and their backlogs.
#[derive(Clone, Copy)]
struct Sizes {
    connections: usize,
    clients: usize,
}

const SMALL: Sizes = Sizes { connections: 4, clients: 40 };

/// Fills two shards and their backlogs with clients, ends shard 0, and returns the number of
/// clients that are answered then.
fn served_from_the_backlog(
    waits: Waits,
    Sizes { connections, clients }: Sizes,
    end: impl FnOnce(&Fleet, &mut [TcpStream]),
) -> usize {
    // Shard 0 is full, so its backlog fills.
    let fleet = Fleet::start(waits, 2, Distribution::Hash, connections);
    let mut clients: Vec<_> = (0..clients).map(|_| fleet.connect()).collect();
    end(&fleet, &mut clients);
    // Each that is answered leaves its slot to the next.
    let asking: Vec<_> = clients
        .into_iter()
        .map(|mut client| thread::spawn(move || shard_of(&mut client)))
        .collect();
    let answers = asking.into_iter().map(|asked| asked.join().expect("an answer"));
    let served = answers.flatten().count();
    fleet.handle.drain(Duration::ZERO);
    fleet.finish();
    served
}

pub(crate) fn shards_that_are_full_drain_as_soon_as_their_clients_leave(waits: Waits) {
    for distribution in [Distribution::Hash, Distribution::LeastLoaded] {
        let fleet = Fleet::start(waits, 2, distribution, 8);
        // Chance alone gives either of them its eight in all but one of ten billion runs.
        let mut clients: Vec<_> = (0..64).map(|_| fleet.connect()).collect();
        wait_until("both are full", || fleet.accepted() == [8, 8]);
        fleet.handle.drain(Duration::from_secs(3600));
        // Those of the backlog follow, as the ones before them leave.
        let asking =
            clients.drain(..).map(|mut client| thread::spawn(move || shard_of(&mut client)));
        let asking: Vec<_> = asking.collect();
        for asked in asking {
            assert!(asked.join().expect("a client").is_some(), "{distribution}");
        }
        assert_eq!(fleet.finish().counters().accepted, 64);
    }
}

pub(crate) fn all_shards_drain_and_the_last_one_alone(waits: Waits) {
    for distribution in Distribution::ALL {
        if distribution == Distribution::Cpu && !cfg!(target_os = "linux") {
            continue;
        }
        let fleet = Fleet::start(waits, 3, distribution, 10);
        let mut client = fleet.connect();
        assert!(shard_of(&mut client).is_some(), "{distribution}");
        for shard in 0..3 {
            fleet.handle.drain_shard(shard, PATIENCE);
        }
        drop(client);
        let finished = fleet.finish();
        assert!(finished.shards.iter().all(Result::is_ok), "{distribution}");
    }
}
