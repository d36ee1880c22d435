//! Sending to another connection than that of the callback, as a relay does for each message.

use super::FastPeer;
use crate::contract::{Token, Transport};
use crate::server::config::Features;
use crate::server::counters::bump;
use crate::server::engine::Engine;
use crate::server::ops::SendError;
use crate::server::storage::ServerTables;

impl<P, T, F> FastPeer<'_, '_, P, T, F>
where
    P: Transport,
    T: ServerTables<P::Source>,
    F: Features,
{
    /// Sends to another connection: without the engine, if that one has nothing pending.
    #[inline(never)]
    pub(super) fn send_beside(&mut self, token: Token, bytes: &[u8]) -> Result<(), SendError> {
        let mut engine = self.engine();
        let Some((index, source)) = quiet(&engine, token, bytes.len()) else {
            return self.leave(move |engine| engine.send_all(token, bytes));
        };
        let written = engine.context.platform.write(source, bytes);
        if let Ok(count) = written {
            engine.record_progress(index);
            bump(&mut engine.state.counters.bytes_out, count);
            if count == bytes.len() {
                return Ok(());
            }
        }
        self.leave(move |engine| engine.keep_rest(index, bytes, written)).map(|_| ())
    }
}

/// Returns the slot and the source of another connection that has nothing pending, if a buffer is
/// free for `count` bytes beside the two that are kept for the current one.
#[inline]
fn quiet<P: Transport, F: Features>(
    engine: &Engine<'_, '_, P, F>,
    token: Token,
    count: usize,
) -> Option<(usize, P::Source)> {
    let fits = (1..=engine.pool.size()).contains(&count);
    let is_plenty = engine.pool.free() > 2 && !engine.connections.queues.are_buffers_scarce();
    // A platform's own buffer is asked for its room first, which the engine does.
    let is_plenty = is_plenty && !P::OWNS_BUFFERS;
    let index = engine.find(token)?;
    let is_quiet = engine.connections.get(index)?.is_quiet(P::OWNS_BUFFERS);
    let source = engine.source(index)?;
    (fits && is_plenty && is_quiet).then_some((index, source))
}
