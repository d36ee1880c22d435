//! Selects the native backends of the target: the one list from which the crate's `cfg`s and its
//! macro `for_each_backend` are generated. Finds libkqueue where it is asked for.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Returns the native backends, best first: the type, the name (also of its `cfg`), and true if the
/// target has it. A new backend is one more line.
fn backends(target: &Target) -> [(&'static str, &'static str, bool); 5] {
    [
        ("Epoll", "epoll", target.is_linux() || target.system == "android"),
        ("Kqueue", "kqueue", target.is_bsd() || target.has_libkqueue),
        ("Afd", "afd", target.system == "windows"),
        ("Poll", "poll", true),
        ("Select", "select", true),
    ]
}

/// The system that is compiled for.
struct Target {
    system: String,
    vendor: String,
    has_libkqueue: bool,
}

impl Target {
    fn from_environment() -> Self {
        let variable = |name| env::var(name).unwrap_or_default();
        let mut target = Self {
            system: variable("CARGO_CFG_TARGET_OS"),
            vendor: variable("CARGO_CFG_TARGET_VENDOR"),
            has_libkqueue: false,
        };
        target.has_libkqueue = target.is_linux() && links_libkqueue();
        target
    }

    fn is_linux(&self) -> bool {
        self.system == "linux"
    }

    fn is_bsd(&self) -> bool {
        self.vendor == "apple"
            || ["freebsd", "dragonfly", "netbsd", "openbsd"].contains(&self.system.as_str())
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut list = String::new();
    for (backend, name, is_available) in backends(&Target::from_environment()) {
        println!("cargo::rustc-check-cfg=cfg(has_{name})");
        if is_available {
            println!("cargo::rustc-cfg=has_{name}");
            writeln!(list, "            {backend} {name},").expect("a string takes any text");
        }
    }
    let folder = env::var("OUT_DIR").expect("cargo sets OUT_DIR for a build script");
    let file = Path::new(&folder).join("for_each_backend.rs");
    fs::write(file, for_each_backend(&list)).expect("the output folder can be written to");
}

/// Returns the source of the macro that gives the list to another macro.
fn for_each_backend(list: &str) -> String {
    format!(
        "/// Calls the macro `$callback` with the native backends of the target, best first: type\n\
         /// and name of each, and before them the other arguments.\n\
         #[doc(hidden)]\n\
         #[macro_export]\n\
         macro_rules! for_each_backend {{\n    \
             ($callback:ident $(, $($argument:tt)*)?) => {{\n        \
                 $callback! {{ $($($argument)*)?\n{list}        }}\n    \
             }};\n\
         }}\n"
    )
}

/// Links the system's libkqueue, if the feature asks for it; explains what to do if there is none.
#[cfg(feature = "libkqueue")]
fn links_libkqueue() -> bool {
    // Versions 2.3 and 2.4 deadlock, and report closed sources; 2.5.1 passes the conformance suite.
    match pkg_config::Config::new().atleast_version("2.5.1").probe("libkqueue") {
        Ok(_) => true,
        Err(error) => {
            println!(
                "cargo::error=the feature `libkqueue` needs libkqueue 2.5.1 or later, and \
                 pkg-config does not find it; install it, set PKG_CONFIG_PATH, or leave the \
                 feature out: {}",
                error.to_string().replace('\n', " ")
            );
            false
        }
    }
}

#[cfg(not(feature = "libkqueue"))]
const fn links_libkqueue() -> bool {
    false
}
