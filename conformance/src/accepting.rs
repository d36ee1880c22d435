//! Accepting: connections come in their order, and one that left does not disturb the others.

use selkie_core::platform::Transport;
use selkie_core::{Error, ErrorKind, Interest, Readiness, Token};

use crate::harness::{Harness, PATIENCE};
use crate::outcome::{Answer, Check, ensure, fail};
use crate::{MakeFixture, SourceOf, TransportFixture};

impl<F: TransportFixture> Harness<F> {
    /// Registers a listener and returns it with its token.
    #[track_caller]
    pub(crate) fn listen(&mut self) -> Check<(SourceOf<F>, Token)> {
        let listener = self.fixture.listener().ability("listener")?;
        let token = self.register(listener, Interest::READABLE)?;
        Ok((listener, token))
    }

    /// Connects from afar.
    #[track_caller]
    pub(crate) fn dial(&mut self, listener: SourceOf<F>) -> Check<F::Peer> {
        self.fixture.dial(listener).ability("way to connect from afar")
    }

    /// Accepts now.
    pub(crate) fn accept(&mut self, listener: SourceOf<F>) -> Result<SourceOf<F>, Error> {
        self.platform().accept(listener)
    }

    /// Accepts a connection that is on its way.
    #[track_caller]
    pub(crate) fn accept_soon(
        &mut self,
        listener: SourceOf<F>,
        token: Token,
    ) -> Check<SourceOf<F>> {
        for _ in 0..PATIENCE {
            self.expect(token, Readiness::READABLE)?;
            match self.accept(listener) {
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::ConnectionAborted
                    ) => {}
                accepted => return accepted.must("accepting"),
            }
            self.fixture.settle();
        }
        fail!("a listener that is readable has no connection to accept")
    }
}

pub(crate) fn accepting_from_an_empty_backlog_would_block<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let (listener, token) = harness.listen()?;
    harness
        .accept(listener)
        .map(|_| ())
        .must_fail("accepting from an empty backlog", &[ErrorKind::WouldBlock])?;
    harness.dial(listener)?;
    harness.accept_soon(listener, token)?;
    harness
        .accept(listener)
        .map(|_| ())
        .must_fail("accepting from an empty backlog", &[ErrorKind::WouldBlock])?;
    harness.expect_calm(token, Readiness::READABLE, "and all connections were accepted")
}

pub(crate) fn connections_are_accepted_in_order<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 8)?;
    let (listener, token) = harness.listen()?;
    for name in [b"1", b"2", b"3"] {
        let peer = harness.dial(listener)?;
        // A connection that is under way is not in the queue yet, and the next could overtake it.
        harness.expect(token, Readiness::READABLE)?;
        harness.fixture.settle();
        harness.send(peer, name)?;
    }
    for name in *b"123" {
        let stream = harness.accept_soon(listener, token)?;
        let readable = harness.register(stream, Interest::READABLE)?;
        harness.expect(readable, Readiness::READABLE)?;
        let mut buffer = [0; 4];
        let count = harness.fixture.read(stream, &mut buffer).must("reading")?;
        ensure!(
            buffer[..count] == [name],
            "connection {} arrived as {:?}",
            name as char,
            &buffer[..count]
        );
    }
    Ok(())
}

pub(crate) fn a_listener_stays_ready_while_connections_wait<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 8)?;
    let (listener, token) = harness.listen()?;
    for _ in 0..3 {
        harness.dial(listener)?;
    }
    for _ in 0..3 {
        harness.expect(token, Readiness::READABLE)?;
        harness.expect(token, Readiness::READABLE)?;
        harness.accept_soon(listener, token)?;
    }
    harness.expect_calm(token, Readiness::READABLE, "and all connections were accepted")
}

pub(crate) fn a_connection_that_left_does_not_stop_the_others<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 8)?;
    let (listener, token) = harness.listen()?;
    let gone = harness.dial(listener)?;
    harness.fixture.settle();
    harness.fixture.peer_reset(gone).ability("reset")?;
    harness.fixture.settle();
    let peer = harness.dial(listener)?;
    harness.send(peer, b"here")?;
    for _ in 0..PATIENCE {
        // What left may be accepted, and then reads as reset or ended; or it may not be there any
        // more.
        let stream = harness.accept_soon(listener, token)?;
        let readable = harness.register(stream, Interest::READABLE)?;
        harness.expect(readable, Readiness::READABLE)?;
        let mut buffer = [0; 8];
        match harness.fixture.read(stream, &mut buffer) {
            Ok(4) => {
                ensure!(&buffer[..4] == b"here", "other bytes arrived than were sent");
                return Ok(());
            }
            Ok(0) => {}
            Ok(count) => fail!("{count} bytes arrived, and 4 or none were sent"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                fail!("a readable stream would block")
            }
            Err(_) => {}
        }
        harness.deregister(stream, readable)?;
        harness.fixture.close(stream).must("closing what left")?;
    }
    fail!("the connection behind one that left was never accepted")
}

pub(crate) fn a_listener_is_not_a_stream<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let (listener, token) = harness.listen()?;
    let would_block = |result: Result<usize, Error>| match result {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    ensure!(
        !would_block(harness.platform().read(listener, &mut [0; 4])),
        "a listener reads as a stream"
    );
    ensure!(
        !would_block(harness.platform().write(listener, b"x")),
        "a listener is written as a stream"
    );
    let (stream, _) = harness.pair()?;
    match harness.accept(stream) {
        Ok(_) => fail!("a stream accepted a connection"),
        Err(error) => {
            ensure!(error.kind() != ErrorKind::WouldBlock, "accepting from a stream would block");
        }
    }
    harness.dial(listener)?;
    harness.accept_soon(listener, token)?;
    Ok(())
}
