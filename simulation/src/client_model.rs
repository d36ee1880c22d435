//! The model of the clients on the other side of the network.

use selkie_core::Instant;

use crate::Network;

/// The far side of the network: clients of the service under test, or servers that it connects to.
///
/// It acts in virtual time. The platform calls it whenever something has arrived and whenever its
/// own next action is due, also in the middle of a wait.
pub trait ClientModel {
    /// Returns when it wants to act next if nothing arrives before. A time in the past means now;
    /// after acting, it must not be due any more.
    fn next_action(&self) -> Option<Instant>;

    /// Acts: connects, reads what [`Network::next_news`] reports, writes, closes.
    fn act(&mut self, network: &mut Network);
}

/// `NoClients`: the test drives the far ends by hand, through
/// [`Simulated::network`](crate::Simulated::network).
#[derive(Clone, Copy, Debug, Default)]
pub struct NoClients;

impl ClientModel for NoClients {
    fn next_action(&self) -> Option<Instant> {
        None
    }

    fn act(&mut self, _network: &mut Network) {}
}
