//! The source table of backends against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selkie_core::backend::{SourceEntry, SourceTable};
use selkie_core::{ErrorKind, Interest, Mode, Token};

use crate::{config, steps};

const CAPACITY: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Step {
    Register(Token, Interest, Mode),
    Modify(Token, Interest, Mode),
    Deregister(Token),
    Report(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let token =
        || (0..6_u32, 0..5_u32).prop_map(|(index, generation)| Token::new(index, generation));
    let interest = || {
        prop_oneof![
            Just(Interest::NONE),
            Just(Interest::READABLE),
            Just(Interest::WRITABLE),
            Just(Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY),
        ]
    };
    let mode = || prop_oneof![Just(Mode::Level), Just(Mode::Oneshot), Just(Mode::Edge)];
    prop_oneof![
        4 => (token(), interest(), mode()).prop_map(|(t, i, m)| Step::Register(t, i, m)),
        3 => (token(), interest(), mode()).prop_map(|(t, i, m)| Step::Modify(t, i, m)),
        2 => token().prop_map(Step::Deregister),
        3 => (0..7_usize).prop_map(Step::Report),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    token: Token,
    interest: Interest,
    mode: Mode,
    is_reported: bool,
}

type Model = BTreeMap<usize, Entry>;

/// Returns what the contract says about registering `token`.
fn expected_vacancy(model: &Model, token: Token) -> Result<(), ErrorKind> {
    match model.get(&token.index()) {
        _ if token.index() >= CAPACITY => Err(ErrorKind::Full),
        None if token.generation() == 0 => Err(ErrorKind::NotRegistered),
        None => Ok(()),
        Some(entry) if entry.token.generation() > token.generation() => Err(ErrorKind::Stale),
        Some(_) => Err(ErrorKind::AlreadyRegistered),
    }
}

/// Returns what the contract says about using `token`.
fn lookup(model: &Model, token: Token) -> Result<Entry, ErrorKind> {
    match model.get(&token.index()) {
        Some(entry) if entry.token == token => Ok(*entry),
        Some(_) => Err(ErrorKind::Stale),
        None => Err(ErrorKind::NotRegistered),
    }
}

type Table<'a> = SourceTable<&'a mut [SourceEntry<u32>], u32>;

fn apply(table: &mut Table<'_>, model: &mut Model, step: Step) {
    match step {
        Step::Register(token, interest, mode) => {
            let vacant = expected_vacancy(model, token);
            assert_eq!(table.check_vacant(token).map_err(selkie_core::Error::kind), vacant);
            if vacant.is_ok() {
                table.insert(token, interest, mode, token.generation());
                model.insert(token.index(), Entry { token, interest, mode, is_reported: false });
            }
        }
        Step::Modify(token, interest, mode) => {
            let found = lookup(model, token);
            assert_eq!(
                table.get(token).map(|_| ()).map_err(selkie_core::Error::kind),
                found.map(|_| ())
            );
            if found.is_ok() {
                table.update(token, interest, mode);
                model.insert(token.index(), Entry { token, interest, mode, is_reported: false });
            }
        }
        Step::Deregister(token) => {
            let found = lookup(model, token);
            assert_eq!(
                table.get(token).map(|_| ()).map_err(selkie_core::Error::kind),
                found.map(|_| ())
            );
            if found.is_ok() {
                table.remove(token);
                model.remove(&token.index());
            }
        }
        Step::Report(index) => {
            let oneshot = model.get_mut(&index).filter(|entry| entry.mode == Mode::Oneshot);
            assert_eq!(table.mark_fired(index), oneshot.is_some());
            if let Some(entry) = oneshot {
                entry.is_reported = true;
            }
        }
    }
}

fn compare(table: &Table<'_>, model: &Model) {
    assert_eq!((table.len(), table.is_empty()), (model.len(), model.is_empty()));
    let is_armed = |entry: &&Entry| !entry.interest.is_empty() && !entry.is_reported;
    assert_eq!(table.armed(), model.values().filter(is_armed).count());
    let is_oneshot = |entry: &&Entry| entry.mode == Mode::Oneshot;
    assert_eq!(table.oneshot(), model.values().filter(is_oneshot).count());
    for index in 0..=CAPACITY {
        let found = table.at(index).map(|(token, registration, value)| {
            assert_eq!(*value, token.generation());
            (token, registration.interest, registration.mode, registration.armed())
        });
        let expected = model.get(&index).map(|entry| {
            let armed = if entry.is_reported { Interest::NONE } else { entry.interest };
            (entry.token, entry.interest, entry.mode, armed)
        });
        assert_eq!(found, expected);
        assert_eq!(table.tenant(index), model.get(&index).map(|entry| entry.token));
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_table_agrees_with_the_contract(
        lives in prop::collection::vec(prop::collection::vec(step(), 1..steps(100)), 1..3),
    ) {
        let mut entries = [SourceEntry::vacant(0); CAPACITY];
        for steps in lives {
            // The second life shows that nothing of the first is seen.
            let mut table = SourceTable::new(&mut entries[..]);
            let mut model = Model::new();
            for step in steps {
                apply(&mut table, &mut model, step);
                compare(&table, &model);
            }
        }
    }
}
