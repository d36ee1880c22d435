//! The layer that reports the beginning and the end of connections.

use std::net::SocketAddr;
use std::time::Duration;

use selkie_core::layers::{Logged, LoggedSession, Occasion, Record};
use selkie_core::peers::Origin;
use selkie_core::testing::Recorder;
use selkie_core::{CloseReason, Service};

use crate::{CLIENT, Commands, OTHER};

#[test]
fn the_log_has_every_connection_with_its_address_its_time_and_its_end() {
    let address: SocketAddr = "10.0.0.1:1000".parse().expect("an address");
    let mut records = Vec::<Record>::new();
    let mut recorder = Recorder::<64>::new();
    recorder.set_origin(Origin::Accepted(OTHER), Some(address));
    let mut service = Logged::new(Commands::default(), |record: &Record| records.push(*record));
    let mut session = LoggedSession::<u32>::default();
    service.opened(&mut recorder.peer(CLIENT), &mut session);
    assert_eq!(recorder.sent_to(CLIENT), b"welcome", "the inner service is called too");
    recorder.advance(Duration::from_secs(3));
    assert_eq!(service.received(&mut recorder.peer(CLIENT), &mut session, b"hello"), 5);
    assert_eq!(service.received(&mut recorder.peer(CLIENT), &mut session, b"leave"), 0);
    // Where the address is not known any more, it is that of the beginning.
    recorder.set_origin(Origin::Accepted(OTHER), None);
    service.closed(&mut recorder.peer(CLIENT), &mut session, CloseReason::Reset);
    // One that the service asked for, and that was never established.
    service.closed(&mut recorder.peer(OTHER), &mut LoggedSession::default(), CloseReason::Refused);
    assert_eq!(session.inner, 2, "its session is that of the inner service");
    let occasions: Vec<_> = records.iter().map(|record| record.occasion).collect();
    let (reason, after) = (CloseReason::Reset, Duration::from_secs(3));
    let closed = Occasion::Closed { reason, after, received: 5 };
    let refused = Occasion::NotConnected(CloseReason::Refused);
    assert_eq!(occasions, [Occasion::Opened, closed, refused]);
    let addresses: Vec<_> = records.iter().map(|record| record.address).collect();
    assert_eq!(addresses, [Some(address), Some(address), None]);
}
