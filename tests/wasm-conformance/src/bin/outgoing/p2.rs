//! The request on WASI 0.2, by the crate `wasip2`. The pollables of the response, and then of its
//! body, go to the platform.

use selkie::Error;
use selkie::platform::{IoPoll, IoPollStorage, Socket};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, OutgoingRequest, Scheme,
};
use wasip2::io::poll::Pollable;
use wasip2::io::streams::{InputStream, StreamError};

use super::{Next, SOURCES};

/// The platform that waits for it.
pub(crate) type Platform = IoPoll<'static>;

/// Returns a platform without sources.
pub(crate) fn platform() -> Result<Platform, Error> {
    IoPoll::new(IoPollStorage::leaked(SOURCES))
}

/// A request that was sent. A part is dropped before the whole, and a pollable before either: the
/// program closes its source first.
pub(crate) struct Request {
    stream: Option<(InputStream, IncomingBody, IncomingResponse)>,
    response: FutureIncomingResponse,
}

/// Gives a pollable to the platform.
fn adopt(platform: &mut Platform, pollable: &Pollable) -> Next {
    // SAFETY: the handle is that of a pollable, which has no other owner now.
    let source = unsafe { platform.adopt_pollable(pollable.take_handle()) };
    Next::Other(source.expect("there is room"))
}

impl Request {
    /// Sends a request for a path at an authority.
    pub(crate) fn send(platform: &mut Platform, authority: &str, path: &str) -> (Self, Next) {
        let request = OutgoingRequest::new(Fields::new());
        let taken = request.set_scheme(Some(&Scheme::Http)).is_ok()
            && request.set_authority(Some(authority)).is_ok()
            && request.set_path_with_query(Some(path)).is_ok();
        assert!(taken, "the host takes the request");
        let response = outgoing_handler::handle(request, None).expect("it can be sent");
        println!("asked");
        let next = adopt(platform, &response.subscribe());
        (Self { stream: None, response }, next)
    }

    /// Takes the response or bytes of its body, and does what follows.
    pub(crate) fn proceed(&mut self, platform: &mut Platform, _source: Socket) -> Next {
        if let Some((stream, _, _)) = &self.stream {
            return read(stream);
        }
        match self.response.get().map(|first| first.expect("it is taken once")) {
            None => Next::Same,
            Some(Ok(response)) => self.answer(platform, response),
            Some(Err(error)) => {
                println!("no response: {error:?}");
                Next::Over
            }
        }
    }

    /// Prints the status of the response, and waits for its body.
    fn answer(&mut self, platform: &mut Platform, response: IncomingResponse) -> Next {
        println!("status {}", response.status());
        let body = response.consume().expect("it is taken once");
        let stream = body.stream().expect("it is taken once");
        let next = adopt(platform, &stream.subscribe());
        self.stream = Some((stream, body, response));
        next
    }
}

/// Reads what there is of the body.
fn read(stream: &InputStream) -> Next {
    match stream.read(64) {
        Ok(bytes) => {
            if !bytes.is_empty() {
                println!("body {}", String::from_utf8_lossy(&bytes));
            }
            Next::Same
        }
        Err(StreamError::Closed) => {
            println!("body ended");
            Next::Over
        }
        Err(error) => panic!("{error:?}"),
    }
}
