//! Descriptors, processor time and memory of the server's process.

#[cfg(target_os = "linux")]
pub(crate) use linux::{
    a_limit_below_its_descriptors_is_survived, an_idle_server_takes_no_turns,
    at_its_limit_of_descriptors_it_goes_on, resident_bytes, without_descriptors_the_others_go_on,
};

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{
    a_limit_below_its_descriptors_is_survived, an_idle_server_takes_no_turns,
    at_its_limit_of_descriptors_it_goes_on, resident_bytes, without_descriptors_the_others_go_on,
};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// Returns nothing: this system has no /proc.
    pub(crate) fn resident_bytes(_process: u32) -> Option<u64> {
        None
    }

    pub(crate) fn without_descriptors_the_others_go_on(backend: &str) {
        println!(
            "not run with {backend}: the limit of a running process can only be lowered on Linux"
        );
    }

    pub(crate) fn at_its_limit_of_descriptors_it_goes_on(backend: &str) {
        println!("not run with {backend}: the descriptors of another process are read from /proc");
    }

    pub(crate) fn a_limit_below_its_descriptors_is_survived(backend: &str) {
        println!(
            "not run with {backend}: the limit of a running process can only be lowered on Linux"
        );
    }

    pub(crate) fn an_idle_server_takes_no_turns(backend: &str) {
        println!(
            "not run with {backend}: the processor time of another process is read from /proc"
        );
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::Write;
    use std::net::TcpStream;
    use std::os::unix::process::CommandExt;
    use std::process::Command;
    use std::thread;
    use std::time::Duration;

    use crate::calm::assert_calm;
    use crate::clients::{comes_true, echo, expect, is_answered_within, leave};
    use crate::server::{PROGRAM, Server, command};

    /// Returns the resident memory of a process in bytes.
    pub(crate) fn resident_bytes(process: u32) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes * 1024)
    }

    /// Returns the lowest number without a descriptor in a process; inherited ones may lie above.
    fn lowest_free_descriptor(process: u32) -> u64 {
        let is_free =
            |number: &u64| fs::symlink_metadata(format!("/proc/{process}/fd/{number}")).is_err();
        (0..u64::MAX).find(is_free).expect("there are more numbers than descriptors")
    }

    /// Sets the limit of descriptors of a running process.
    fn limit_descriptors(process: u32, count: u64) {
        let process = libc::pid_t::try_from(process).expect("process numbers are small");
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both pointers are null or point to a `rlimit` that outlives the
        // call.
        let done = unsafe {
            libc::prlimit(process, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut limit)
        };
        assert_eq!(done, 0, "the limits of one's own child can be read");
        limit.rlim_cur = count;
        // SAFETY: as above.
        let done = unsafe {
            libc::prlimit(process, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut())
        };
        assert_eq!(done, 0, "the limits of one's own child can be lowered");
    }

    /// Shows that established connections go on, that nothing spins, and that accepting resumes: by
    /// itself when descriptors are free again, and at once when a connection closes.
    pub(crate) fn without_descriptors_the_others_go_on(backend: &str) {
        let server = Server::start(backend, &["--capacity", "64"]);
        let (id, target) = (server.id(), server.target());
        let mut inside: Vec<_> = (0..3).map(|_| target.connect()).collect();
        for client in &mut inside {
            echo(client, b"before");
        }
        limit_descriptors(id, lowest_free_descriptor(id));
        let mut outside: Vec<_> = (0..6).map(|_| target.connect()).collect();
        for client in &mut outside {
            client.write_all(b"let me in").expect("the backlog takes a message");
        }
        serves_without_spinning(id, &mut inside);
        assert!(!outside.iter().any(is_in), "the limit has no effect");

        leave(inside.remove(0));
        assert!(
            comes_true(|| outside.iter().any(is_in)),
            "a descriptor was freed, and no waiting client was accepted"
        );
        limit_descriptors(id, 256);
        for client in &mut outside {
            expect(client, b"let me in");
        }
        inside.into_iter().chain(outside).for_each(leave);
        let report = server.stop();
        assert!(report.figure("accept failures") >= 1, "{}", report.text);
        assert!(report.figure("turns") < 1000, "{}", report.text);
    }

    /// Shows for half a second that clients are served, and that the server does not spin.
    fn serves_without_spinning(process: u32, clients: &mut [TcpStream]) {
        assert_calm(process, 10, || {
            for _ in 0..25 {
                for client in &mut *clients {
                    echo(client, b"meanwhile");
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
    }

    /// Returns true if a client has its answer.
    fn is_in(client: &TcpStream) -> bool {
        is_answered_within(client, Duration::from_millis(5))
    }

    /// Returns the example with a limit of descriptors of which `free` are left.
    fn with_few_descriptors(free: i32) -> Command {
        let mut command = command(PROGRAM);
        let taken = i32::try_from(LIMIT).expect("a small number") - free;
        let take = move || {
            let limit = libc::rlimit { rlim_cur: LIMIT, rlim_max: LIMIT };
            // SAFETY: the limit is valid for the call.
            let mut is_done =
                unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0;
            for number in 3..taken {
                // SAFETY: the call takes no pointers, and this process is about to be replaced.
                is_done &= unsafe { libc::dup2(0, number) } == number;
            }
            if is_done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        // SAFETY: the closure makes system calls only, between `fork` and `exec`.
        unsafe { command.pre_exec(take) };
        command
    }

    /// The limit of a server that has few descriptors: the least that 16 clients are served with.
    const LIMIT: u64 = 64;

    /// Shows that a server which has no descriptors left from the start on serves those that it
    /// has, does not spin, and accepts as soon as a client leaves.
    pub(crate) fn at_its_limit_of_descriptors_it_goes_on(backend: &str) {
        let server = Server::start_with(with_few_descriptors(12), backend, &["--capacity", "16"]);
        let (id, target) = (server.id(), server.target());
        let is_free =
            |number: &u64| fs::symlink_metadata(format!("/proc/{id}/fd/{number}")).is_err();
        let free = (0..LIMIT).filter(is_free).count();
        assert!((3..12).contains(&free), "{free} descriptors are free");
        let mut inside: Vec<_> = (0..free).map(|_| target.connect()).collect();
        for client in &mut inside {
            echo(client, b"before");
        }
        let mut outside: Vec<_> = (0..free).map(|_| target.connect()).collect();
        for client in &mut outside {
            client.write_all(b"let me in").expect("the backlog takes a message");
        }
        serves_without_spinning(id, &mut inside);
        assert!(!outside.iter().any(is_in), "the limit has no effect");

        for (index, client) in inside.into_iter().enumerate() {
            leave(client);
            assert!(
                comes_true(|| outside.iter().filter(|client| is_in(client)).count() > index),
                "a descriptor was freed, and no waiting client was accepted"
            );
        }
        for client in &mut outside {
            expect(client, b"let me in");
        }
        outside.into_iter().for_each(leave);
        let report = server.stop();
        assert!(report.figure("accept failures") >= 1, "{}", report.text);
        assert!(report.figure("turns") < 2000, "{}", report.text);
    }

    /// Shows that a server goes on whose limit of descriptors is set below what it has open.
    pub(crate) fn a_limit_below_its_descriptors_is_survived(backend: &str) {
        const LIMIT: u64 = 16;

        let server = Server::start(backend, &["--capacity", "64"]);
        let target = server.target();
        let mut inside: Vec<_> = (0..3 * LIMIT).map(|_| target.connect()).collect();
        for client in &mut inside {
            echo(client, b"before");
        }
        limit_descriptors(server.id(), LIMIT);
        for _ in 0..5 {
            for client in &mut inside {
                echo(client, b"meanwhile");
            }
        }
        inside.drain(8..).for_each(leave);
        target.serves();
        inside.into_iter().for_each(leave);
        server.stop();
    }

    /// Shows that connected and silent clients cost no processor time.
    pub(crate) fn an_idle_server_takes_no_turns(backend: &str) {
        let server = Server::start(backend, &[]);
        let target = server.target();
        let mut clients: Vec<_> = (0..20).map(|_| target.connect()).collect();
        for client in &mut clients {
            echo(client, b"hello");
        }
        assert_calm(server.id(), 1, || thread::sleep(Duration::from_millis(300)));
        clients.into_iter().for_each(leave);
        let report = server.stop();
        assert!(report.figure("turns") < 200, "{}", report.text);
    }
}
