//! All clients together: the far side of a run.

use alloc::string::String;
use alloc::vec::Vec;

use selkie_core::{CloseReason, Instant, Token};

use super::Mixed;
use super::client::{Client, Fate};
use crate::harness::{Judge, Rest};
use crate::{Address, ClientModel, Closed, Crowd, FarEnd, Network, Random};

/// The clients of [`Mixed`], as a [`Crowd`] describes them.
#[derive(Debug)]
pub struct Clients {
    crowd: Crowd,
    address: Address,
    all: Vec<Client>,
    /// The client of each end, by the slot of the connection.
    by_slot: Vec<Option<(FarEnd, usize)>>,
    next: Option<Instant>,
    fault: Option<String>,
}

impl Clients {
    /// Makes clients that connect to `address`.
    #[must_use]
    pub fn new(crowd: &Crowd, address: Address, random: &Random) -> Self {
        let count = u16::try_from(crowd.clients).unwrap_or(u16::MAX);
        let all = (0..count).map(|number| Client::draw(number, crowd, random)).collect();
        let mut clients = Self {
            crowd: crowd.clone(),
            address,
            all,
            by_slot: Vec::new(),
            next: None,
            fault: None,
        };
        clients.plan();
        clients
    }

    fn plan(&mut self) {
        self.next = self.all.iter().filter_map(Client::next_action).min();
    }

    fn blame(&mut self, outcome: Result<(), String>) {
        if let Err(what) = outcome {
            self.fault.get_or_insert(what);
        }
    }

    fn client_of(&self, far: FarEnd) -> Option<usize> {
        let (holder, client) = (*self.by_slot.get(far.slot())?)?;
        (holder == far).then_some(client)
    }

    fn remember(&mut self, number: usize) {
        if let Some(far) = self.all[number].far {
            if self.by_slot.len() <= far.slot() {
                self.by_slot.resize(far.slot() + 1, None);
            }
            self.by_slot[far.slot()] = Some((far, number));
        }
    }
}

impl ClientModel for Clients {
    fn next_action(&self) -> Option<Instant> {
        self.next
    }

    fn act(&mut self, network: &mut Network) {
        let mut acted = false;
        if self.next.is_some_and(|next| next <= network.now()) {
            acted = true;
            for number in 0..self.all.len() {
                if self.all[number].next_action().is_some_and(|at| at <= network.now()) {
                    let outcome = self.all[number].act(network, &self.crowd, self.address);
                    self.blame(outcome);
                    self.remember(number);
                }
            }
        }
        while let Some(far) = network.next_news() {
            acted = true;
            if let Some(number) = self.client_of(far) {
                let outcome = self.all[number].news(network, &self.crowd);
                self.blame(outcome);
            }
        }
        if acted {
            self.plan();
        }
    }
}

impl Judge<Mixed> for Clients {
    fn server_closed(
        &mut self,
        service: &Mixed,
        closed: &Closed,
        reason: CloseReason,
    ) -> Result<(), String> {
        if let Some(number) = self.client_of(closed.far) {
            let interrupted = closed.token.is_some_and(|token| service.interrupted(token));
            self.all[number].dismissed =
                Some(if interrupted { CloseReason::Closed } else { reason });
        }
        let (Some(token), true) = (
            closed.token,
            matches!(reason, CloseReason::Finished | CloseReason::Closed | CloseReason::Drained),
        ) else {
            return Ok(());
        };
        let (due, written) = (service.sent(token), closed.evidence.written);
        if due.is_some_and(|due| due != written) {
            return Err(alloc::format!(
                "{token:?} was {reason} with {written} bytes written of {due:?} that were sent"
            ));
        }
        Ok(())
    }

    fn after_turn(&mut self, service: &Mixed) -> Result<(), String> {
        let fault = self.fault.as_ref().or(service.fault());
        fault.map_or(Ok(()), |fault| Err(fault.clone()))
    }

    fn is_dismissed(&self, service: &Mixed, token: Token) -> bool {
        service.is_dismissed(token)
    }

    fn overdue(&self, service: &Mixed, now: Instant) -> Option<Instant> {
        service.overdue(now)
    }

    fn at_rest(&mut self, _service: &Mixed, rest: &Rest) -> Result<(), String> {
        // Clients that vanished may keep what the others need: slots, blocks. So may those that
        // are served at random.
        if (rest.blocks_free < 2 || rest.full) && self.all.iter().any(Client::is_idler) {
            return Ok(());
        }
        // Relayed clients without a counterpart keep their slots.
        if rest.full && self.all.iter().any(|client| client.is_relayed() && client.is_present()) {
            return Ok(());
        }
        // Relayed clients wait for each other, so one that is missing excuses all of them.
        let relayed = self.all.iter().filter(|client| client.is_relayed());
        let excused = relayed.clone().count() % 2 != 0 || relayed.clone().any(Client::is_missing);
        let waits = |client: &Client| client.waits().filter(|_| !(excused && client.is_relayed()));
        self.all.iter().find_map(waits).map_or(Ok(()), Err)
    }

    fn at_end(&mut self, _service: &Mixed) -> Result<(), String> {
        self.all.iter().try_for_each(Client::judge)?;
        let left = self.all.iter().filter(|client| client.fate == Fate::Present).count();
        if left > 0 {
            Err(alloc::format!("{left} clients are left after the drain"))
        } else {
            Ok(())
        }
    }
}
