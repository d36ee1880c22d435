//! The echo service as a task.

use selkie_async::Conn;

/// The size of the buffer that [`echo`] copies through.
const BUFFER: usize = 256;

/// Sends back all bytes that it receives, through a buffer of its own.
pub async fn echo(mut conn: Conn<'_>) {
    let mut buffer = [0; BUFFER];
    while let Ok(count @ 1..) = conn.read(&mut buffer).await {
        if conn.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Sends back all bytes that it receives, from where the server has them.
pub async fn echo_in_place(mut conn: Conn<'_>) {
    // Ready at the end of the stream, since the closure never has a value.
    let _ = conn.receive(|peer, bytes| (peer.send_some(bytes), None::<()>)).await;
}
