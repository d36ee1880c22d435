//! The measurements, and their summary.

/// The measurements of one contestant, burst by burst; those of all contestants were taken in turn.
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    /// The median round trips in microseconds, for each number of idle clients.
    pub(crate) round_trips: Vec<Vec<f64>>,
    /// The CPU time that a message took the server, in microseconds, for each number of idle
    /// clients.
    pub(crate) cpu_times: Vec<Vec<f64>>,
    /// Messages in a second, with busy clients.
    pub(crate) throughput: Vec<f64>,
}

impl Figures {
    pub(crate) fn new(name: &'static str, counts: usize) -> Self {
        Self {
            name,
            round_trips: vec![Vec::new(); counts],
            cpu_times: vec![Vec::new(); counts],
            throughput: Vec::new(),
        }
    }
}

/// A median, and where the middle half of what it is the median of begins and ends.
#[derive(Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Summary {
    /// Returns the quartiles of some samples, if there are any.
    pub(crate) fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        let at = |quarter: usize| samples.get(samples.len() * quarter / 4).copied();
        Some(Self { median: at(2)?, low: at(1)?, high: at(3)? })
    }

    /// Returns the quartiles of the ratios of two contestants, burst by burst.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        Self::of(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
    }
}
