//! The timers against a sorted map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selkie_core::Instant;
use selkie_core::memory::{TimerSlot, Timers};

use crate::{config, steps};

const CAPACITY: usize = 24;

#[derive(Clone, Debug)]
enum Step {
    Set(usize, u64),
    SetEarlier(usize, u64),
    Cancel(usize),
    /// Everything that is due at this time.
    Expire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    // Few different times, so that equal ones meet, and the ends of time.
    let time = || prop_oneof![20 => 0..50_u64, 1 => Just(u64::MAX)];
    let key = || 0..CAPACITY;
    prop_oneof![
        5 => (key(), time()).prop_map(|(key, nanos)| Step::Set(key, nanos)),
        3 => (key(), time()).prop_map(|(key, nanos)| Step::SetEarlier(key, nanos)),
        3 => (0..CAPACITY + 3).prop_map(Step::Cancel),
        1 => time().prop_map(Step::Expire),
    ]
}

/// By key: the deadline, and the position of its setting among all settings.
#[derive(Default)]
struct Model {
    deadlines: BTreeMap<usize, (u64, usize)>,
    settings: usize,
}

impl Model {
    fn set(&mut self, key: usize, nanos: u64) {
        self.deadlines.insert(key, (nanos, self.settings));
        self.settings += 1;
    }
}

/// Takes out all that is due, and checks that it comes in order and not before its time.
fn expire(timers: &mut Timers<&mut [TimerSlot]>, model: &mut Model, nanos: u64) {
    let mut last = (0, 0);
    while let Some(key) = timers.pop_expired(Instant::from_nanos(nanos)) {
        let due = model.deadlines.remove(&key).expect("only what was set expires");
        assert!(due.0 <= nanos, "nothing expires early");
        assert!(due >= last, "the earliest first, and of equal ones the one that was set first");
        last = due;
    }
    assert!(model.deadlines.values().all(|due| due.0 > nanos), "nothing that is due is left");
}

fn apply(timers: &mut Timers<&mut [TimerSlot]>, model: &mut Model, step: &Step) {
    match *step {
        Step::Set(key, nanos) => {
            timers.set(key, Instant::from_nanos(nanos));
            model.set(key, nanos);
        }
        Step::SetEarlier(key, nanos) => {
            let earlier = model.deadlines.get(&key).is_none_or(|due| nanos < due.0);
            assert_eq!(timers.set_earlier(key, Instant::from_nanos(nanos)), earlier);
            if earlier {
                model.set(key, nanos);
            }
        }
        Step::Cancel(key) => assert_eq!(timers.cancel(key), model.deadlines.remove(&key).is_some()),
        Step::Expire(nanos) => expire(timers, model, nanos),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_earliest_deadline_is_exact_after_every_step(
        lives in prop::collection::vec(prop::collection::vec(step(), 1..steps(150)), 1..3),
    ) {
        let mut slots = [TimerSlot::EMPTY; CAPACITY];
        for steps in lives {
            // The second life shows that deadlines of the first are gone.
            let mut timers = Timers::new(&mut slots[..]);
            let mut model = Model::default();
            for step in &steps {
                apply(&mut timers, &mut model, step);
                let deadline = |due: &(u64, usize)| Instant::from_nanos(due.0);
                let deadlines = &model.deadlines;
                prop_assert_eq!(timers.next_deadline(), deadlines.values().min().map(deadline));
                prop_assert_eq!(timers.len(), deadlines.len());
                prop_assert_eq!(timers.is_empty(), deadlines.is_empty());
                for key in 0..=CAPACITY {
                    prop_assert_eq!(timers.deadline(key), deadlines.get(&key).map(deadline));
                }
            }
        }
    }
}
