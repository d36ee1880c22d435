//! Cases that are the same on every system.

use std::time::Duration;

use crate::clients::{self, Target};
use crate::server::Server;

pub(crate) fn interleaved(backend: &str) {
    let server = Server::start(backend, &[]);
    clients::interleaved(&server.target());
    server.stop();
}

pub(crate) fn large_with_half_close(backend: &str) {
    let server = Server::start(backend, &[]);
    clients::large_with_half_close(&server.target(), 8 << 20);
    let report = server.stop();
    assert_eq!((report.figure("bytes in"), report.figure("bytes out")), (8 << 20, 8 << 20));
}

pub(crate) fn churn(backend: &str) {
    let server = Server::start(backend, &["--capacity", "8"]);
    clients::churn(&server.target(), 100);
    let report = server.stop();
    assert_eq!(report.figure("accepted"), 401);
    assert_eq!(report.figure("closed"), 401);
}

pub(crate) fn idle_timeout(backend: &str) {
    let server = Server::start(backend, &["--idle-timeout", "0.5"]);
    let target = Target { idle_timeout: Some(Duration::from_millis(500)), ..server.target() };
    let idle_max = clients::idle_timeout(&target);
    let report = server.stop();
    assert!((1..=idle_max).contains(&report.figure_before(" idle")), "{}", report.text);
}
