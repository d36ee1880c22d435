//! Deadlines of tokens that belong to no server: the loop's own promises about time.

use alloc::string::String;
use alloc::vec::Vec;

use core::time::Duration;
use selkie_core::platform::Selector;
use selkie_core::{Context, Instant, Token};

use super::drive::Verdict;
use crate::Random;

/// Deadlines are multiples of this, so that many are equal.
const STEP: u64 = 1_000_000;
/// Number of times that deadlines are set again when they expire; then the run can come to rest.
const REPEATS: u64 = 40;

/// The deadline of one token.
#[derive(Clone, Copy, Debug)]
struct Alarm {
    token: Token,
    at: Instant,
    /// Its place among those that were set.
    number: u64,
    /// The turn in which it was set.
    turn: u64,
}

/// All deadlines that are set, and the first rule that one has broken.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    set: Vec<Alarm>,
    number: u64,
    repeats: u64,
    fault: Option<(&'static str, String)>,
}

impl Alarms {
    /// Sets the deadline of a token: one in the past, of now, or soon.
    pub(super) fn arm<P: Selector>(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        random: &mut Random,
    ) {
        let now = context.now();
        let at = match random.below(5) {
            0 => Instant::ZERO,
            1 => now,
            steps => {
                Instant::from_nanos(now.as_nanos() / STEP * STEP)
                    + Duration::from_nanos(steps.saturating_mul(STEP))
            }
        };
        context.set_timer(token, at).expect("the token is live");
        self.number += 1;
        // One in the past counts as one of now.
        let (at, number, turn) = (at.max(now), self.number, context.counters().turns);
        self.set.push(Alarm { token, at, number, turn });
    }

    /// Forgets the deadline of a token that is taken back.
    pub(super) fn forget(&mut self, token: Token) {
        self.set.retain(|alarm| alarm.token != token);
    }

    /// Judges a deadline that expires, and sets it again a few times. The platform has looked at
    /// its sources at `looked_at`.
    pub(super) fn expire<P: Selector>(
        &mut self,
        context: &mut Context<'_, P>,
        token: Token,
        looked_at: Instant,
        random: &mut Random,
    ) {
        let position = self.set.iter().position(|alarm| alarm.token == token);
        let alarm = position.map(|position| self.set.swap_remove(position));
        let turn = context.counters().turns;
        let rule = alarm.map_or(Some("a deadline expires once"), |alarm| {
            let order = |alarm: &Alarm| (alarm.at, alarm.number);
            if alarm.turn == turn {
                Some("what is set while deadlines expire waits for the next turn")
            } else if self.set.iter().any(|other| order(other) < order(&alarm)) {
                Some("deadlines expire in order, equal ones as they were set")
            } else if alarm.at > looked_at {
                Some("time is judged after a look")
            } else {
                None
            }
        });
        if let Some(rule) = rule {
            let what = alloc::format!("{alarm:?} in turn {turn}, looked at {looked_at:?}");
            self.fault.get_or_insert((rule, what));
        }
        if self.repeats < REPEATS {
            self.repeats += 1;
            self.arm(context, token, random);
        }
    }

    /// Returns the first rule that was broken.
    pub(super) fn verdict(&mut self) -> Verdict {
        self.fault.take().map_or(Ok(()), Err)
    }
}
