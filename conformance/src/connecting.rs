//! Connecting: pending, made, refused or cancelled.

use selkie_core::platform::{Close, Transport};
use selkie_core::{Error, ErrorKind, Interest, Readiness};

use crate::harness::{Harness, PATIENCE, Registered};
use crate::outcome::{Answer, Check, ensure, fail};
use crate::{MakeFixture, SourceOf, TransportFixture};

impl<F: TransportFixture> Harness<F> {
    /// Starts a connection to the address at which the far side listens.
    #[track_caller]
    fn attempt(&mut self) -> Check<SourceOf<F>> {
        let address = self.fixture.destination().ability("destination to connect to")?;
        self.platform().connect(&address).must("connecting")
    }

    /// Returns the result of a connection attempt.
    fn connected(&mut self, source: SourceOf<F>) -> Result<(), Error> {
        self.platform().connected(source)
    }

    /// Waits until an attempt has an outcome, and returns it.
    #[track_caller]
    fn result(&mut self, source: SourceOf<F>) -> Check<Result<(), Error>> {
        let token = self.register(source, Interest::WRITABLE)?;
        for _ in 0..PATIENCE {
            self.expect(token, Readiness::WRITABLE)?;
            match self.connected(source) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.fixture.settle(),
                result => {
                    self.deregister(source, token)?;
                    return Ok(result);
                }
            }
        }
        fail!("a connection is reported writable, and pending without end")
    }

    /// Accepts the far end of a connection that the platform made.
    #[track_caller]
    fn taken(&mut self) -> Check<F::Peer> {
        for _ in 0..PATIENCE {
            match self.fixture.peer_accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.nudge()?,
                taken => return taken.must("accepting at the far side"),
            }
        }
        fail!("a connection never reached the far side")
    }

    /// Connects, and registers the connection as a reader.
    #[track_caller]
    fn made(&mut self) -> Check<Registered<F>> {
        let source = self.attempt()?;
        self.result(source)?.must("connecting")?;
        let peer = self.taken()?;
        let token = self.register(source, Interest::READABLE)?;
        Ok(Registered { token, source, peer })
    }
}

pub(crate) fn a_connection_comes_about<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    for _ in 0..3 {
        let watched = harness.made()?;
        harness.still_works(watched)?;
        let taken = harness.write(watched.source, b"hello").must("writing")?;
        ensure!(taken == 5, "a fresh connection took {taken} of 5 bytes");
        harness.receive(watched.peer, 5)?;
        harness.connected(watched.source).must("asking a made connection again")?;
        harness.drop_connection(watched)?;
    }
    Ok(())
}

pub(crate) fn a_pending_connection_is_no_error<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let source = harness.attempt()?;
    if let Err(error) = harness.connected(source) {
        ensure!(
            error.kind() == ErrorKind::WouldBlock,
            "a pending connection is {:?}",
            error.kind()
        );
    }
    harness.result(source)?.must("connecting")
}

pub(crate) fn a_refused_connection_says_so<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let address = harness.fixture.refusing().ability("address that refuses")?;
    let refused = [ErrorKind::ConnectionRefused];
    match harness.platform().connect(&address) {
        Err(error) => Err::<(), _>(error).must_fail("connecting without a listener", &refused)?,
        Ok(source) => {
            harness.result(source)?.must_fail("connecting without a listener", &refused)?;
            harness.close(source, Close::Abort)?;
            harness.connected(source).must_fail("asking a closed attempt", &[ErrorKind::Stale])?;
        }
    }
    let watched = harness.reader()?;
    harness.still_works(watched)
}

pub(crate) fn an_attempt_can_be_cancelled<F: TransportFixture>(make: MakeFixture<'_, F>) -> Check {
    let mut harness = Harness::new(make, 4)?;
    let bystander = harness.reader()?;
    for how in [Close::Abort, Close::Graceful] {
        let source = harness.attempt()?;
        let token = harness.register(source, Interest::WRITABLE)?;
        harness.deregister(source, token)?;
        harness.close(source, how)?;
        harness.expect_silence(token, "though its attempt was cancelled")?;
        harness.connected(source).must_fail("asking a cancelled attempt", &[ErrorKind::Stale])?;
        harness
            .write(source, b"x")
            .must_fail("writing to a cancelled attempt", &[ErrorKind::Stale])?;
    }
    harness.still_works(bystander)
}

pub(crate) fn attempts_do_not_disturb_each_other<F: TransportFixture>(
    make: MakeFixture<'_, F>,
) -> Check {
    let mut harness = Harness::new(make, 8)?;
    let made = [harness.made()?, harness.made()?];
    let address = harness.fixture.refusing().ability("address that refuses")?;
    // Where the platform knows at once that there is no listener, no attempt exists.
    if let Ok(refused) = harness.platform().connect(&address) {
        let token = harness.register(refused, Interest::WRITABLE)?;
        harness.expect(token, Readiness::WRITABLE)?;
        harness.deregister(refused, token)?;
        harness.close(refused, Close::Abort)?;
    }
    for one in made {
        harness.still_works(one)?;
    }
    Ok(())
}
