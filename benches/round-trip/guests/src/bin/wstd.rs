//! wstd: a task for each connection, which reads and writes.

use round_trip_guests::{READ_MAX, address};
use wstd::io::{AsyncRead, AsyncWrite, Result};
use wstd::iter::AsyncIterator;
use wstd::net::{TcpListener, TcpStream};

fn main() -> Result<()> {
    wstd::runtime::block_on(serve())
}

/// Serves each connection in a task of its own.
async fn serve() -> Result<()> {
    let listener = TcpListener::bind(&address().to_string()).await?;
    println!("listening on {} (wstd)", listener.local_addr()?);
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let stream = stream?;
        // A connection that fails is that connection's end.
        wstd::runtime::spawn(async move { drop(echo(&stream).await) }).detach();
    }
    Ok(())
}

/// Sends back what comes, until the peer ends.
async fn echo(mut stream: &TcpStream) -> Result<()> {
    let mut buffer = vec![0; READ_MAX];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
