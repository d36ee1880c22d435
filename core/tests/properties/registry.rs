//! The registry against the set of tokens that are live.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;
use selkie_core::memory::{Registry, Slot};
use selkie_core::{ErrorKind, Token};

use crate::{config, steps};

const CAPACITY: usize = 7;

type Slots<'a> = &'a mut [Slot];

#[derive(Clone, Debug)]
enum Step {
    Insert,
    /// Takes back the n-th token that was ever issued, live or not.
    Remove(usize),
    /// Asks and takes back with a token that was made up.
    MadeUp(u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Insert),
        5 => (0..64_usize).prop_map(Step::Remove),
        2 => (0..10_u32, 0..12_u32).prop_map(|(index, generation)| Step::MadeUp(index, generation)),
        1 => any::<(u32, u32)>().prop_map(|(index, generation)| Step::MadeUp(index, generation)),
    ]
}

#[derive(Default)]
struct Model {
    live: HashSet<Token>,
    issued: Vec<Token>,
    live_max: usize,
}

fn compare(registry: &Registry<Slots<'_>>, model: &Model) {
    assert_eq!(registry.len(), model.live.len());
    assert_eq!(registry.is_empty(), model.live.is_empty());
    assert_eq!(registry.len_max(), model.live_max);
    assert_eq!(registry.retired(), 0);
    for &token in &model.issued {
        assert_eq!(registry.contains(token), model.live.contains(&token));
    }
    let listed: Vec<Token> = registry.iter().collect();
    let expected: BTreeSet<(usize, Token)> =
        model.live.iter().map(|token| (token.index(), *token)).collect();
    assert_eq!(
        listed,
        expected.into_iter().map(|(_, token)| token).collect::<Vec<_>>(),
        "in the order of slots"
    );
    for index in 0..CAPACITY + 2 {
        assert_eq!(
            registry.token_at(index),
            listed.iter().copied().find(|token| token.index() == index)
        );
    }
}

fn insert(registry: &mut Registry<Slots<'_>>, model: &mut Model) {
    match registry.insert() {
        Ok(token) => {
            assert!(model.live.len() < CAPACITY);
            assert!(token.index() < CAPACITY);
            assert!(!model.issued.contains(&token), "no token is issued twice");
            model.live.insert(token);
            model.issued.push(token);
            model.live_max = model.live_max.max(model.live.len());
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Full);
            assert_eq!(model.live.len(), CAPACITY, "only a full registry refuses");
        }
    }
}

fn remove(registry: &mut Registry<Slots<'_>>, model: &mut Model, token: Token) {
    assert_eq!(registry.contains(token), model.live.contains(&token));
    let removed = registry.remove(token);
    if model.live.remove(&token) {
        assert_eq!(removed, Ok(()));
    } else {
        assert_eq!(removed, Err(ErrorKind::Stale.into()));
    }
}

/// Runs steps on a registry in `slots`, for tokens that `model` knows.
fn run(slots: &mut [Slot; CAPACITY], model: &mut Model, steps: &[Step]) {
    let mut registry = Registry::new(&mut slots[..]);
    for step in steps {
        match *step {
            Step::Insert => insert(&mut registry, model),
            Step::Remove(number) => {
                if let Some(&token) = model.issued.get(number) {
                    remove(&mut registry, model, token);
                }
            }
            Step::MadeUp(index, generation) => {
                remove(&mut registry, model, Token::new(index, generation));
            }
        }
        compare(&registry, model);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn only_issued_tokens_are_live_and_only_until_they_are_taken_back(
        lives in prop::collection::vec(prop::collection::vec(step(), 1..steps(60)), 1..4),
    ) {
        let mut slots = [Slot::EMPTY; CAPACITY];
        let mut model = Model::default();
        for steps in lives {
            run(&mut slots, &mut model, &steps);
            // The next registry in the same slots knows none of the tokens, and issues none again.
            model.live.clear();
            model.live_max = 0;
        }
    }
}
