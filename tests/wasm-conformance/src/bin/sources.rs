//! Sources that are no TCP sockets in one loop, on WASI 0.2: standard input, a UDP socket, the
//! look-up of names, and a pollable that the program has made. On WASI 0.1: standard input.
//!
//! ```text
//! sources
//! ```
//!
//! It prints a line for each thing that happens, looks up each line of its input, sends each
//! message back to its sender, and ends when its input does.

use selkie::memory::HeapLoop;
use selkie::platform::{Socket, Transport};
use selkie::{Context, Error, Event, EventLoop, Handler, Interest, Mode, Token};

/// Number of sources at most.
const SOURCES: usize = 16;

#[cfg(target_env = "p1")]
type Platform = selkie::platform::PollOneoff<'static>;
#[cfg(target_env = "p2")]
type Platform = selkie::platform::IoPoll<'static>;

/// The purpose of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Input,
    #[cfg(target_env = "p2")]
    Messages,
    #[cfg(target_env = "p2")]
    Clock,
    #[cfg(target_env = "p2")]
    LookUp,
}

/// The sources of the program, by their tokens.
#[derive(Default)]
struct Sources {
    list: Vec<(Token, Socket, Purpose)>,
    line: Vec<u8>,
    is_over: bool,
}

impl Sources {
    /// Watches a source.
    fn watch(
        &mut self,
        context: &mut Context<'_, Platform>,
        source: Socket,
        purpose: Purpose,
    ) -> Result<(), Error> {
        let token = context.register(source, Interest::READABLE, Mode::Level)?;
        self.list.push((token, source, purpose));
        Ok(())
    }

    /// Closes a source.
    fn close(&mut self, context: &mut Context<'_, Platform>, token: Token) -> Result<(), Error> {
        let place = self.list.iter().position(|one| one.0 == token).expect("it is watched");
        let (_, source, _) = self.list.swap_remove(place);
        context.deregister(source, token)?;
        context.platform.close(source, selkie::platform::Close::Graceful)
    }

    /// Reads what has been typed, and handles its lines.
    fn read(&mut self, context: &mut Context<'_, Platform>, token: Token, input: Socket) {
        let mut bytes = [0; 64];
        match context.platform.read(input, &mut bytes) {
            Ok(0) => {
                println!("input ended");
                self.close(context, token).expect("standard input can be closed");
                self.is_over = true;
            }
            Ok(count) => {
                for byte in &bytes[..count] {
                    if *byte == b'\n' {
                        let line = String::from_utf8_lossy(&self.line).into_owned();
                        self.line.clear();
                        println!("line {line}");
                        self.look_up(context, &line);
                    } else {
                        self.line.push(*byte);
                    }
                }
            }
            Err(error) if error.is_would_block() => {}
            Err(error) => println!("input failed: {error}"),
        }
    }

    #[cfg(target_env = "p1")]
    #[expect(clippy::unused_self, reason = "on WASI 0.2 it watches the look-up")]
    fn look_up(&mut self, _context: &mut Context<'_, Platform>, _name: &str) {}

    /// Starts to look up a name.
    #[cfg(target_env = "p2")]
    fn look_up(&mut self, context: &mut Context<'_, Platform>, name: &str) {
        match context.platform.look_up(name) {
            Ok(source) => self.watch(context, source, Purpose::LookUp).expect("there is room"),
            Err(error) => println!("not looked up: {:?}", error.kind()),
        }
    }

    /// Prints the addresses of a look-up.
    #[cfg(target_env = "p2")]
    fn print_addresses(
        &mut self,
        context: &mut Context<'_, Platform>,
        token: Token,
        source: Socket,
    ) {
        loop {
            match context.platform.next_address(source) {
                Ok(Some(address)) => println!("address {address}"),
                Err(error) if error.is_would_block() => return,
                end => {
                    match end {
                        Err(error) => println!("no address: {:?}", error.kind()),
                        _ => println!("no more addresses"),
                    }
                    self.close(context, token).expect("a look-up can be closed");
                    return;
                }
            }
        }
    }

    /// Sends each message back.
    #[cfg(target_env = "p2")]
    fn echo(context: &mut Context<'_, Platform>, source: Socket) {
        use selkie::platform::Datagrams;

        let mut bytes = [0; 1000];
        while let Ok(message) = context.platform.receive_from(source, &mut bytes) {
            let sender = message.sender.expect("UDP has addresses");
            println!("message of {} bytes, cut: {}", message.length, message.is_truncated);
            let sent = context.platform.send_to(source, &bytes[..message.length], &sender);
            sent.expect("there is room for one message");
        }
    }
}

impl Handler<Platform> for Sources {
    fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
        let Some(&(token, source, purpose)) = self.list.iter().find(|one| one.0 == event.token)
        else {
            return;
        };
        match purpose {
            Purpose::Input => self.read(context, token, source),
            #[cfg(target_env = "p2")]
            Purpose::Messages => Self::echo(context, source),
            #[cfg(target_env = "p2")]
            Purpose::LookUp => self.print_addresses(context, token, source),
            #[cfg(target_env = "p2")]
            Purpose::Clock => {
                println!("clock");
                self.close(context, token).expect("a pollable can be closed");
            }
        }
    }
}

#[cfg(target_env = "p1")]
fn open(
    event_loop: &mut EventLoop<Platform, HeapLoop>,
    sources: &mut Sources,
) -> Result<(), Error> {
    let mut context = event_loop.context();
    let input = context.platform.stdin()?;
    sources.watch(&mut context, input, Purpose::Input)
}

#[cfg(target_env = "p2")]
fn open(
    event_loop: &mut EventLoop<Platform, HeapLoop>,
    sources: &mut Sources,
) -> Result<(), Error> {
    #[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.2.0")]
    unsafe extern "C" {
        #[link_name = "subscribe-duration"]
        safe fn subscribe_duration(nanoseconds: u64) -> u32;
    }

    let mut context = event_loop.context();
    let input = context.platform.stdin()?;
    sources.watch(&mut context, input, Purpose::Input)?;
    // SAFETY: the pollable has just been made, and has no other owner.
    let clock = unsafe { context.platform.adopt_pollable(subscribe_duration(20_000_000)) }?;
    sources.watch(&mut context, clock, Purpose::Clock)?;
    let socket = context.platform.bind_udp(([127, 0, 0, 1], 0).into())?;
    println!("messages to {}", context.platform.local_address(socket)?);
    sources.watch(&mut context, socket, Purpose::Messages)
}

#[cfg(target_env = "p1")]
#[expect(clippy::unnecessary_wraps, reason = "the platform of WASI 0.2 can fail here")]
fn platform() -> Result<Platform, Error> {
    Ok(selkie::platform::PollOneoff::new(selkie::platform::PollOneoffStorage::leaked(SOURCES)))
}

#[cfg(target_env = "p2")]
fn platform() -> Result<Platform, Error> {
    selkie::platform::IoPoll::new(selkie::platform::IoPollStorage::leaked(SOURCES))
}

fn main() -> Result<(), Error> {
    let mut event_loop = EventLoop::new(platform()?, HeapLoop::new(SOURCES, SOURCES)?);
    let mut sources = Sources::default();
    open(&mut event_loop, &mut sources)?;
    while !sources.is_over {
        event_loop.run_once(&mut sources)?;
    }
    Ok(())
}
