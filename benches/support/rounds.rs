//! Interleaved rounds: a disturbance of the machine disturbs every contestant alike.

/// Measures every contestant once a round, starting each round with another one. Returns the values
/// of each contestant in the order of the rounds, so that values of one round can be compared.
pub(crate) fn interleave<T>(
    rounds: usize,
    contestants: usize,
    mut measure: impl FnMut(usize) -> T,
) -> Vec<Vec<T>> {
    let mut values: Vec<Vec<T>> = (0..contestants).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for turn in 0..contestants {
            let contestant = (round + turn) % contestants;
            values[contestant].push(measure(contestant));
        }
    }
    values
}
