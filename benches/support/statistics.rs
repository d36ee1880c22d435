//! Medians and quartiles.

use std::time::Duration;

/// Converts a count for use in ratios.
#[expect(clippy::cast_precision_loss, reason = "no benchmark counts to 2^52")]
pub(crate) const fn number(count: u64) -> f64 {
    count as f64
}

/// Converts a time to nanoseconds.
pub(crate) fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// The middle of a set of values and the range that holds the middle half of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) upper_quartile: f64,
}

impl Summary {
    /// Summarizes at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |quarters| quantile(&sorted, quarters);
        Self { median: at(2), lower_quartile: at(1), upper_quartile: at(3) }
    }

    /// Summarizes the ratios of values that were measured in the same round.
    pub(crate) fn of_ratios(values: &[f64], baseline: &[f64]) -> Self {
        Self::of(values.iter().zip(baseline).map(|(value, baseline)| value / baseline))
    }
}

/// Returns the value at a quarter of the sorted values, between two values if need be.
fn quantile(sorted: &[f64], quarters: usize) -> f64 {
    let scaled = (sorted.len() - 1) * quarters;
    let (below, rest) = (scaled / 4, scaled % 4);
    let above = sorted[(below + 1).min(sorted.len() - 1)];
    let weight = [0.0, 0.25, 0.5, 0.75][rest];
    sorted[below] + (above - sorted[below]) * weight
}
