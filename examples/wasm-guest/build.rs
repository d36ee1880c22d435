//! Gives the guest a stack of 32 KiB instead of the linker's 1 MiB, since its tables are static;
//! and has the linker write calls and addresses as short as they are, instead of with room for any.
//! (That needs a module without debug information.)

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        for argument in ["-zstack-size=32768", "--strip-debug", "--compress-relocations"] {
            println!("cargo::rustc-link-arg-cdylib={argument}");
        }
    }
}
