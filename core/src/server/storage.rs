//! The memory of a server.

use super::{Block, Connection};

/// The memory of a server, lent to it. The three tables have the length of the loop's capacity.
#[derive(Debug)]
pub struct ServerStorage<'a, Source, Session> {
    /// The server's bookkeeping, one for each slot of the loop.
    pub connections: &'a mut [Connection],
    /// The platform's handles, one for each slot of the loop.
    pub sources: &'a mut [Option<Source>],
    /// What the service keeps, one for each slot of the loop.
    pub sessions: &'a mut [Option<Session>],
    /// The blocks that `bytes` is divided into: borrowed by connections that owe bytes or hold
    /// some, and only then. None where the platform keeps what waits
    /// ([`Transport::OWNS_BUFFERS`](crate::platform::Transport::OWNS_BUFFERS)). At most 65,535 are used.
    ///
    /// With two for each connection nobody ever waits for another. With fewer, those that find
    /// none take turns. A service that always leaves a piece keeps one for that connection, so
    /// have more blocks than there are such connections, or an idle timeout.
    pub blocks: &'a mut [Block],
    /// The bytes of the blocks, in equal parts. The part's size is a connection's outbox.
    pub bytes: &'a mut [u8],
    /// Where every read goes; what a service is offered at once is no more than this, nor than a
    /// block.
    pub scratch: &'a mut [u8],
}

/// The memory of a server as one value, for a `static`: for a loop of `SLOTS` sources, with
/// `BLOCKS` blocks in `BYTES` bytes, and reads of `SCRATCH` bytes.
#[derive(Debug)]
pub struct StaticServer<
    Source,
    Session,
    const SLOTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> {
    connections: [Connection; SLOTS],
    sources: [Option<Source>; SLOTS],
    sessions: [Option<Session>; SLOTS],
    blocks: [Block; BLOCKS],
    bytes: [u8; BYTES],
    scratch: [u8; SCRATCH],
}

impl<
    Source,
    Session,
    const SLOTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> StaticServer<Source, Session, SLOTS, BLOCKS, BYTES, SCRATCH>
{
    /// Empty, so that a `static` of it lies in `.bss` if `None` is all zero bits for both types.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connections: [Connection::EMPTY; SLOTS],
            sources: [const { None }; SLOTS],
            sessions: [const { None }; SLOTS],
            blocks: [Block::EMPTY; BLOCKS],
            bytes: [0; BYTES],
            scratch: [0; SCRATCH],
        }
    }

    /// Lends the memory to a server.
    pub const fn storage(&mut self) -> ServerStorage<'_, Source, Session> {
        ServerStorage {
            connections: &mut self.connections,
            sources: &mut self.sources,
            sessions: &mut self.sessions,
            blocks: &mut self.blocks,
            bytes: &mut self.bytes,
            scratch: &mut self.scratch,
        }
    }
}

impl<
    Source,
    Session,
    const SLOTS: usize,
    const BLOCKS: usize,
    const BYTES: usize,
    const SCRATCH: usize,
> Default for StaticServer<Source, Session, SLOTS, BLOCKS, BYTES, SCRATCH>
{
    fn default() -> Self {
        Self::new()
    }
}
