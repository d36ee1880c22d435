//! Names the selectors that the target has, so that the sources need not repeat the list of
//! systems; finds libkqueue where it is asked for.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(has_epoll, has_kqueue)");

    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let vendor = env::var("CARGO_CFG_TARGET_VENDOR").unwrap_or_default();
    if ["linux", "android"].contains(&system.as_str()) {
        println!("cargo::rustc-cfg=has_epoll");
    }
    if vendor == "apple" || ["freebsd", "dragonfly", "netbsd", "openbsd"].contains(&system.as_str())
    {
        println!("cargo::rustc-cfg=has_kqueue");
    }
    #[cfg(feature = "libkqueue")]
    if system == "linux" {
        find_libkqueue();
    }
}

/// Links the system's libkqueue, or says what to do.
#[cfg(feature = "libkqueue")]
fn find_libkqueue() {
    match pkg_config::Config::new().atleast_version("2.3").probe("libkqueue") {
        Ok(_) => println!("cargo::rustc-cfg=has_kqueue"),
        Err(error) => println!(
            "cargo::error=the feature `libkqueue` needs libkqueue 2.3 or later, and pkg-config does not find it; install \
             it, set PKG_CONFIG_PATH, or leave the feature out: {}",
            error.to_string().replace('\n', " ")
        ),
    }
}
