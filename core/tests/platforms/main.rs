//! What core offers around platforms: the loop over one, two of them under one loop, devices as sources, a connection as a
//! reader and writer, and the methods that a platform need not write.

mod pair;
mod stream_adapter;
mod defaults;
mod error;
mod event_loop;
mod recorder;
mod device_poller;
mod uart;
mod selector_only;
