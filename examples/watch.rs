//! Watches standard input, a child process, its output, signals and TCP clients in one loop. What
//! happens is sent to every client as a line; what clients say is printed.
//!
//! It teaches sources of other kinds beside a server: a terminal and a pipe are adopted
//! (`Platform::adopt`), signals and the end of a child are descriptors (`Signals`, `ChildExit`),
//! and one handler routes by token.
//!
//! ```text
//! cargo run --example watch -- 127.0.0.1:7000 -- sh -c 'while sleep 1; do date; done'
//! nc 127.0.0.1 7000          # each second a line
//! kill -HUP $(pgrep watch)   # starts the child anew
//! ```
//!
//! Ctrl-C and SIGTERM end it: clients get what is pending, the child is killed.

#[cfg(unix)]
#[path = "common/program.rs"]
mod program;

#[cfg(unix)]
mod native {
    use std::net::SocketAddr;
    use std::os::fd::{AsFd, OwnedFd};
    use std::process::{Child, Command, ExitCode, Stdio};
    use std::time::Duration;

    use clap::Parser;
    use selkie::memory::{HeapLoop, HeapServer};
    use selkie::platform::{
        Close, DefaultSelector, Events, Poll, Selector, Socket, Transport, Wait,
    };
    use selkie::sources::{ChildExit, Signals};
    use selkie::{
        CloseReason, Config, Context, Error, ErrorKind, Event, EventLoop, Handler, Interest, Mode,
        Peer, Server, Service, Token,
    };

    use super::program::{self, print};

    /// Clients, and beside them the listener, standard input, signals, the child and its output.
    const CLIENTS: usize = 64;
    const SLOTS: usize = CLIENTS + 5;
    /// The longest piece that is passed on at once.
    const PIECE: usize = 4096;
    /// The time that clients have to take what is pending at the end.
    const DRAIN: Duration = Duration::from_secs(5);

    type Platform = selkie::platform::Platform<DefaultSelector<'static>>;

    /// Sends what happens to all TCP clients.
    #[derive(Debug, Parser)]
    struct Arguments {
        /// An IP address and a port to listen on; port 0 for any free one.
        #[arg(default_value = "127.0.0.1:7000")]
        address: SocketAddr,

        /// A program to start, with its arguments.
        #[arg(last = true)]
        command: Vec<String>,
    }

    /// The clients. What a client says is printed; what is sent to it does not wait for others.
    #[derive(Debug, Default)]
    struct Clients {
        members: Vec<Token>,
    }

    impl Service for Clients {
        type Session = ();

        fn opened(&mut self, peer: &mut Peer<'_>, (): &mut ()) {
            self.members.push(peer.token());
        }

        fn received(&mut self, _: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
            show(bytes);
            bytes.len()
        }

        fn closed(&mut self, peer: &mut Peer<'_>, (): &mut (), _: CloseReason) {
            self.members.retain(|member| *member != peer.token());
        }
    }

    /// Prints what a client says, as text: control characters could change the terminal. What the
    /// reader of the output does not take is lost, so that it stops nothing else.
    fn show(bytes: &[u8]) {
        let is_text = |byte: &u8| matches!(byte, b'\n' | b'\t') || !byte.is_ascii_control();
        let text: Vec<u8> =
            bytes.iter().map(|byte| if is_text(byte) { *byte } else { b'?' }).collect();
        // A pipe that is ready takes so many bytes without blocking.
        for piece in text.chunks(PIECE) {
            if is_ready(&std::io::stdout()).unwrap_or(false) {
                print(piece);
            }
        }
    }

    /// Returns whether `output` takes a page without blocking, as POSIX says of a pipe that is
    /// ready.
    fn is_ready(output: &impl AsFd) -> Result<bool, Error> {
        let mut selector = Poll::new(1)?;
        selector.register(output.as_fd(), Token::new(0, 1), Interest::WRITABLE, Mode::Level)?;
        let mut batch = [Event::EMPTY];
        let mut events = Events::new(&mut batch);
        let now = selector.now();
        selector.poll(now, &mut events)?;
        Ok(!events.is_empty())
    }

    /// A source of its own, and its token.
    type OwnSource = (Socket, Token);

    /// The handler of the loop.
    struct Watch {
        server: Server<Platform, Clients, HeapServer<Socket, ()>>,
        input: Option<OwnSource>,
        signals: (Signals, Token),
        command: Vec<String>,
        child: Option<Running>,
    }

    /// A child process, its end and its output.
    struct Running {
        child: Child,
        exit: OwnSource,
        output: Option<OwnSource>,
    }

    impl Handler<Platform> for Watch {
        fn ready(&mut self, context: &mut Context<'_, Platform>, event: Event) {
            let token = event.token;
            if token == self.signals.1 {
                self.take_signals(context);
            } else if is(self.input, token) {
                self.take_input(context);
            } else if self.child.as_ref().is_some_and(|child| is(child.output, token)) {
                self.take_output(context);
            } else if self.child.as_ref().is_some_and(|child| child.exit.1 == token) {
                self.take_exit(context);
            } else {
                self.server.ready(context, event);
            }
        }

        fn expired(&mut self, context: &mut Context<'_, Platform>, token: Token) {
            self.server.expired(context, token);
        }
    }

    /// Returns whether `token` is that of a source.
    fn is(watched: Option<OwnSource>, token: Token) -> bool {
        watched.is_some_and(|(_, own)| own == token)
    }

    impl Watch {
        /// Sends text to all clients. A client without room misses it.
        fn tell(&mut self, context: &mut Context<'_, Platform>, text: &[u8]) {
            let members = self.server.service().members.clone();
            for member in members {
                self.server.with(context, member, |_, peer, ()| {
                    let _ = peer.send(text);
                });
            }
        }

        fn take_signals(&mut self, context: &mut Context<'_, Platform>) {
            while let Ok(signal) = self.signals.0.read() {
                if signal == Signals::HANGUP {
                    self.tell(context, b"hangup: starting anew\n");
                    self.restart(context);
                } else {
                    self.tell(context, b"terminating\n");
                    let deadline = context.now() + DRAIN;
                    self.server.drain(context, deadline);
                }
            }
        }

        fn take_input(&mut self, context: &mut Context<'_, Platform>) {
            let mut piece = [0; PIECE];
            match self.input.map(|(source, _)| context.platform.read(source, &mut piece)) {
                Some(Ok(count @ 1..)) => self.tell(context, &piece[..count]),
                Some(Err(error)) if error.is_would_block() => {}
                // The end of the input ends nothing else.
                _ => close(context, self.input.take()),
            }
        }

        fn take_output(&mut self, context: &mut Context<'_, Platform>) {
            let mut piece = [0; PIECE];
            let Some(child) = &mut self.child else { return };
            match child.output.map(|(source, _)| context.platform.read(source, &mut piece)) {
                Some(Ok(count @ 1..)) => self.tell(context, &piece[..count]),
                Some(Err(error)) if error.is_would_block() => {}
                _ => close(context, child.output.take()),
            }
        }

        fn take_exit(&mut self, context: &mut Context<'_, Platform>) {
            let Some(mut running) = self.child.take() else { return };
            let Ok(Some(status)) = running.child.try_wait() else {
                self.child = Some(running);
                return;
            };
            self.tell(context, format!("the child ended: {status}\n").as_bytes());
            close(context, Some(running.exit));
            close(context, running.output.take());
        }

        /// Kills the child, and starts it again.
        fn restart(&mut self, context: &mut Context<'_, Platform>) {
            if let Some(mut running) = self.child.take() {
                let _ = running.child.kill();
                let _ = running.child.wait();
                close(context, Some(running.exit));
                close(context, running.output.take());
            }
            match self.start(context) {
                Ok(child) => self.child = child,
                Err(error) => self.tell(context, format!("no child: {error}\n").as_bytes()),
            }
        }

        /// Starts the child, if one was asked for.
        fn start(
            &self,
            context: &mut Context<'_, Platform>,
        ) -> Result<Option<Running>, Box<dyn std::error::Error>> {
            let Some((program, arguments)) = self.command.split_first() else { return Ok(None) };
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
            let started = command.spawn();
            let mut child = started.map_err(|error| format!("cannot start {program}: {error}"))?;
            let exit = watch(context, ChildExit::new(&child)?.source()?)?;
            let output = child.stdout.take().map(|pipe| watch(context, pipe.into())).transpose()?;
            Ok(Some(Running { child, exit, output }))
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            if let Some(running) = &mut self.child {
                let _ = running.child.kill();
                let _ = running.child.wait();
            }
        }
    }

    /// Watches a descriptor for reading.
    fn watch(context: &mut Context<'_, Platform>, fd: OwnedFd) -> Result<OwnSource, Error> {
        let source = context.platform.adopt(fd).map_err(|(error, _closed)| error)?;
        match context.register(source, Interest::READABLE, Mode::Level) {
            Ok(token) => Ok((source, token)),
            Err(error) => {
                context.platform.close(source, Close::Graceful)?;
                Err(error)
            }
        }
    }

    /// Ends watching, and closes the descriptor.
    fn close(context: &mut Context<'_, Platform>, watched: Option<OwnSource>) {
        if let Some((source, token)) = watched {
            let _ = context.deregister(source, token);
            let _ = context.platform.close(source, Close::Graceful);
        }
    }

    /// Watches until a signal ends it.
    pub(super) fn main() -> ExitCode {
        program::run("watch", run)
    }

    fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
        // First, so that no signal gets through before.
        let signals = Signals::new(&[Signals::HANGUP, Signals::INTERRUPT, Signals::TERMINATE])?;
        let platform = Platform::new(DefaultSelector::new(SLOTS)?, SLOTS)?;
        let mut event_loop = EventLoop::new(platform, HeapLoop::new(SLOTS, SLOTS)?);
        let mut context = event_loop.context();
        let listener = context.platform.listen(arguments.address, 128)?;
        let address = context.platform.local_address(listener)?;
        let memory = HeapServer::new(SLOTS, 2 * SLOTS, 16 << 10)?;
        let mut server =
            Server::new(Clients::default(), Config::DEFAULT.connections_max(CLIENTS), memory);
        server.listen(&mut context, listener)?;

        let (_, signal_token) = watch(&mut context, signals.source()?)?;
        let signals = (signals, signal_token);
        let input = std::io::stdin().as_fd().try_clone_to_owned()?;
        let input = match watch(&mut context, input) {
            Ok(watched) => Some(watched),
            // A file, or the null device, is no source that can be waited for.
            Err(error) if error.kind() == ErrorKind::Unsupported => None,
            Err(error) => return Err(error.into()),
        };
        let mut watch = Watch { server, input, signals, command: arguments.command, child: None };
        watch.child = watch.start(&mut context)?;
        print(&format!("listening on {address} (capacity {CLIENTS})\n"));
        event_loop.run(&mut watch)?;
        Ok(())
    }
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    native::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("watch: this platform has no signals and no child processes");
    std::process::ExitCode::from(2)
}
