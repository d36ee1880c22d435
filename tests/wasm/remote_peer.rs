//! The far ends of the conformance suite's connections: a program in a runtime asks for what they
//! are to do, as `tests/wasm-conformance` says it.

use std::fmt::Display;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

/// The size of a far end's receive buffer. Small, so that connections are soon full.
const RECEIVED_MAX: usize = 64 * 1024;

/// Any free port of this host.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The far ends of one case.
#[derive(Default)]
pub(crate) struct RemotePeer {
    /// The streams, by the numbers that the program has for them.
    streams: Vec<Option<TcpStream>>,
    listener: Option<TcpListener>,
    /// Sockets at addresses where no one listens.
    deaf: Vec<Socket>,
    /// The thread that interrupts the runtime, which ends with the case.
    interrupting: Option<Interrupting>,
}

/// A thread that interrupts the runtime until this is dropped.
struct Interrupting {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Interrupting {
    fn start(runtime: u32, period: Duration, span: Duration) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || interrupt(runtime, period, span, &seen));
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Interrupting {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(!matches!(ended, Some(Err(_))), "the interrupting thread has panicked");
        }
    }
}

/// The words of a question.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl Words<'_> {
    /// Returns the next word, which is a number or an address.
    fn next<T: FromStr>(&mut self) -> io::Result<T> {
        self.0
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or_else(|| ErrorKind::InvalidInput.into())
    }
}

/// An answer: a value, and the bytes behind it.
type Answer = (String, Vec<u8>);

/// Makes an answer of one value.
fn value(value: impl Display) -> Answer {
    (value.to_string(), Vec::new())
}

impl RemotePeer {
    /// Carries out `question`, with the bytes that follow it, and answers to the runtime with this
    /// process id.
    pub(crate) fn answer(
        &mut self,
        question: &str,
        input: &mut impl BufRead,
        output: &mut impl Write,
        runtime: u32,
    ) -> io::Result<()> {
        match self.act(question, input, runtime) {
            Ok((value, bytes)) => {
                writeln!(output, "ok {value}")?;
                output.write_all(&bytes)?;
            }
            Err(error) => writeln!(output, "error {:?}", error.kind())?,
        }
        output.flush()
    }

    fn act(
        &mut self,
        question: &str,
        input: &mut impl BufRead,
        runtime: u32,
    ) -> io::Result<Answer> {
        let mut words = Words(question.split_whitespace());
        match words.next::<String>()?.as_str() {
            "dial" => self.dial(words.next()?).map(value),
            "listen" => self.listen().map(value),
            "accept" => self.accept().map(value),
            "refusing" => self.refusing().map(value),
            "read" => {
                let (stream, len) = (self.stream(words.next()?)?, words.next()?);
                let mut bytes = vec![0; len];
                let count = (&*stream).read(&mut bytes)?;
                bytes.truncate(count);
                Ok((count.to_string(), bytes))
            }
            "write" => {
                let (number, bytes) = (words.next()?, take(input, words.next()?)?);
                let mut stream = self.stream(number)?;
                stream.write(&bytes).map(value)
            }
            "later" => self.write_later(&mut words, input),
            "shutdown" => {
                self.stream(words.next()?)?.shutdown(std::net::Shutdown::Write).map(|()| value(0))
            }
            "close" => self.take_stream(words.next()?).map(|_| value(0)),
            "reset" => {
                let stream = self.take_stream(words.next()?)?;
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).map(|()| value(0))
            }
            "busy" => busy_time(runtime).map(value),
            "interrupt" => {
                let (period, span) = (micros(words.next()?), micros(words.next()?));
                self.interrupting = Some(Interrupting::start(runtime, period, span));
                Ok(value(0))
            }
            _ => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// Writes to a stream after a delay.
    fn write_later(&self, words: &mut Words<'_>, input: &mut impl Read) -> io::Result<Answer> {
        let (number, bytes, delay) =
            (words.next()?, take(input, words.next()?)?, micros(words.next()?));
        let mut stream = self.stream(number)?.try_clone()?;
        thread::spawn(move || {
            thread::sleep(delay);
            stream.write_all(&bytes)
        });
        Ok(value(0))
    }

    fn stream(&self, number: usize) -> io::Result<&TcpStream> {
        self.streams
            .get(number)
            .and_then(Option::as_ref)
            .ok_or_else(|| ErrorKind::NotConnected.into())
    }

    fn take_stream(&mut self, number: usize) -> io::Result<TcpStream> {
        self.streams
            .get_mut(number)
            .and_then(Option::take)
            .ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// Takes a connection in, and gives its number.
    fn add(&mut self, stream: TcpStream) -> io::Result<usize> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        self.streams.push(Some(stream));
        Ok(self.streams.len() - 1)
    }

    fn dial(&mut self, address: SocketAddr) -> io::Result<usize> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_recv_buffer_size(RECEIVED_MAX)?;
        socket.connect(&address.into())?;
        self.add(socket.into())
    }

    fn listen(&mut self) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(ANYWHERE)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr();
        self.listener = Some(listener);
        address
    }

    fn accept(&mut self) -> io::Result<usize> {
        let (stream, _) = self.listener.as_ref().ok_or(ErrorKind::WouldBlock)?.accept()?;
        self.add(stream)
    }

    fn refusing(&mut self) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&ANYWHERE.into())?;
        let address = socket.local_addr()?.as_socket().ok_or(ErrorKind::AddrNotAvailable)?;
        self.deaf.push(socket);
        Ok(address)
    }
}

/// Reads the bytes of the program's output that belong to its question.
fn take(input: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

/// Returns the processor time of a process, in nanoseconds; only Linux says.
fn busy_time(process: u32) -> io::Result<u64> {
    let threads =
        std::fs::read_dir(format!("/proc/{process}/task")).map_err(|_| ErrorKind::Unsupported)?;
    let busy = threads.map(|thread| {
        let statistics = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        Words(statistics.split_whitespace()).next::<u64>()
    });
    busy.sum()
}

/// Stops a process for a moment, again and again: the system calls that it waits in are
/// interrupted.
fn interrupt(
    process: u32,
    period: Duration,
    span: Duration,
    is_over: &AtomicBool,
) -> io::Result<()> {
    let end = Instant::now() + span;
    while Instant::now() < end && !is_over.load(Ordering::Relaxed) {
        thread::sleep(period);
        for signal in ["-STOP", "-CONT"] {
            Command::new("kill").args([signal, &process.to_string()]).status()?;
        }
    }
    Ok(())
}
