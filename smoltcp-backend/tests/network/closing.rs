//! A stream that was closed, and whose peer goes on.

use std::time::Duration;

use selkie_core::Instant;
use selkie_core::platform::{Close, Transport};
use selkie_smoltcp::{Config, Network};
use smoltcp::wire::IpEndpoint;

use crate::world::host::Host;
use crate::world::wire::Wire;
use crate::world::{self, LOCAL, Size};

/// Lets the two hosts talk for a while in which no time passes.
fn talk(local: &mut Network<'static, Wire>, remote: &mut Host, now: Instant) {
    for _ in 0..8 {
        remote.poll(now);
        local.poll_stack(now);
    }
    remote.poll(now);
}

#[test]
fn what_comes_for_a_closed_stream_is_acknowledged_at_once() {
    let (local, remote) = Wire::pair();
    let size = Size { sockets: 1, listeners: 1, slots: 2, bytes: 4_096 };
    let (mut local, mut remote) = (world::network(local, size, Config::DEFAULT), Host::new(remote));
    let listener = local.listen(7, 1).unwrap();
    let mut now = Instant::from_millis(1);
    for _ in 0..2 {
        let peer = remote.connect(IpEndpoint::new(LOCAL.into(), 7));
        talk(&mut local, &mut remote, now);
        let stream = local.accept(listener).unwrap();

        remote.write(peer, b"of interest").unwrap();
        talk(&mut local, &mut remote, now);
        assert_eq!(
            remote.socket(peer).send_queue(),
            11,
            "an answer could carry the acknowledgement, so it waits"
        );

        local.close(stream, Close::Graceful).unwrap();
        talk(&mut local, &mut remote, now);
        remote.write(peer, b"of none").unwrap();
        talk(&mut local, &mut remote, now);
        assert_eq!(remote.socket(peer).send_queue(), 0, "nothing is waited for any more");

        remote.close(peer);
        now = now + Duration::from_secs(1);
        talk(&mut local, &mut remote, now);
    }
}
