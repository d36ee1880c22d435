//! PLACEHOLDER
#![no_std]
#![forbid(unsafe_code)]

mod both;
mod bound;
mod error;
mod event;
mod event_loop;
mod flags;
mod instant;
mod interest;
mod registrations;
mod registry;
mod scan;
mod selector;
mod server;
mod storage;
mod timers;
mod token;
mod transport;

pub use both::{Both, Either};
pub use bound::Bound;
pub use error::{Error, ErrorKind};
pub use event::{Event, Events, Readiness};
pub use event_loop::{Context, EventLoop, Handler, LoopCounters, LoopStorage, StaticLoop};
pub use instant::Instant;
pub use interest::{Interest, Mode};
pub use registrations::{Registration, Registrations};
pub use registry::{Registry, Slot};
pub use scan::{Device, Scan};
pub use selector::{Capabilities, Selector, Wait, Wake};
pub use server::{
    Block, Config, Connection, Counters, Peer, Reason, SendError, Server, ServerStorage, Service, StaticServer,
};
pub use storage::Storage;
pub use timers::{TimerSlot, Timers};
pub use token::Token;
pub use transport::{Close, Datagrams, Transport};
