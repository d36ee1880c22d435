//! A stream that was closed, and whose peer goes on.

use std::time::Duration;

use selkie_core::{Close, Instant, Transport};
use selkie_smoltcp::{Config, Network};
use smoltcp::wire::IpEndpoint;

use crate::world::far::Far;
use crate::world::wire::Wire;
use crate::world::{self, NEAR, Size};

/// Lets the two hosts talk for a while in which no time passes.
fn talk(near: &mut Network<'static, Wire>, far: &mut Far, now: Instant) {
    for _ in 0..8 {
        far.poll(now);
        near.drive(now);
    }
    far.poll(now);
}

#[test]
fn what_comes_for_a_closed_stream_is_acknowledged_at_once() {
    let (near, far) = Wire::pair();
    let size = Size { sockets: 1, listeners: 1, slots: 2, bytes: 4_096 };
    let (mut near, mut far) = (world::network(near, size, Config::DEFAULT), Far::new(far));
    let listener = near.listen(7, 1).unwrap();
    let mut now = Instant::from_millis(1);
    for _ in 0..2 {
        let peer = far.connect(IpEndpoint::new(NEAR.into(), 7));
        talk(&mut near, &mut far, now);
        let stream = near.accept(listener).unwrap();

        far.write(peer, b"of interest").unwrap();
        talk(&mut near, &mut far, now);
        assert_eq!(
            far.socket(peer).send_queue(),
            11,
            "an answer could carry the acknowledgement, so it waits"
        );

        near.close(stream, Close::Graceful).unwrap();
        talk(&mut near, &mut far, now);
        far.write(peer, b"of none").unwrap();
        talk(&mut near, &mut far, now);
        assert_eq!(far.socket(peer).send_queue(), 0, "nothing is waited for any more");

        far.close(peer);
        now = now + Duration::from_secs(1);
        talk(&mut near, &mut far, now);
    }
}
