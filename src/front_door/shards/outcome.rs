//! The outcome when all shards have ended.

use std::any::Any;
use std::fmt;
use std::string::{String, ToString};
use std::thread;
use std::vec::Vec;

use selkie_core::Counters;
use selkie_core::counters::LoopCounters;

use crate::front_door::error::ServeError;
use crate::front_door::listening::Finished;

/// The results of shards that have ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct FinishedShards<S> {
    /// Each shard in order: what is left of it, or why it has failed.
    pub shards: Vec<Result<Finished<S>, ShardFailure>>,
}

impl<S> FinishedShards<S> {
    /// Returns the sum of what the shards have counted, without those that panicked.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        self.shards.iter().flatten().for_each(|finished| sum += finished.counters);
        sum
    }

    /// Returns the sum of what their loops have counted, without those that panicked.
    #[must_use]
    pub fn loop_counters(&self) -> LoopCounters {
        let mut sum = LoopCounters::default();
        self.shards.iter().flatten().for_each(|finished| sum += finished.loop_counters);
        sum
    }
}

/// The reason for which a shard has ended before it was asked to.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShardFailure {
    /// Its service panicked, with this message.
    Panicked(String),
    /// It could not be bound to its core, or could not wait.
    Failed(ServeError),
}

impl fmt::Display for ShardFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(formatter, "a shard panicked: {message}"),
            Self::Failed(error) => write!(formatter, "a shard failed: {error}"),
        }
    }
}

impl std::error::Error for ShardFailure {}

/// Returns the outcome of a shard's thread.
pub(super) fn of<S>(
    joined: thread::Result<Result<Finished<S>, ServeError>>,
) -> Result<Finished<S>, ShardFailure> {
    match joined {
        Ok(outcome) => outcome.map_err(ShardFailure::Failed),
        Err(panic) => Err(ShardFailure::Panicked(message(&*panic))),
    }
}

/// Returns the text that a panic was raised with.
fn message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        return (*text).to_string();
    }
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no message".to_string())
}
