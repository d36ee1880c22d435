//! A command for a key of another shard on its way there, and its reply on the way back.

use core::fmt;

use selkie_core::{Instant, SendError};

use super::command::Action;
use super::replies::Output;
use super::store::Store;

/// A command on its way to another shard, and back with its reply. A shard has a fixed number of
/// them; only the reference travels, so nothing is copied or allocated for that.
pub struct Parcel<const KEY: usize, const VALUE: usize> {
    /// The shard that it belongs to.
    pub(super) origin: usize,
    /// Its place in the table of that shard.
    pub(super) flight: u32,
    pub(super) reply: Reply,
    task: Task,
    key: [u8; KEY],
    key_len: usize,
    /// The value to store, and later the value that was asked for.
    value: [u8; VALUE],
    value_len: usize,
}

/// The part of a command that one shard executes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    /// The value of a `SET` is in the parcel.
    One(Action<'static>),
    Size,
    Clear,
}

/// A reply that is not written out yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// None yet.
    Missing,
    Fixed(&'static [u8]),
    Integer(i64),
    Null,
    /// The value in the parcel.
    Value,
}

impl<const KEY: usize, const VALUE: usize> Parcel<KEY, VALUE> {
    /// An empty parcel.
    pub const EMPTY: Self = Self {
        origin: 0,
        flight: 0,
        reply: Reply::Missing,
        task: Task::Size,
        key: [0; KEY],
        key_len: 0,
        value: [0; VALUE],
        value_len: 0,
    };

    /// Returns whether a command fits. One that does not has the same reply on every shard.
    pub(super) const fn fits(key: &[u8], action: &Action<'_>) -> bool {
        let value_len = if let Action::Set(value, _) = action { value.len() } else { 0 };
        key.len() <= KEY && value_len <= VALUE
    }

    /// Packs a command that fits.
    pub(super) fn pack(&mut self, key: &[u8], action: Action<'_>) {
        self.key[..key.len()].copy_from_slice(key);
        self.key_len = key.len();
        let action = match action {
            Action::Set(value, options) => {
                self.value[..value.len()].copy_from_slice(value);
                self.value_len = value.len();
                Action::Set(&[], options)
            }
            Action::Get => Action::Get,
            Action::Add(by) => Action::Add(by),
            Action::Expire(seconds) => Action::Expire(seconds),
            Action::TimeToLive => Action::TimeToLive,
            Action::Remove => Action::Remove,
            Action::Exists => Action::Exists,
        };
        self.pack_task(Task::One(action));
    }

    /// Packs what concerns all keys of a shard.
    pub(super) const fn pack_task(&mut self, task: Task) {
        self.task = task;
        self.reply = Reply::Missing;
    }

    /// Executes what was packed on the store of a shard, and keeps the reply.
    pub(super) fn execute(&mut self, store: &mut Store<'_, KEY, VALUE>, now: Instant) {
        let Self { key, key_len, value, value_len, reply, task, .. } = self;
        let key = &key[..*key_len];
        match *task {
            Task::One(Action::Set(_, options)) => {
                let action = Action::Set(&value[..*value_len], options);
                let mut output = ToParcel { now, reply, value: &mut [], value_len: &mut 0 };
                let _ = action.execute(store, key, &mut output);
            }
            Task::One(action) => {
                let mut output = ToParcel { now, reply, value, value_len };
                let _ = action.execute(store, key, &mut output);
            }
            Task::Size => *reply = Reply::Integer(i64::try_from(store.len()).unwrap_or(i64::MAX)),
            Task::Clear => {
                store.clear();
                *reply = Reply::Integer(0);
            }
        }
    }

    /// Executes a command of the shard's own, whose reply has to wait for those before it.
    pub(super) fn execute_here(
        &mut self,
        store: &mut Store<'_, KEY, VALUE>,
        key: &[u8],
        action: Action<'_>,
        now: Instant,
    ) {
        let Self { value, value_len, reply, .. } = self;
        let _ = action.execute(store, key, &mut ToParcel { now, reply, value, value_len });
    }

    /// Returns the value that was asked for.
    pub(super) fn value(&self) -> &[u8] {
        &self.value[..self.value_len]
    }
}

impl<const KEY: usize, const VALUE: usize> fmt::Debug for Parcel<KEY, VALUE> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parcel = formatter.debug_struct("Parcel");
        parcel.field("task", &self.task).field("reply", &self.reply).finish_non_exhaustive()
    }
}

/// The reply of a parcel, as a place for replies.
struct ToParcel<'p> {
    now: Instant,
    reply: &'p mut Reply,
    value: &'p mut [u8],
    value_len: &'p mut usize,
}

impl Output for ToParcel<'_> {
    fn now(&mut self) -> Instant {
        self.now
    }

    fn fixed(&mut self, reply: &'static [u8]) -> Result<(), SendError> {
        *self.reply = Reply::Fixed(reply);
        Ok(())
    }

    fn integer(&mut self, value: i64) -> Result<(), SendError> {
        *self.reply = Reply::Integer(value);
        Ok(())
    }

    fn bytes(&mut self, value: Option<&[u8]>) -> Result<(), SendError> {
        *self.reply = Reply::Null;
        let Some(value) = value else { return Ok(()) };
        let place = self.value.get_mut(..value.len()).ok_or(SendError::TooLong)?;
        place.copy_from_slice(value);
        *self.value_len = value.len();
        *self.reply = Reply::Value;
        Ok(())
    }
}
