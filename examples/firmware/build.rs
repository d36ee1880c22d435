//! Gives the linker the folder of the memory layout, and its scripts. Crates beside this one that
//! are for the same board share it, and the layout.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let folder = format!("{folder}/../firmware");
    println!("cargo:rustc-link-arg-bins=-L{folder}");
    for argument in [
        // The script of cortex-m-rt, which reads memory.x, and the one that lays out the log
        // messages.
        "-Tlink.x",
        "-Tdefmt.x",
        // Without this, sections are padded to pages of 64 KiB.
        "--nmagic",
        // Functions of the same code lie in the flash once: nothing compares their addresses.
        "--icf=all",
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rerun-if-changed={folder}/memory.x");
}
