//! A component library with a standard library, which CI builds with every supported compiler.
//!
//! In a `cdylib`, the linker of components reads the imports of selkie before those of std, and
//! older ones refuse that order unless each interface is complete: `wasi-backend/wit/imports.wit`.
#![cfg(all(target_os = "wasi", target_env = "p2"))]

use selkie::platform::{IoPoll, IoPollStorage};

/// Listens, so that the imports of sockets are linked. Returns 0 for success, 1 for failure.
#[unsafe(no_mangle)]
extern "C" fn listen() -> u32 {
    let listening = IoPoll::new(IoPollStorage::leaked(1))
        .and_then(|mut platform| platform.listen(([127, 0, 0, 1], 0).into(), 1));
    println!("{listening:?}");
    u32::from(listening.is_err())
}
