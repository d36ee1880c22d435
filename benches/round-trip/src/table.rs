//! The tables, in Markdown.

use std::fmt::Write as _;

use crate::IDLE;
use crate::contestant::name;
use crate::figures::{Figures, Summary};

/// The pairs of contestants that are compared.
const COMPARISONS: [(&str, &str); 6] = [
    (name::IO_POLL, name::IO_POLL_BY_HAND),
    (name::IO_POLL, name::MIO),
    (name::IO_POLL, name::WSTD),
    (name::WAITABLE_SET, name::IO_POLL),
    (name::WAITABLE_SET, name::POLL_ONEOFF),
    (name::POLL_ONEOFF, name::POLL_ONEOFF_BY_HAND),
];

/// The head of the column that is not about idle clients.
const BUSY: &str = " messages/s, 64 busy clients |";

/// Returns all tables.
pub(crate) fn all(figures: &[Figures]) -> String {
    let tables = [
        medians(figures),
        ratios(figures, "round trip", BUSY, |one| {
            one.round_trips.iter().chain([&one.throughput]).collect()
        }),
        cpu_times(figures),
        ratios(figures, "CPU time of the server", "", |one| one.cpu_times.iter().collect()),
    ];
    tables.join("\n\n")
}

/// Returns the table of the medians of all contestants.
fn medians(figures: &[Figures]) -> String {
    let mut text = head("round trip beside idle clients, us", &format!(" 10,000 to 10 |{BUSY}"));
    for one in figures {
        let _ = write!(text, "\n| {} |", one.name);
        for samples in &one.round_trips {
            cell(&mut text, Summary::of(samples.clone()), |text, of| {
                write!(text, "{:.1}", of.median)
            });
        }
        let growth = Summary::of_ratios(&one.round_trips[IDLE.len() - 1], &one.round_trips[0]);
        cell(&mut text, growth, |text, of| write!(text, "{:.2}", of.median));
        cell(&mut text, Summary::of(one.throughput.clone()), |text, of| {
            write!(text, "{:.0}", of.median)
        });
    }
    text
}

/// Returns the table of the servers' processor times. The rest of a round trip is mostly the time
/// that the system takes to wake a waiting process.
fn cpu_times(figures: &[Figures]) -> String {
    let mut text = head("CPU time of the server for a message, us", "");
    for one in figures {
        let _ = write!(text, "\n| {} |", one.name);
        for samples in &one.cpu_times {
            cell(&mut text, Summary::of(samples.clone()), |text, of| {
                write!(text, "{:.1}", of.median)
            });
        }
    }
    text
}

/// Returns the table of the ratios of those that are compared.
fn ratios(
    figures: &[Figures],
    subject: &str,
    rest: &str,
    of: impl Fn(&Figures) -> Vec<&Vec<f64>>,
) -> String {
    let subject =
        format!("{subject}, as a ratio of bursts that followed each other: median (middle half)");
    let mut text = head(&subject, rest);
    let find = |name| figures.iter().find(|one| one.name == name);
    for (ours, theirs) in COMPARISONS {
        let Some((ours, theirs)) = find(ours).zip(find(theirs)) else { continue };
        let _ = write!(text, "\n| {} / {} |", ours.name, theirs.name);
        for (ours, theirs) in of(ours).into_iter().zip(of(theirs)) {
            ratio(&mut text, ours, theirs);
        }
    }
    text
}

/// Returns the first two lines of a table with a column for each number of idle clients, and those
/// that `rest` names.
fn head(subject: &str, rest: &str) -> String {
    let mut text = format!("| {subject} |");
    for idle in IDLE {
        let _ = write!(text, " {idle} |");
    }
    let columns = IDLE.len() + rest.matches('|').count();
    let _ = write!(text, "{rest}\n| --- |{}", " ---: |".repeat(columns));
    text
}

fn ratio(text: &mut String, ours: &[f64], theirs: &[f64]) {
    cell(text, Summary::of_ratios(ours, theirs), |text, Summary { median, low, high }| {
        write!(text, "{median:.2} ({low:.2}-{high:.2})")
    });
}

/// Returns a cell, which is empty where nothing was measured.
fn cell(
    text: &mut String,
    summary: Option<Summary>,
    write: impl FnOnce(&mut String, Summary) -> std::fmt::Result,
) {
    text.push(' ');
    if let Some(summary) = summary {
        let _ = write(text, summary);
        text.push(' ');
    }
    text.push('|');
}
