//! Accepting: connections come in their order, and one that left disturbs nobody.

use selkie_core::{Error, ErrorKind, Interest, Readiness, Token, Transport};

use crate::outcome::{Answer, Check, ensure, fail};
use crate::stage::{PATIENCE, Stage};
use crate::{Make, SourceOf, TransportFixture};

impl<F: TransportFixture> Stage<F> {
    /// A listener that is watched.
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

pub(crate) fn nobody_waiting_would_block<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let (listener, token) = stage.listen()?;
    stage.accept(listener).map(|_| ()).must_fail("accepting nobody", &[ErrorKind::WouldBlock])?;
    stage.dial(listener)?;
    stage.accept_soon(listener, token)?;
    stage.accept(listener).map(|_| ()).must_fail("accepting nobody", &[ErrorKind::WouldBlock])?;
    stage.expect_calm(token, Readiness::READABLE, "and all connections were accepted")
}

pub(crate) fn connections_are_accepted_in_order<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 8)?;
    let (listener, token) = stage.listen()?;
    for name in [b"1", b"2", b"3"] {
        let peer = stage.dial(listener)?;
        // A connection that is under way is not in the queue yet, and the next could overtake it.
        stage.expect(token, Readiness::READABLE)?;
        stage.fixture.settle();
        stage.send(peer, name)?;
    }
    for name in *b"123" {
        let stream = stage.accept_soon(listener, token)?;
        let readable = stage.register(stream, Interest::READABLE)?;
        stage.expect(readable, Readiness::READABLE)?;
        let mut buffer = [0; 4];
        let count = stage.fixture.read(stream, &mut buffer).must("reading")?;
        ensure!(
            buffer[..count] == [name],
            "connection {} came as {:?}",
            name as char,
            &buffer[..count]
        );
    }
    Ok(())
}

pub(crate) fn a_listener_stays_ready_while_connections_wait<F: TransportFixture>(
    make: Make<'_, F>,
) -> Check {
    let mut stage = Stage::new(make, 8)?;
    let (listener, token) = stage.listen()?;
    for _ in 0..3 {
        stage.dial(listener)?;
    }
    for _ in 0..3 {
        stage.expect(token, Readiness::READABLE)?;
        stage.expect(token, Readiness::READABLE)?;
        stage.accept_soon(listener, token)?;
    }
    stage.expect_calm(token, Readiness::READABLE, "and all connections were accepted")
}

pub(crate) fn a_connection_that_left_stops_nobody<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 8)?;
    let (listener, token) = stage.listen()?;
    let gone = stage.dial(listener)?;
    stage.fixture.settle();
    stage.fixture.peer_reset(gone).ability("reset")?;
    stage.fixture.settle();
    let peer = stage.dial(listener)?;
    stage.send(peer, b"here")?;
    for _ in 0..PATIENCE {
        // What left may be accepted, and then reads as reset or ended; or it may not be there any
        // more.
        let stream = stage.accept_soon(listener, token)?;
        let readable = stage.register(stream, Interest::READABLE)?;
        stage.expect(readable, Readiness::READABLE)?;
        let mut buffer = [0; 8];
        match stage.fixture.read(stream, &mut buffer) {
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
        stage.deregister(stream, readable)?;
        stage.fixture.close(stream).must("closing what left")?;
    }
    fail!("the connection behind one that left was never accepted")
}

pub(crate) fn a_listener_is_not_a_stream<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let (listener, token) = stage.listen()?;
    let would_block = |result: Result<usize, Error>| match result {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    ensure!(
        !would_block(stage.platform().read(listener, &mut [0; 4])),
        "a listener reads as a stream"
    );
    ensure!(
        !would_block(stage.platform().write(listener, b"x")),
        "a listener is written as a stream"
    );
    let (stream, _) = stage.pair()?;
    match stage.accept(stream) {
        Ok(_) => fail!("a stream accepted a connection"),
        Err(error) => {
            ensure!(error.kind() != ErrorKind::WouldBlock, "accepting from a stream would block");
        }
    }
    stage.dial(listener)?;
    stage.accept_soon(listener, token)?;
    Ok(())
}
