//! The side table of backends against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selkie_core::{ErrorKind, Interest, Mode, Registration, Registrations, Token};

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
        4 => (token(), interest(), mode()).prop_map(|(token, interest, mode)| Step::Register(token, interest, mode)),
        3 => (token(), interest(), mode()).prop_map(|(token, interest, mode)| Step::Modify(token, interest, mode)),
        2 => token().prop_map(Step::Deregister),
        3 => (0..7_usize).prop_map(Step::Report),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    token: Token,
    interest: Interest,
    mode: Mode,
    fired: bool,
}

type Model = BTreeMap<usize, Entry>;

/// What the contract says about registering `token`.
fn vacancy(model: &Model, token: Token) -> Result<(), ErrorKind> {
    match model.get(&token.index()) {
        _ if token.index() >= CAPACITY => Err(ErrorKind::Full),
        None if token.generation() == 0 => Err(ErrorKind::NotRegistered),
        None => Ok(()),
        Some(entry) if entry.token.generation() > token.generation() => Err(ErrorKind::Stale),
        Some(_) => Err(ErrorKind::AlreadyRegistered),
    }
}

/// What the contract says about using `token`.
fn lookup(model: &Model, token: Token) -> Result<Entry, ErrorKind> {
    match model.get(&token.index()) {
        Some(entry) if entry.token == token => Ok(*entry),
        Some(_) => Err(ErrorKind::Stale),
        None => Err(ErrorKind::NotRegistered),
    }
}

fn apply(table: &mut Registrations<[Registration; CAPACITY]>, model: &mut Model, step: Step) {
    match step {
        Step::Register(token, interest, mode) => {
            let vacant = vacancy(model, token);
            assert_eq!(table.vacancy(token).map_err(selkie_core::Error::kind), vacant);
            if vacant.is_ok() {
                table.insert(token, interest, mode);
                model.insert(token.index(), Entry { token, interest, mode, fired: false });
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
                model.insert(token.index(), Entry { token, interest, mode, fired: false });
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
            assert_eq!(table.fired(index), oneshot.is_some());
            if let Some(entry) = oneshot {
                entry.fired = true;
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_table_agrees_with_the_contract(steps in prop::collection::vec(step(), 1..steps(100))) {
        let mut table = Registrations::new([Registration::EMPTY; CAPACITY]);
        let mut model = Model::new();
        for step in steps {
            apply(&mut table, &mut model, step);
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.is_empty(), model.is_empty());
            let armed = model.values().filter(|entry| !entry.interest.is_empty() && !entry.fired).count();
            prop_assert_eq!(table.armed(), armed);
            prop_assert_eq!(table.oneshot(), model.values().filter(|entry| entry.mode == Mode::Oneshot).count());
            for index in 0..=CAPACITY {
                let entry = model.get(&index);
                let expected = entry.map(|entry| (entry.token, entry.interest, entry.mode));
                prop_assert_eq!(table.at(index).map(|(token, found)| (token, found.interest, found.mode)), expected);
                let armed = entry.map(|entry| if entry.fired { Interest::NONE } else { entry.interest });
                prop_assert_eq!(table.at(index).map(|(_, found)| found.armed()), armed);
            }
        }
    }
}
