//! The server's promises, each a named test, over a platform in memory with simulated time.

mod accepting;
mod backpressure;
mod calling;
mod causes;
mod closing;
mod connecting;
mod deadlines;
mod draining;
mod ended;
mod faults;
mod finality;
mod holding;
mod limits;
mod misuse;
mod parts;
mod peers;
mod pool;
mod posting;
mod promises;
mod regained;
mod replies;
mod reused;
mod rig;
mod scripted;
mod sharing;
mod simulation;
mod sizes;
mod slow;
mod stale;
mod starving;
mod timing;
mod toy;

use rig::on_all;
