//! The timers against a sorted map.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use selkie_core::Instant;
use selkie_core::memory::{TimerSlot, Timers};

const CAPACITY: usize = 40;

/// Operation on timers. Keys are taken modulo the capacity, except where any key is allowed.
#[derive(Arbitrary, Debug)]
enum Step {
    Set(u8, Time),
    SetEarlier(u8, Time),
    Cancel(u8),
    /// Takes out what is due, at most so many.
    Expire(Time, u8),
    /// Hands the memory over to others.
    Heir,
}

/// A point in time.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Time {
    /// One of few, so that equal ones meet.
    Soon(u8),
    Any(u64),
}

impl Time {
    const fn nanos(self) -> u64 {
        match self {
            Self::Soon(nanos) => nanos as u64,
            Self::Any(nanos) => nanos,
        }
    }
}

type Model = BTreeMap<usize, u64>;

/// Takes out what is due, and checks that it comes in order and not before its time.
fn expire(timers: &mut Timers<&mut [TimerSlot]>, model: &mut Model, now: u64, most: u8) {
    for _ in 0..most {
        let earliest = model.values().copied().min().filter(|&due| due <= now);
        let Some(key) = timers.pop_expired(Instant::from_nanos(now)) else {
            assert_eq!(earliest, None, "what is due is not left");
            return;
        };
        assert_eq!(model.remove(&key), earliest, "the earliest comes first, and nothing early");
    }
}

fn apply(timers: &mut Timers<&mut [TimerSlot]>, model: &mut Model, step: &Step) {
    match *step {
        Step::Set(key, time) => {
            let key = usize::from(key) % CAPACITY;
            timers.set(key, Instant::from_nanos(time.nanos()));
            model.insert(key, time.nanos());
        }
        Step::SetEarlier(key, time) => {
            let (key, nanos) = (usize::from(key) % CAPACITY, time.nanos());
            let earlier = model.get(&key).is_none_or(|&due| nanos < due);
            assert_eq!(timers.set_earlier(key, Instant::from_nanos(nanos)), earlier);
            if earlier {
                model.insert(key, nanos);
            }
        }
        Step::Cancel(key) => {
            assert_eq!(timers.cancel(key.into()), model.remove(&key.into()).is_some());
        }
        Step::Expire(time, most) => expire(timers, model, time.nanos(), most),
        Step::Heir => {}
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let mut slots = [TimerSlot::EMPTY; CAPACITY];
    let mut timers = Timers::new(&mut slots[..]);
    let mut model = Model::new();
    for step in steps.iter().take(500) {
        if matches!(step, Step::Heir) {
            timers = Timers::new(&mut slots[..]);
            model.clear();
        }
        apply(&mut timers, &mut model, step);
        assert_eq!(timers.next_deadline(), model.values().min().copied().map(Instant::from_nanos));
        assert_eq!(timers.len(), model.len());
        for key in 0..=CAPACITY {
            assert_eq!(timers.deadline(key), model.get(&key).copied().map(Instant::from_nanos));
        }
    }
});
