//! The whole suite on the toy platform, as one named test per case.

#![allow(missing_docs, reason = "the macro's tests are named after what they check")]

#[path = "toy/mod.rs"]
#[allow(dead_code, reason = "the faults are for another test")]
mod toy;

use toy::ToyFixture;

selkie_conformance::conformance_tests! {
    honest: ToyFixture::new;
    selector wait wake wait_wake transport
}
