//! Tasks over a platform in memory with simulated time: each promise a named test.
//!
//! The platform and the rig around the server are those of core's own tests.

mod cancelling;
mod closing;
mod conn;
mod connecting;
mod escaping;
mod layers;
mod misbehaving;
mod promises;
#[path = "../../../core/tests/server/rig.rs"]
#[allow(dead_code, reason = "core's tests use all of it")]
mod rig;
mod support;
mod timing;
#[path = "../../../core/tests/server/toy.rs"]
#[allow(dead_code, reason = "core's tests use all of it")]
mod toy;
mod waking;

use rig::on_all;
