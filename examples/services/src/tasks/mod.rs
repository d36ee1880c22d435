//! Services as `async fn`, for the adapter of `selkie-async`.

mod echo;
mod frames;

pub use echo::{echo, echo_in_place};
pub use frames::{FRAME_MAX, frames};
