//! The error of a limit of descriptors that is too low.

use std::fmt;

/// The process may not have as many descriptors as it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescriptorLimit {
    /// Number of descriptors that are needed.
    pub needed: u64,
    /// The process's hard limit.
    pub allowed: u64,
    /// The system's error number for more; 0 if it was not asked.
    pub code: i32,
}

impl fmt::Display for DescriptorLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, allowed, .. } = self;
        write!(
            formatter,
            "{needed} descriptors are needed, but this process may have only {allowed}: raise the \
             hard limit (`ulimit -Hn {needed}` in the shell, `LimitNOFILE={needed}` in a systemd \
             unit), or ask for a lower capacity"
        )
    }
}

impl std::error::Error for DescriptorLimit {}
