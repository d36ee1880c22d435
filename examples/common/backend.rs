//! The argument `--backend`: a selector, or `io_uring` where the system has it.

use std::str::FromStr;

use selkie::platform::Backend;

/// The system calls to serve with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Selector(Backend),
    /// `io_uring`, or an error.
    #[cfg(target_os = "linux")]
    Ring,
    /// `io_uring` where the system allows it, else the best selector.
    #[cfg(target_os = "linux")]
    Auto,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            #[cfg(target_os = "linux")]
            "io_uring" => Ok(Self::Ring),
            #[cfg(target_os = "linux")]
            "auto" => Ok(Self::Auto),
            _ => name.parse().map(Self::Selector).map_err(
                |error: selkie::platform::UnknownBackend| {
                    let others = if cfg!(target_os = "linux") { ", io_uring, auto" } else { "" };
                    format!("{error}{others}")
                },
            ),
        }
    }
}

impl Choice {
    /// Returns the selector that was chosen, if one was.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(clippy::unnecessary_wraps, reason = "Linux has another choice")
    )]
    pub(super) const fn selector(self) -> Option<Backend> {
        match self {
            Self::Selector(backend) => Some(backend),
            #[cfg(target_os = "linux")]
            Self::Ring | Self::Auto => None,
        }
    }
}
