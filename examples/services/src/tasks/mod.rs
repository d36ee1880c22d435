//! Services as `async fn`, for the adapter of `selkie-async`.

mod echo;
mod frames;
mod proxy;

pub use echo::{echo, echo_in_place};
pub use frames::{FRAME_MAX, frames};
pub use proxy::proxy;
