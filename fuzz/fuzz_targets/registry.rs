//! The registry against the set of tokens that are live, from any generation on.
#![no_main]

use std::collections::HashSet;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use selkie_core::memory::{Registry, Slot};
use selkie_core::{ErrorKind, Token};

const CAPACITY: usize = 5;

/// Operation on a registry.
#[derive(Arbitrary, Debug)]
enum Step {
    Insert,
    /// Takes back the n-th token that was issued, live or not.
    Remove(u8),
    /// Takes back a token that was made up.
    MadeUp(u8, u32),
    /// Takes back a made-up token of the last generations.
    NearTheEnd(u8, u8),
    /// Hands the slots over to another registry.
    Heir,
}

/// The steps, and the generations of the slots at the start: how many are left, or none for a slot
/// that is new.
#[derive(Arbitrary, Debug)]
struct Case {
    left: [Option<u8>; CAPACITY],
    steps: Vec<Step>,
}

/// Model of a registry.
struct Model {
    live: HashSet<Token>,
    issued: Vec<Token>,
    live_max: usize,
    /// The number of tokens that each slot can still issue.
    left: [u32; CAPACITY],
}

impl Model {
    fn new(left: [Option<u8>; CAPACITY]) -> Self {
        let left = left.map(|left| left.map_or(u32::MAX, u32::from));
        Self { live: HashSet::new(), issued: Vec::new(), live_max: 0, left }
    }

    fn insert(&mut self, registry: &mut Registry<&mut [Slot]>) {
        let free = (0..CAPACITY).any(|index| {
            self.left[index] > 0 && !self.live.iter().any(|token| token.index() == index)
        });
        match registry.insert() {
            Ok(token) => {
                assert!(free, "{token:?} was issued by a registry that is full");
                assert!(!self.issued.contains(&token), "{token:?} was issued twice");
                self.left[token.index()] -= 1;
                self.live.insert(token);
                self.issued.push(token);
                self.live_max = self.live_max.max(self.live.len());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Full);
                assert!(!free, "a registry refused that is not full");
            }
        }
    }

    fn remove(&mut self, registry: &mut Registry<&mut [Slot]>, token: Token) {
        assert_eq!(registry.contains(token), self.live.contains(&token));
        let expected = if self.live.remove(&token) { Ok(()) } else { Err(ErrorKind::Stale.into()) };
        assert_eq!(registry.remove(token), expected);
    }

    fn compare(&self, registry: &Registry<&mut [Slot]>) {
        assert_eq!(registry.len(), self.live.len());
        assert_eq!(registry.len_max(), self.live_max);
        for token in &self.issued {
            assert_eq!(registry.contains(*token), self.live.contains(token));
        }
        let mut live: Vec<Token> = self.live.iter().copied().collect();
        live.sort_by_key(|token| token.index());
        assert!(registry.iter().eq(live.iter().copied()), "in the order of the slots");
        for index in 0..CAPACITY + 2 {
            assert_eq!(
                registry.token_at(index),
                live.iter().copied().find(|token| token.index() == index)
            );
        }
    }
}

fuzz_target!(|case: Case| {
    let mut slots = case.left.map(|left| left.map_or(Slot::EMPTY, |left| Slot::aged(left.into())));
    let mut model = Model::new(case.left);
    let mut registry = Registry::new(&mut slots[..]);
    for step in case.steps.iter().take(500) {
        match *step {
            Step::Insert => model.insert(&mut registry),
            Step::Remove(number) => {
                if let Some(token) = model.issued.get(usize::from(number)).copied() {
                    model.remove(&mut registry, token);
                }
            }
            Step::MadeUp(index, generation) => {
                model.remove(&mut registry, Token::new(index.into(), generation));
            }
            Step::NearTheEnd(index, left) => {
                model.remove(&mut registry, Token::new(index.into(), u32::MAX - u32::from(left)));
            }
            Step::Heir => {
                registry = Registry::new(&mut slots[..]);
                model.live.clear();
                model.live_max = 0;
            }
        }
        model.compare(&registry);
    }
});
