//! Handles that name nothing in this network.

use selkie_core::platform::{Close, Selector, Transport};
use selkie_core::{ErrorKind, Instant, Interest, Mode, Token};
use selkie_smoltcp::{Config, Network, Socket};
use smoltcp::wire::IpEndpoint;

use crate::world::wire::Wire;
use crate::world::{self, REMOTE, Size};

/// Creates a network with so many sockets, and attempts to connect on all of them.
fn connecting(sockets: usize) -> (Network<'static, Wire>, Vec<Socket>) {
    let (local, _) = Wire::pair();
    let size = Size { sockets: sockets + 1, listeners: 1, slots: 4, bytes: 64 };
    let mut network = world::network(local, size, Config::DEFAULT);
    network.poll_stack(Instant::from_millis(1));
    let connect = |_| network.connect(&IpEndpoint::new(REMOTE.into(), 7)).expect("a free socket");
    let sources = (0..sockets).map(connect).collect();
    (network, sources)
}

#[test]
fn a_handle_of_a_larger_network_is_stale() {
    let (mut small, _) = connecting(1);
    let (mut large, sources) = connecting(6);
    let listener = small.listen(7, 1).expect("one socket is left");
    large.listen(7, 1).expect("one socket is left");
    for &source in &sources[1..] {
        let stale = ErrorKind::Stale;
        assert_eq!(small.remote_endpoint(source), Err(stale.into()));
        assert_eq!(small.read(source, &mut [0]), Err(stale.into()));
        assert_eq!(
            small.register(source, Token::new(1, 1), Interest::READABLE, Mode::Level),
            Err(stale.into())
        );
        assert_eq!(small.accept(source), Err(stale.into()));
        assert_eq!(small.close(source, Close::Abort), Err(stale.into()));
    }
    assert_eq!(
        small.accept(listener),
        Err(selkie_core::Error::WOULD_BLOCK),
        "the listener is still there"
    );
}
