//! The handle table against a map of the handles that are in use.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selkie_core::ErrorKind;
use selkie_core::backend::{Handle, HandleEntry, HandleTable};

use crate::{config, steps};

const CAPACITY: usize = 5;

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u8),
    /// Removes the n-th handle that was ever issued, in use or not.
    Remove(usize),
    /// Changes the source of the n-th handle.
    Change(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => any::<u8>().prop_map(Step::Insert),
        4 => (0..48_usize).prop_map(Step::Remove),
        2 => (0..48_usize, any::<u8>()).prop_map(|(number, value)| Step::Change(number, value)),
    ]
}

#[derive(Default)]
struct Model {
    sources: BTreeMap<usize, (Handle, u8)>,
    issued: Vec<Handle>,
}

impl Model {
    fn find(&mut self, handle: Handle) -> Result<&mut u8, selkie_core::Error> {
        let source = self.sources.get_mut(&handle.index()).filter(|source| source.0 == handle);
        source.map(|source| &mut source.1).ok_or(ErrorKind::Stale.into())
    }
}

type Table<'a> = HandleTable<&'a mut [HandleEntry<u8>], u8>;

fn apply(table: &mut Table<'_>, model: &mut Model, step: Step) {
    match step {
        Step::Insert(value) => {
            assert_eq!(table.has_room(), model.sources.len() < CAPACITY);
            match table.insert(value) {
                Ok(handle) => {
                    assert!(!model.issued.contains(&handle), "no handle is issued twice");
                    assert!(model.sources.insert(handle.index(), (handle, value)).is_none());
                    model.issued.push(handle);
                }
                Err(returned) => {
                    assert_eq!((returned, model.sources.len()), (value, CAPACITY));
                }
            }
        }
        Step::Remove(number) => {
            let Some(&handle) = model.issued.get(number) else { return };
            assert_eq!(table.remove(handle, 0), model.find(handle).map(|value| *value));
            if model.find(handle).is_ok() {
                model.sources.remove(&handle.index());
            }
        }
        Step::Change(number, value) => {
            let Some(&handle) = model.issued.get(number) else { return };
            assert_eq!(table.get_mut(handle), model.find(handle));
            if let Ok(source) = table.get_mut(handle) {
                *source = value;
                *model.find(handle).unwrap() = value;
            }
        }
    }
}

fn compare(table: &Table<'_>, model: &mut Model) {
    assert_eq!((table.len(), table.capacity()), (model.sources.len(), CAPACITY));
    assert_eq!(table.is_empty(), model.sources.is_empty());
    for handle in model.issued.clone() {
        assert_eq!(table.get(handle).copied(), model.find(handle).map(|value| *value));
    }
    assert!(
        table.iter().map(|(handle, value)| (handle, *value)).eq(model.sources.values().copied())
    );
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn only_issued_handles_are_valid_and_only_until_they_are_removed(
        lives in prop::collection::vec(prop::collection::vec(step(), 1..steps(80)), 1..4),
    ) {
        let mut entries = [HandleEntry::vacant(0); CAPACITY];
        let mut model = Model::default();
        for steps in lives {
            // The next table in the same memory knows none of the handles, and issues none of them.
            model.sources.clear();
            let mut table = HandleTable::new(&mut entries[..]);
            compare(&table, &mut model);
            for step in steps {
                apply(&mut table, &mut model, step);
                compare(&table, &mut model);
            }
        }
    }
}
