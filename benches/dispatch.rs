//! The cost of a loop itself: the benchmark that libevent began. See `support/dispatch/`.
//!
//! `cargo bench -p selkie-benches --bench dispatch`, and `-- --quick` to see only that it runs.

#[macro_use]
mod support;

linux_main!("The floor of this benchmark is an epoll loop, so it runs on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use crate::support::arguments::Arguments;
    use crate::support::dispatch::{Contestant, Kind, Load, Sources};
    use crate::support::process;
    use crate::support::rounds::interleave;
    use crate::support::statistics::{nanoseconds, number};
    use crate::support::table::{Table, count};

    /// Descriptors that the process needs for anything but sources.
    const DESCRIPTORS_ASIDE: usize = 24;

    pub(super) fn main() {
        let arguments = Arguments::from_environment();
        let descriptors = process::descriptors_max();
        process::pin_to_core(0);
        println!("# dispatch (up to {} descriptors in a process)", count(descriptors));
        for kind in [Kind::EventFd, Kind::SocketPair] {
            for wanted in [100, 1_000, 10_000] {
                let sources = wanted.min((descriptors - DESCRIPTORS_ASIDE) / kind.descriptors());
                for active in [1, 100] {
                    dispatch(&arguments, kind, sources, active);
                }
            }
        }
        churn(&arguments);
    }

    /// Prints one table: all contestants on the same load.
    fn dispatch(arguments: &Arguments, kind: Kind, sources: usize, active: usize) {
        let title =
            format!("dispatch, {}, {} registered, {active} active", kind.name(), count(sources));
        if !arguments.wants(&title) {
            return;
        }
        let contestants = with_second_floor();
        let rounds = arguments.rounds(21);
        let values = interleave(rounds, contestants.len(), |position| {
            let contestant = contestants[position];
            // A wait that looks at every source takes so long that fewer are enough.
            let slowness =
                if contestant.scans() { (sources / active / 4).max(1) as u64 } else { 1 };
            let writes = (arguments.scaled(50_000, 500) / slowness).max(50);
            let load = Load { active, warm_up: writes / 10, writes };
            let time = contestant.dispatch(&Sources::new(kind, sources), load);
            nanoseconds(time) / number(writes + active as u64)
        });
        let explanation =
            format!("CPU time per event, user and system; {rounds} interleaved rounds.");
        let names: Vec<_> = contestants.iter().map(|contestant| contestant.name()).collect();
        Table::compare(&title, &explanation, "ns per event", &names, &values).print();
    }

    /// Measures the cost of registering a source and deregistering it.
    fn churn(arguments: &Arguments) {
        const SOURCES: usize = 1_000;
        let title = format!("register + deregister, eventfds, {} registered", count(SOURCES));
        if !arguments.wants(&title) {
            return;
        }
        let contestants = with_second_floor();
        let (rounds, times) = (arguments.rounds(41), arguments.scaled(30_000, 100));
        let sources = Sources::new(Kind::EventFd, SOURCES);
        let extra = Sources::new(Kind::EventFd, 1);
        let values = interleave(rounds, contestants.len(), |position| {
            let fd = extra.watched().next().expect("a source");
            nanoseconds(contestants[position].churn(&sources, fd, times)) / number(times)
        });
        let explanation = format!(
            "CPU time per pair; the floor is two bare `epoll_ctl`; {rounds} interleaved rounds."
        );
        let names: Vec<_> = contestants.iter().map(|contestant| contestant.name()).collect();
        Table::compare(&title, &explanation, "ns per pair", &names, &values).print();
    }

    /// Adds the floor a second time: its difference from itself bounds what a ratio can show.
    fn with_second_floor() -> Vec<Contestant> {
        let mut all = Contestant::all();
        all.push(Contestant::Floor);
        all
    }
}
