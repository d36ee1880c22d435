//! The memory that a program gives to a loop and a server: what it costs before it is used, where
//! a static one lies, and that nothing of an earlier server is seen in it.

#![cfg(unix)]

#[cfg(target_os = "linux")]
mod resident;
mod reused;
#[cfg(target_os = "linux")]
mod sections;
mod sizes;
