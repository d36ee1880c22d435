//! The parts of core around platforms: the loop over one, two of them under one loop, devices as
//! sources, a connection as a reader and writer, and the methods that a platform need not write.

mod defaults;
mod device_poller;
mod error;
mod event_loop;
mod loop_time;
mod pair;
mod recorder;
mod selector_only;
mod sleeping_pair;
mod stream_adapter;
mod uart;
