//! The two selectors, on the same load.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::windows::io::AsSocket;
use std::time::Duration;

use selkie::platform::{Afd, Events, Selector, Wait};
use selkie::{Event, Interest, Mode, Token};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};

use crate::calls;

/// The work of a contestant.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) sources: usize,
    /// The sources that become ready in one turn.
    pub(crate) active: usize,
    pub(crate) turns: usize,
}

/// The cost of a ready event.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Processor time, user and system.
    pub(crate) nanos: f64,
    /// Calls of `NtDeviceIoControlFile`.
    pub(crate) calls: f64,
}

#[derive(Clone, Copy)]
pub(crate) enum Contestant {
    Afd,
    Mio,
}

impl Contestant {
    /// Makes connections, and measures the turns.
    pub(crate) fn dispatch(self, load: Load) -> Cost {
        let (near, far): (Vec<_>, Vec<_>) = connections(load.sources).into_iter().unzip();
        match self {
            Self::Afd => through_afd(load, &near, &far),
            Self::Mio => through_mio(load, near, &far),
        }
    }
}

/// Makes connections of this host with itself.
fn connections(count: usize) -> Vec<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (0..count)
        .map(|_| {
            let near = TcpStream::connect(address).expect("the listener is there");
            let (far, _) = listener.accept().expect("a connection waits");
            near.set_nonblocking(true).expect("a socket takes the option");
            far.set_nodelay(true).expect("a socket takes the option");
            (near, far)
        })
        .collect()
}

/// Runs the turns after a warm-up of a tenth, and returns the cost of an event.
fn measured(load: Load, far: &[TcpStream], mut wait: impl FnMut() -> usize) -> Cost {
    let mut next = 0;
    let mut run = |turns: usize| {
        for _ in 0..turns {
            for _ in 0..load.active {
                (&far[next]).write_all(b"x").expect("a far end takes a byte");
                next = (next + 1) % far.len();
            }
            let mut seen = 0;
            while seen < load.active {
                seen += wait();
            }
        }
    };
    run(load.turns / 10);
    let (calls, time) = (calls::count(), processor_time());
    run(load.turns);
    let spent = processor_time().saturating_sub(time);
    let events = load.turns * load.active;
    Cost {
        nanos: each(spent.as_nanos(), events),
        calls: each(u128::from(calls::count() - calls), events),
    }
}

/// Returns the part of a total that an event has.
#[expect(clippy::cast_precision_loss, reason = "no benchmark counts to 2^52")]
fn each(total: u128, events: usize) -> f64 {
    total as f64 / events as f64
}

fn through_afd(load: Load, near: &[TcpStream], far: &[TcpStream]) -> Cost {
    let mut selector = Afd::new(near.len()).expect("there is memory");
    for (index, stream) in (0..).zip(near) {
        let token = Token::new(index, 1);
        let registered =
            selector.register(stream.as_socket(), token, Interest::READABLE, Mode::Level);
        registered.expect("a socket can be watched");
    }
    let mut batch = vec![Event::EMPTY; 256];
    measured(load, far, || {
        let mut events = Events::new(&mut batch);
        selector.wait_for(&mut events, Duration::from_secs(10)).expect("it can wait");
        events.iter().map(|event| usize::from(drain(&near[event.token.index()]))).sum()
    })
}

fn through_mio(load: Load, near: Vec<TcpStream>, far: &[TcpStream]) -> Cost {
    let mut poll = mio::Poll::new().expect("there is memory");
    let mut near: Vec<_> = near.into_iter().map(mio::net::TcpStream::from_std).collect();
    for (index, stream) in near.iter_mut().enumerate() {
        let registered =
            poll.registry().register(stream, mio::Token(index), mio::Interest::READABLE);
        registered.expect("a socket can be watched");
    }
    let mut events = mio::Events::with_capacity(256);
    measured(load, far, || {
        poll.poll(&mut events, Some(Duration::from_secs(10))).expect("it can wait");
        events.iter().map(|event| usize::from(drain(&near[event.token().0]))).sum()
    })
}

/// Reads until nothing is left. Returns true if there was a byte.
fn drain(mut stream: impl Read) -> bool {
    let mut has_read = false;
    loop {
        match stream.read(&mut [0; 64]) {
            Ok(count) => has_read |= count > 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return has_read,
            Err(error) => panic!("the connection broke: {error}"),
        }
    }
}

/// Returns the processor time that this process has used.
fn processor_time() -> Duration {
    let zero = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut created, mut ended, mut kernel, mut user) = (zero, zero, zero, zero);
    // SAFETY: the four are valid places for the results.
    let result = unsafe {
        GetProcessTimes(
            GetCurrentProcess(),
            &raw mut created,
            &raw mut ended,
            &raw mut kernel,
            &raw mut user,
        )
    };
    assert_ne!(result, 0, "a process may ask for its own times");
    let ticks =
        |time: FILETIME| (u64::from(time.dwHighDateTime) << 32) | u64::from(time.dwLowDateTime);
    Duration::from_nanos(100 * (ticks(kernel) + ticks(user)))
}
