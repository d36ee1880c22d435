//! Parts that must agree in size are compared once, at the start, with both numbers in the message.

use std::panic::{AssertUnwindSafe, catch_unwind};

use selkie::memory::{HeapLoop, HeapServer};
use selkie::platform::{AnySelector, Backend, Platform};
use selkie::{Config, EventLoop, Peer, Server, Service};

struct Echo;

impl Service for Echo {
    type Session = ();

    fn received(&mut self, peer: &mut Peer<'_>, (): &mut (), bytes: &[u8]) -> usize {
        peer.send_some(bytes)
    }
}

/// Returns what a panic said.
fn message(act: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(act)).expect_err("it is refused");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// Makes a platform whose two parts have these sizes.
fn platform(selector: usize, sockets: usize) -> Platform<AnySelector<'static>> {
    let selector = AnySelector::new(Backend::default(), selector).expect("a selector");
    Platform::new(selector, sockets).expect("memory")
}

#[test]
fn a_selector_that_is_smaller_than_its_loop_names_both_numbers() {
    let text = message(|| {
        let _ = EventLoop::new(platform(4, 1025), HeapLoop::new(1025, 16).expect("memory"));
    });
    assert!(text.contains("1025") && text.contains(" 4 "), "{text}");
}

#[test]
fn a_table_of_sockets_that_is_smaller_than_its_loop_names_both_numbers() {
    let text = message(|| {
        let _ = EventLoop::new(platform(1025, 4), HeapLoop::new(1025, 16).expect("memory"));
    });
    assert!(text.contains("1025") && text.contains(" 4 "), "{text}");
}

#[test]
fn sizes_of_a_server_in_the_wrong_order_name_both_numbers() {
    let text = message(|| {
        let mut platform = platform(1025, 1025);
        let listener = platform.listen(([127, 0, 0, 1], 0).into(), 8).expect("a free port");
        let mut event_loop = EventLoop::new(platform, HeapLoop::new(1025, 16).expect("memory"));
        let memory = HeapServer::new(2, 16_384, 1025).expect("memory");
        let mut server = Server::new(Echo, Config::DEFAULT, memory);
        let _ = server.listen(&mut event_loop.context(), listener);
    });
    assert!(text.contains("1025") && text.contains(" 2:"), "{text}");
}
