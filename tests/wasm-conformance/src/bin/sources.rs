//! Sources of all kinds in one loop, on WASI 0.2 and 0.3: standard input, a UDP socket, the lookup
//! of names, a TCP listener with its clients, and a clock that the program has made itself. On WASI
//! 0.1: standard input.
//!
//! ```text
//! sources
//! ```
//!
//! It prints a line for each thing that happens, looks up each line of its input, sends each
//! message and what each client says back to its sender, and ends when its input does.

#[cfg(target_env = "p2")]
use selkie::ErrorKind;
use selkie::memory::HeapLoop;
use selkie::platform::{Socket, Transport};
use selkie::{Context, Error, Event, EventLoop, Handler, Interest, Mode, Token};

/// Number of sources at most.
const SOURCES: usize = 16;

#[cfg(target_env = "p1")]
type Platform = selkie::platform::PollOneoff<'static>;
#[cfg(all(target_env = "p2", not(feature = "waitable-set")))]
type Platform = selkie::platform::IoPoll<'static>;
#[cfg(all(target_env = "p2", feature = "waitable-set"))]
type Platform = selkie::platform::WaitableSet;

#[cfg(feature = "waitable-set")]
selkie::export_run!(main);

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
    #[cfg(target_env = "p2")]
    Listener,
    #[cfg(target_env = "p2")]
    Client,
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
    #[expect(clippy::unused_self, reason = "on WASI 0.2 it watches the lookup")]
    fn look_up(&mut self, _context: &mut Context<'_, Platform>, _name: &str) {}

    /// Starts to look up a name.
    #[cfg(target_env = "p2")]
    fn look_up(&mut self, context: &mut Context<'_, Platform>, name: &str) {
        match context.platform.look_up(name) {
            Ok(source) => self.watch(context, source, Purpose::LookUp).expect("there is room"),
            Err(error) => {
                let kind = error.kind();
                assert!(matches!(
                    kind,
                    ErrorKind::AddressUnavailable | ErrorKind::PermissionDenied
                ));
                println!("not looked up, without -S allow-ip-name-lookup");
            }
        }
    }

    /// Prints the addresses of a lookup.
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
                    self.close(context, token).expect("a lookup can be closed");
                    return;
                }
            }
        }
    }

    /// Watches each new client.
    #[cfg(target_env = "p2")]
    fn accept(&mut self, context: &mut Context<'_, Platform>, listener: Socket) {
        while let Ok(client) = context.platform.accept(listener) {
            println!("client");
            self.watch(context, client, Purpose::Client).expect("there is room");
        }
    }

    /// Sends what a client says back.
    #[cfg(target_env = "p2")]
    fn answer(&mut self, context: &mut Context<'_, Platform>, token: Token, client: Socket) {
        let mut bytes = [0; 64];
        match context.platform.read(client, &mut bytes) {
            Ok(0) => {
                println!("client left");
                self.close(context, token).expect("a client can be closed");
            }
            Ok(count) => {
                println!("client said {count} bytes");
                let written = context.platform.write(client, &bytes[..count]);
                assert_eq!(written, Ok(count), "there is room for few bytes");
            }
            Err(error) => assert!(error.is_would_block(), "{error}"),
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
                #[cfg(feature = "waitable-set")]
                {
                    let event = context.platform.take_event(source).expect("it has an event");
                    assert_eq!((event.kind, event.code), (1, 2), "a call has returned");
                }
                println!("clock");
                self.close(context, token).expect("a clock can be closed");
            }
            #[cfg(target_env = "p2")]
            Purpose::Listener => self.accept(context, source),
            #[cfg(target_env = "p2")]
            Purpose::Client => self.answer(context, token, source),
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
    let mut context = event_loop.context();
    let input = context.platform.stdin()?;
    sources.watch(&mut context, input, Purpose::Input)?;
    let clock = clock(context.platform)?;
    sources.watch(&mut context, clock, Purpose::Clock)?;
    let socket = match context.platform.bind_udp(([127, 0, 0, 1], 0).into()) {
        Ok(socket) => socket,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            println!("no messages: permission denied by the host; give it -S inherit-network");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    println!("messages to {}", context.platform.local_address(socket)?);
    sources.watch(&mut context, socket, Purpose::Messages)?;
    let listener = context.platform.listen(([127, 0, 0, 1], 0).into(), 16)?;
    println!("clients to {}", context.platform.local_address(listener)?);
    sources.watch(&mut context, listener, Purpose::Listener)
}

/// Returns a clock that the program has made itself.
#[cfg(all(target_env = "p2", not(feature = "waitable-set")))]
fn clock(platform: &mut Platform) -> Result<Socket, Error> {
    #[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.2.0")]
    unsafe extern "C" {
        #[link_name = "subscribe-duration"]
        safe fn subscribe_duration(nanoseconds: u64) -> u32;
    }

    // SAFETY: the pollable has just been made, and has no other owner.
    unsafe { platform.adopt_pollable(subscribe_duration(20_000_000)) }
}

/// Returns a clock that the program has made itself: a call in flight. It is dropped when the
/// program ends.
#[cfg(all(target_env = "p2", feature = "waitable-set"))]
fn clock(platform: &mut Platform) -> Result<Socket, Error> {
    use selkie::platform::Wait;

    #[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.3.0")]
    unsafe extern "C" {
        #[link_name = "[async-lower]wait-until"]
        safe fn wait_until(when: u64) -> u32;
    }

    let subtask = loop {
        // A call that has returned already, as on a machine that was busy, has no handle.
        let subtask = wait_until(platform.now().as_nanos() + 20_000_000) >> 4;
        if subtask != 0 {
            break subtask;
        }
    };
    // SAFETY: the call is in flight, its handle is in no set, and it is never dropped.
    unsafe { platform.adopt_waitable(subtask) }
}

#[cfg(target_env = "p1")]
#[expect(clippy::unnecessary_wraps, reason = "the platform of WASI 0.2 can fail here")]
fn platform() -> Result<Platform, Error> {
    Ok(selkie::platform::PollOneoff::new(selkie::platform::PollOneoffStorage::leaked(SOURCES)))
}

#[cfg(all(target_env = "p2", feature = "waitable-set"))]
#[expect(clippy::unnecessary_wraps, reason = "the platform of WASI 0.2 can fail here")]
fn platform() -> Result<Platform, Error> {
    Ok(Platform::new(selkie::platform::WaitableSetStorage::leaked(SOURCES)))
}

#[cfg(all(target_env = "p2", not(feature = "waitable-set")))]
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
