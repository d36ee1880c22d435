//! The service of `deploy/` as service managers run it: inherited listeners, and rolling updates
//! under load.
#![cfg(target_os = "linux")]

mod inheriting;
mod load;
#[path = "../front_door/network.rs"]
mod network;
mod rolling;
mod service;
