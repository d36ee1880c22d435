//! Puts the memory layout of the target's board where the linker looks for it.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let layout = if target.starts_with("riscv") { "virt.x" } else { "microbit.x" };
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy(layout, folder.join("memory.x")).expect("the output folder can be written to");
    println!("cargo:rustc-link-arg-bins=-L{}", folder.display());
    if target.starts_with("riscv") {
        println!("cargo:rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rerun-if-changed={layout}");
}
