//! Connecting: pending, made, refused or cancelled.

use selkie_core::{Close, Error, ErrorKind, Interest, Readiness, Transport};

use crate::outcome::{Answer, Check, ensure, fail};
use crate::stage::{PATIENCE, Stage, Watched};
use crate::{Make, SourceOf, TransportFixture};

impl<F: TransportFixture> Stage<F> {
    /// Starts a connection to where the far side listens.
    #[track_caller]
    fn attempt(&mut self) -> Check<SourceOf<F>> {
        let address = self.fixture.destination().ability("destination to connect to")?;
        self.platform().connect(&address).must("connecting")
    }

    /// What came of an attempt.
    fn connected(&mut self, source: SourceOf<F>) -> Result<(), Error> {
        self.platform().connected(source)
    }

    /// Waits until an attempt has come to something, and says to what.
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
        fail!("a connection is reported writable, and pending for ever")
    }

    /// The far end of a connection that the platform made.
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

    /// A connection that the platform made, registered as a reader.
    #[track_caller]
    fn made(&mut self) -> Check<Watched<F>> {
        let source = self.attempt()?;
        self.result(source)?.must("connecting")?;
        let peer = self.taken()?;
        let token = self.register(source, Interest::READABLE)?;
        Ok(Watched { token, source, peer })
    }
}

pub(crate) fn a_connection_comes_about<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    for _ in 0..3 {
        let watched = stage.made()?;
        stage.still_works(watched)?;
        let taken = stage.write(watched.source, b"hello").must("writing")?;
        ensure!(taken == 5, "a fresh connection took {taken} of 5 bytes");
        stage.receive(watched.peer, 5)?;
        stage.connected(watched.source).must("asking a made connection again")?;
        stage.drop_connection(watched)?;
    }
    Ok(())
}

pub(crate) fn a_pending_connection_is_no_error<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let source = stage.attempt()?;
    if let Err(error) = stage.connected(source) {
        ensure!(
            error.kind() == ErrorKind::WouldBlock,
            "a pending connection is {:?}",
            error.kind()
        );
    }
    stage.result(source)?.must("connecting")
}

pub(crate) fn a_refused_connection_says_so<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let address = stage.fixture.refusing().ability("address that refuses")?;
    let refused = [ErrorKind::ConnectionRefused];
    match stage.platform().connect(&address) {
        Err(error) => Err::<(), _>(error).must_fail("connecting to nobody", &refused)?,
        Ok(source) => {
            stage.result(source)?.must_fail("connecting to nobody", &refused)?;
            stage.close(source, Close::Abort)?;
            stage.connected(source).must_fail("asking a closed attempt", &[ErrorKind::Stale])?;
        }
    }
    let watched = stage.reader()?;
    stage.still_works(watched)
}

pub(crate) fn an_attempt_can_be_cancelled<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 4)?;
    let bystander = stage.reader()?;
    for how in [Close::Abort, Close::Graceful] {
        let source = stage.attempt()?;
        let token = stage.register(source, Interest::WRITABLE)?;
        stage.deregister(source, token)?;
        stage.close(source, how)?;
        stage.expect_silence(token, "though its attempt was cancelled")?;
        stage.connected(source).must_fail("asking a cancelled attempt", &[ErrorKind::Stale])?;
        stage
            .write(source, b"x")
            .must_fail("writing to a cancelled attempt", &[ErrorKind::Stale])?;
    }
    stage.still_works(bystander)
}

pub(crate) fn attempts_do_not_disturb_each_other<F: TransportFixture>(make: Make<'_, F>) -> Check {
    let mut stage = Stage::new(make, 8)?;
    let made = [stage.made()?, stage.made()?];
    let address = stage.fixture.refusing().ability("address that refuses")?;
    // Where the platform knows at once that nobody is there, there is no attempt to disturb anyone.
    if let Ok(refused) = stage.platform().connect(&address) {
        let token = stage.register(refused, Interest::WRITABLE)?;
        stage.expect(token, Readiness::WRITABLE)?;
        stage.deregister(refused, token)?;
        stage.close(refused, Close::Abort)?;
    }
    for one in made {
        stage.still_works(one)?;
    }
    Ok(())
}
