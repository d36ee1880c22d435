//! Full duplex: a relay of two connections, both of which send at once. By hand on the loop, and
//! as a service.
//!
//! `cargo bench --bench relay`, and `-- --quick` to see only that it runs.

#[macro_use]
mod support;

linux_main!("The processes of this benchmark are measured through /proc, on Linux only.");

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;
    use std::time::Instant;

    use crate::support::arguments::Arguments;
    use crate::support::process;
    use crate::support::relay;
    use crate::support::rounds::interleave;
    use crate::support::statistics::nanoseconds;
    use crate::support::table::Table;

    const NAMES: [&str; 3] = ["by hand", "served", "by hand"];

    pub(super) fn main() {
        let arguments = Arguments::from_environment();
        let mebibytes: usize = if arguments.quick { 2 } else { 20 };
        println!("# relay");
        let rounds = arguments.rounds(21);
        let values = interleave(rounds, NAMES.len(), |position| {
            let relay = if NAMES[position] == "served" { relay::served } else { relay::by_hand };
            exchange(relay, mebibytes << 20)
        });
        let title = format!("relay, {mebibytes} MiB each way at once");
        let explanation = format!("Elapsed time; {rounds} interleaved rounds.");
        Table::compare(&title, &explanation, "ms", &NAMES, &values).print();
    }

    /// Sends so many bytes each way at once; returns the elapsed time in milliseconds.
    fn exchange(relay: fn(TcpListener), bytes: usize) -> f64 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let relay = thread::spawn(move || {
            process::pin_to_core(0);
            relay(listener);
        });
        let streams = [(); 2].map(|()| TcpStream::connect(address).expect("a connection"));
        let start = Instant::now();
        thread::scope(|scope| {
            for stream in &streams {
                scope.spawn(move || send(stream, bytes));
                scope.spawn(move || assert_eq!(receive(stream), bytes, "bytes were lost"));
            }
        });
        let elapsed = start.elapsed();
        relay.join().expect("the relay ends with its connections");
        nanoseconds(elapsed) / 1e6
    }

    fn send(mut stream: &TcpStream, bytes: usize) {
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..bytes / piece.len() {
            stream.write_all(&piece).expect("the relay reads");
        }
        stream.shutdown(Shutdown::Write).expect("an open connection");
    }

    fn receive(mut stream: &TcpStream) -> usize {
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        loop {
            match stream.read(&mut buffer).expect("the relay goes on") {
                0 => return received,
                count => received += count,
            }
        }
    }
}
