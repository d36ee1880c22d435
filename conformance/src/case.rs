//! Cases: what has a name and an outcome.

use core::fmt;

use selkie_core::Error;

use crate::outcome::{Check, Outcome};

/// Makes a fresh fixture whose platform has room for at least so many sources.
///
/// An error that says that there is no room, such as
/// [`ErrorKind::Full`](selkie_core::ErrorKind::Full), makes the case not applicable; any other
/// fails it.
pub type MakeFixture<'m, F> = &'m mut (dyn FnMut(usize) -> Result<F, Error> + 'm);

/// One named question to a platform.
pub struct Case<F> {
    /// The subject and the question, such as
    /// `registration::the_same_token_twice_is_refused`.
    pub name: &'static str,
    pub(crate) run: fn(MakeFixture<'_, F>) -> Check,
}

impl<F> Case<F> {
    /// Runs the case on a platform that `make` makes.
    pub fn run(&self, mut make: impl FnMut(usize) -> Result<F, Error>) -> Outcome {
        (self.run)(&mut make).into()
    }
}

impl<F> Clone for Case<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Case<F> {}

impl<F> fmt::Debug for Case<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Number of cases by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases whose contract holds.
    pub passed: usize,
    /// Cases that the platform or its fixture has no use for.
    pub not_applicable: usize,
    /// Cases whose contract does not hold.
    pub failed: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} passed, {} not applicable, {} failed",
            self.passed, self.not_applicable, self.failed
        )
    }
}

/// Runs `cases`, each on a fresh fixture from `make`, and hands every outcome to `report`.
///
/// Where nothing bounds the time of a case, a platform that never wakes hangs: run the
/// cases under a timeout.
pub fn run_all<F>(
    cases: impl IntoIterator<Item = Case<F>>,
    mut make: impl FnMut(usize) -> Result<F, Error>,
    mut report: impl FnMut(&'static str, &Outcome),
) -> Summary {
    let mut summary = Summary::default();
    for case in cases {
        let outcome = case.run(&mut make);
        match outcome {
            Outcome::Passed => summary.passed += 1,
            Outcome::NotApplicable(_) => summary.not_applicable += 1,
            Outcome::Failed(_) => summary.failed += 1,
        }
        report(case.name, &outcome);
    }
    summary
}

/// Runs the case of that name, for a test harness that has names of its own.
///
/// # Panics
///
/// If there is none.
pub fn run_one<F>(
    cases: impl IntoIterator<Item = Case<F>>,
    name: &str,
    make: impl FnMut(usize) -> Result<F, Error>,
) -> Outcome {
    let case = cases.into_iter().find(|case| case.name == name);
    case.unwrap_or_else(|| panic!("no case is called {name}")).run(make)
}
