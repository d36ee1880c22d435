//! Printing.

use comfy_table::{CellAlignment, Table as Grid, presets};

use super::statistics::Summary;

/// One table: a title, a line that says what its numbers are, and rows that begin with a name.
#[derive(Debug)]
pub(crate) struct Table {
    grid: Grid,
    columns: usize,
}

impl Table {
    /// Prints the title and the explanation at once, and the rows when all are there.
    pub(crate) fn new(title: &str, explanation: &str, columns: &[&str]) -> Self {
        println!("\n## {title}");
        if !explanation.is_empty() {
            println!("{explanation}");
        }
        println!();
        let mut grid = Grid::new();
        grid.load_preset(presets::ASCII_MARKDOWN);
        grid.set_header(columns);
        Self { grid, columns: columns.len() }
    }

    /// Compares contestants by their medians and by their ratios to the first one, the floor. A
    /// later contestant of the same name shows how much the floor differs from itself.
    pub(crate) fn compare(
        title: &str,
        explanation: &str,
        unit: &str,
        names: &[&str],
        values: &[Vec<f64>],
    ) -> Self {
        let columns = ["", unit, "ratio to the floor (middle half)"];
        let mut table = Self::new(title, explanation, &columns);
        for (position, (&name, values_of_one)) in names.iter().zip(values).enumerate() {
            let again = position > 0 && name == names[0];
            let name = if again { "the floor against itself" } else { name };
            let median = Summary::of(values_of_one.iter().copied()).median;
            let digits = usize::from(median < 100.0);
            let ratio = ratio(Summary::of_ratios(values_of_one, &values[0]));
            table.row(vec![name.to_owned(), format!("{median:.digits$}"), ratio]);
        }
        table
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.grid.add_row(cells);
    }

    /// Prints the rows.
    pub(crate) fn print(mut self) {
        for column in 1..self.columns {
            if let Some(column) = self.grid.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        println!("{}", self.grid);
    }
}

/// Formats a ratio with the middle half of its values.
pub(crate) fn ratio(summary: Summary) -> String {
    format!("{:.3} ({:.3}-{:.3})", summary.median, summary.lower_quartile, summary.upper_quartile)
}

/// Formats a count with its thousands separated.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
