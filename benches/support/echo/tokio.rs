//! tokio, as its own example of an echo is written: a task for each connection, on one thread.

use std::net;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::sync::Notify;
use ::tokio::task::LocalSet;

/// The size of a task's buffer, that of our own task.
const BUFFER: usize = 256;

pub(crate) fn serve(listener: net::TcpListener, connections: usize) {
    listener.set_nonblocking(true).expect("a listener that does not block");
    let runtime =
        ::tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(accept(listener, connections)));
}

async fn accept(listener: net::TcpListener, connections: usize) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let (left, done) = (Arc::new(AtomicUsize::new(connections)), Arc::new(Notify::new()));
    for _ in 0..connections {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        let (left, done) = (Arc::clone(&left), Arc::clone(&done));
        ::tokio::task::spawn_local(async move {
            echo(stream).await;
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                done.notify_one();
            }
        });
    }
    done.notified().await;
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = [0; BUFFER];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
