//! The part that several loops, one on each core, share: a way for connections to reach them, and a
//! queue to each.
//!
//! The loops themselves are made by the crate `selkie`, which knows servers and their memory.

mod inbox;
#[cfg(unix)]
#[cfg_attr(target_os = "linux", path = "steering.rs")]
#[cfg_attr(not(target_os = "linux"), path = "no_steering.rs")]
mod steering;

use std::fmt;
use std::str::FromStr;

pub use inbox::Inbox;
#[cfg(unix)]
pub use steering::{pin_to_cpu, steer_by_cpu};

/// The way in which connections are shared out among the loops of one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distribution {
    /// Each loop has a listener of its own, and the kernel chooses by a hash of the addresses
    /// (`SO_REUSEPORT`). It costs nothing, and is even for many connections only: of 400, one of
    /// two loops may get 20 more than the other, and of four long ones all four.
    #[default]
    Hash,
    /// As `Hash`, but the kernel chooses the loop by the core on which the connection arrived. It
    /// keeps a connection's work on one core where network queues and loops are bound to cores.
    /// Clients on the machine itself all arrive on their own core: one loop may get all of them.
    Cpu,
    /// One thread accepts, and hands each connection to the loop that has the fewest. It is exact,
    /// and costs a wake of another thread for each connection.
    LeastLoaded,
}

impl Distribution {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Hash, Self::Cpu, Self::LeastLoaded];

    /// Returns the name, as [`FromStr`] takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Cpu => "cpu",
            Self::LeastLoaded => "least-loaded",
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The text that names no [`Distribution`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDistribution(String);

impl fmt::Display for UnknownDistribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "there is no distribution '{}'; there are", self.0)?;
        for (position, distribution) in Distribution::ALL.into_iter().enumerate() {
            write!(formatter, "{} {distribution}", if position == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownDistribution {}

impl FromStr for Distribution {
    type Err = UnknownDistribution;

    fn from_str(name: &str) -> Result<Self, UnknownDistribution> {
        let found = Self::ALL.into_iter().find(|distribution| distribution.name() == name);
        found.ok_or_else(|| UnknownDistribution(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_an_unknown_one_is_answered_with_the_list() {
        for distribution in Distribution::ALL {
            assert_eq!(distribution.name().parse(), Ok(distribution));
        }
        let error = "random".parse::<Distribution>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no distribution 'random'; there are hash, cpu, least-loaded"
        );
    }
}
