//! Gives the component a stack of 32 KiB instead of the linker's 1 MiB, since its tables are static.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=32768");
    }
}
