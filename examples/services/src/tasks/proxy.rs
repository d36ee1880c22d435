//! A proxy as a task: each client is connected to one of several servers, and what either sends is
//! passed on to the other.

use core::net::SocketAddr;
use core::time::Duration;

use embassy_futures::join::join;
use selkie_async::{Conn, ReadHalf, WriteHalf};

/// The time that a server has to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The size of the buffer for each direction.
const BUFFER: usize = 512;

/// Relays between `client` and the first of the servers at `upstreams` that accepts, beginning
/// with another one for each slot. Each direction ends by itself; a client for which there is no
/// server is disconnected.
pub async fn proxy(mut client: Conn<'_>, upstreams: &[SocketAddr]) {
    let first = client.token().index();
    for turn in 0..upstreams.len() {
        let address = upstreams[(first + turn) % upstreams.len()];
        let timer = client.timer();
        if let Ok(Ok(server)) = timer.timeout(CONNECT_TIMEOUT, client.connect(address)).await {
            return relay(client, server).await;
        }
    }
}

/// Relays until both directions have ended.
async fn relay(mut client: Conn<'_>, mut server: Conn<'_>) {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    join(copy(from_client, to_server), copy(from_server, to_client)).await;
}

/// Passes on what is received, and the end of it.
async fn copy(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
    let mut buffer = [0; BUFFER];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown_write().await;
}
