//! Counts primes for its clients, on worker threads. A client sends a number on a line, and gets
//! the count of primes below it. The service is `Pool` of `examples/services`.
//!
//! It teaches to hand work to threads and results back: jobs go out through a queue of fixed
//! length, results come back through a postbox, and the loop waits for neither. A full queue is an
//! answer, a full postbox gives the result back, and the result for a client that has left is
//! dropped and counted.
//!
//! ```text
//! cargo run --release --example pool -- 127.0.0.1:7000 --workers 4
//! printf '100\n1000000\n' | nc 127.0.0.1 7000
//! ```

#[cfg(any(unix, windows))]
#[path = "common/program.rs"]
mod program;

#[cfg(any(unix, windows))]
mod native {
    use std::net::SocketAddr;
    use std::process::ExitCode;
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::thread;
    use std::time::Duration;

    use clap::Parser;
    use selkie::front_door::Finished;
    use selkie::mailbox::Postbox;
    use selkie::platform::Backend;
    use selkie::{Builder, Token};
    use selkie_services::{Pool, count_primes_below};

    use super::program::{self, print};

    /// Jobs that wait for a worker.
    const JOBS: usize = 256;
    /// Results that wait for the loop.
    const RESULTS: usize = 256;
    /// The time after which a worker tries again to post into a full postbox.
    const RETRY: Duration = Duration::from_millis(1);
    /// The time that clients have to take their answers at the end.
    const DRAIN: Duration = Duration::from_secs(10);

    /// Counts primes for many clients, on several threads.
    #[derive(Debug, Parser)]
    struct Arguments {
        /// An IP address and a port to listen on; port 0 for any free one.
        #[arg(default_value = "127.0.0.1:7000")]
        address: SocketAddr,

        /// The system call to wait with; the best of the platform, if not given.
        #[arg(long, value_name = "NAME")]
        backend: Option<Backend>,

        /// The number of clients to serve at once; more wait until one leaves.
        #[arg(long, value_name = "N", default_value_t = 1024)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        capacity: u32,

        /// The number of threads that work.
        #[arg(long, value_name = "N", default_value_t = 4)]
        #[arg(value_parser = clap::value_parser!(u8).range(1..))]
        workers: u8,
    }

    type Jobs = Arc<Mutex<Receiver<(Token, u64)>>>;

    /// Works on one job after another, until the service is gone.
    fn work(jobs: &Jobs, results: &Postbox<u64, RESULTS>) {
        loop {
            // The others wait for the lock while this one waits for a job.
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((client, number)) = job else { return };
            let mut result = count_primes_below(number);
            while let Err(unposted) = results.post(client, result) {
                result = unposted;
                thread::sleep(RETRY);
            }
        }
    }

    fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
        let mut settings = Builder::new().connections(arguments.capacity as usize);
        if let Some(backend) = arguments.backend {
            settings = settings.backend(backend);
        }
        let mut server = settings.listen(arguments.address)?;
        let handle = server.handle();
        ctrlc::set_handler(move || handle.drain(DRAIN))?;
        let results = server.postbox();
        let (address, backend) = (server.local_address()?, server.backend());
        let server = server.reserve()?;
        let (submit, jobs) = sync_channel(JOBS);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..arguments.workers {
            let (jobs, results) = (Arc::clone(&jobs), results.clone());
            thread::Builder::new().spawn(move || work(&jobs, &results))?;
        }
        let Arguments { capacity, workers, .. } = arguments;
        print(&format!(
            "listening on {address} ({backend}, capacity {capacity}, {workers} workers)\n"
        ));
        let pool = Pool::new(move |client, number| submit.try_send((client, number)).is_ok());
        let Finished { counters, service, .. } = server.run_receiving(pool, &results)?;
        print(&format!(
            "accepted {}, closed {}\njobs {}, refused as busy {}, for clients that had left {}\n",
            counters.accepted,
            counters.closed_total(),
            service.counters().jobs,
            service.counters().busy,
            counters.messages_dropped
        ));
        Ok(())
    }

    /// Serves until Ctrl-C.
    pub(super) fn main() -> ExitCode {
        program::run("pool", |arguments| run(&arguments))
    }
}

#[cfg(any(unix, windows))]
fn main() -> std::process::ExitCode {
    native::main()
}

#[cfg(not(any(unix, windows)))]
fn main() -> std::process::ExitCode {
    eprintln!("pool: this platform has no threads");
    std::process::ExitCode::from(2)
}
