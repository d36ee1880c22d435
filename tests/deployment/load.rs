//! Clients that ask again and again, and count what they do not get.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The clients.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    served: AtomicU64,
    lost: AtomicU64,
}

impl Load {
    /// Starts clients. Each has a connection for each request.
    pub(crate) fn start(address: SocketAddr, clients: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = (0..clients)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    while !shared.is_over.load(Ordering::Relaxed) {
                        match ask(address) {
                            Ok(()) => shared.served.fetch_add(1, Ordering::Relaxed),
                            Err(error) => {
                                eprintln!("lost: {error}");
                                shared.lost.fetch_add(1, Ordering::Relaxed)
                            }
                        };
                    }
                })
            })
            .collect();
        Self { shared, threads }
    }

    /// Waits until so many more requests were served.
    pub(crate) fn wait_for(&self, more: u64) {
        let goal = self.shared.served.load(Ordering::Relaxed) + more;
        let end = Instant::now() + Duration::from_secs(60);
        while self.shared.served.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < end, "the clients are not served");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the clients. Returns how many requests were served, and how many were not.
    pub(crate) fn finish(self) -> (u64, u64) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no client panics");
        }
        (self.shared.served.load(Ordering::Relaxed), self.shared.lost.load(Ordering::Relaxed))
    }
}

/// Asks once, on a connection of its own, and checks the whole reply.
pub(crate) fn ask(address: SocketAddr) -> io::Result<()> {
    const LENGTH: usize = 3000;

    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(Duration::from_secs(60)))?;
    client.write_all(b"GET /bytes/3000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut reply = Vec::new();
    client.read_to_end(&mut reply)?;
    let body = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |at| at + 4);
    if reply.starts_with(b"HTTP/1.1 200 ") && reply.len() - body == LENGTH {
        Ok(())
    } else {
        Err(io::Error::other(format!("a reply of {} bytes", reply.len())))
    }
}
