//! An outgoing HTTP request of WASI 0.2 or 0.3, and a TCP listener with its clients, in one loop.
//!
//! ```text
//! outgoing AUTHORITY
//! ```
//!
//! It prints a line for each thing that happens, sends what each client says back, and ends when
//! the response does.

#[cfg(not(feature = "waitable-set"))]
mod p2;
#[cfg(feature = "waitable-set")]
mod p3;

use selkie::memory::HeapLoop;
use selkie::platform::{Close, Socket, Transport};
use selkie::{Context, Error, Event, EventLoop, Handler, Interest, Mode, Token};

#[cfg(not(feature = "waitable-set"))]
use p2::{Platform, Request, platform};
#[cfg(feature = "waitable-set")]
use p3::{Platform, Request, platform};

/// Number of sources at most.
const SOURCES: usize = 16;

#[cfg(feature = "waitable-set")]
selkie::export_run!(main);

/// The next thing that a request waits for.
#[derive(Clone, Copy)]
enum Next {
    /// The same source again.
    Same,
    /// Another source, in place of the last one.
    Other(Socket),
    /// Nothing: the response has ended.
    Over,
}

/// The purpose of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Listener,
    Client,
    Request,
}

/// The sources of the program, by their tokens.
struct Outgoing {
    list: Vec<(Token, Socket, Purpose)>,
    request: Request,
    is_over: bool,
}

impl Outgoing {
    /// Watches a source.
    fn watch(&mut self, context: &mut Context<'_, Platform>, source: Socket, purpose: Purpose) {
        let token = context.register(source, Interest::READABLE, Mode::Level);
        self.list.push((token.expect("there is room"), source, purpose));
    }

    /// Closes a source.
    fn close(&mut self, context: &mut Context<'_, Platform>, token: Token) {
        let place = self.list.iter().position(|one| one.0 == token).expect("it is watched");
        let (_, source, _) = self.list.swap_remove(place);
        context.deregister(source, token).expect("it is registered");
        context.platform.close(source, Close::Graceful).expect("it is open");
    }

    /// Replaces the source of the request, or ends the program.
    fn follow(&mut self, context: &mut Context<'_, Platform>, last: Option<Token>, next: Next) {
        if matches!(next, Next::Same) {
            return;
        }
        if let Some(token) = last {
            self.close(context, token);
        }
        match next {
            Next::Other(source) => self.watch(context, source, Purpose::Request),
            _ => self.is_over = true,
        }
    }

    /// Sends what a client says back.
    fn echo(&mut self, context: &mut Context<'_, Platform>, token: Token, client: Socket) {
        let mut bytes = [0; 64];
        match context.platform.read(client, &mut bytes) {
            Ok(0) => self.close(context, token),
            Ok(count) => {
                let written = context.platform.write(client, &bytes[..count]);
                assert_eq!(written, Ok(count), "there is room for few bytes");
            }
            Err(error) => assert!(error.is_would_block(), "{error}"),
        }
    }
}

impl Handler<Platform> for Outgoing {
    fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
        let Some(&(token, source, purpose)) = self.list.iter().find(|one| one.0 == event.token)
        else {
            return;
        };
        match purpose {
            Purpose::Listener => {
                while let Ok(client) = context.platform.accept(source) {
                    self.watch(context, client, Purpose::Client);
                }
            }
            Purpose::Client => self.echo(context, token, source),
            Purpose::Request => {
                let next = self.request.proceed(context.platform, source);
                self.follow(context, Some(token), next);
            }
        }
    }
}

fn main() -> Result<(), Error> {
    let authority = std::env::args().nth(1).expect("an authority, such as 127.0.0.1:8080");
    let mut event_loop = EventLoop::new(platform()?, HeapLoop::new(SOURCES, SOURCES)?);
    let mut context = event_loop.context();
    let listener = context.platform.listen(([127, 0, 0, 1], 0).into(), 16)?;
    println!("clients to {}", context.platform.local_address(listener)?);
    let (request, next) = Request::send(context.platform, &authority, "/slow");
    let mut outgoing = Outgoing { list: Vec::new(), request, is_over: false };
    outgoing.watch(&mut context, listener, Purpose::Listener);
    outgoing.follow(&mut context, None, next);
    while !outgoing.is_over {
        event_loop.run_once(&mut outgoing)?;
    }
    Ok(())
}
