//! The options of the linker: a stack of 32 KiB instead of 1 MiB, since the tables of the component
//! are static, and in releases numbers of no more bytes than they need. It writes places and
//! functions as five bytes each otherwise, so that it can fill them in; but it does not shorten
//! them under debugging information, which would be wrong then.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=32768");
        if std::env::var("PROFILE").as_deref() == Ok("release") {
            println!("cargo::rustc-link-arg-cdylib=--strip-debug");
            println!("cargo::rustc-link-arg-cdylib=--compress-relocations");
        }
    }
}
