//! The peer of `http` by hyper, on tokio's loop for one thread.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::server;
use crate::support::echo;

/// The bytes of a long reply that are sent at once, as in ours.
static PATTERN: [u8; 128 * 1024] = [b'x'; 128 * 1024];

/// The body of a reply.
enum Reply {
    Short(Option<Bytes>),
    /// So many bytes are left.
    Long(u64),
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Short(bytes) => bytes.take(),
            Self::Long(0) => None,
            Self::Long(left) => {
                let len = (PATTERN.len() as u64).min(*left);
                *left -= len;
                let len = usize::try_from(len).unwrap_or(PATTERN.len());
                Some(Bytes::from_static(&PATTERN[..len]))
            }
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Short(None) | Self::Long(0))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Short(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Long(left) => *left,
        })
    }
}

/// Plays `hyper`: serves until the process is ended.
pub(crate) fn serve() {
    let listener = echo::listener();
    server::announce(listener.local_addr().expect("an address").port());
    listener.set_nonblocking(true).expect("a listener that does not block");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.expect("a runtime").block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            stream.set_nodelay(true).expect("a socket option");
            tokio::spawn(async move {
                let mut builder = http1::Builder::new();
                builder.pipeline_flush(true);
                // A client that has left is no failure of the server.
                let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    let path = request.uri().path();
    let reply = match path.strip_prefix("/bytes/").and_then(|count| count.parse().ok()) {
        Some(count) => Reply::Long(count),
        None => Reply::Short(Some(Bytes::from_static(b"Hello from Selkie.\n"))),
    };
    let mut response = Response::new(reply);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
