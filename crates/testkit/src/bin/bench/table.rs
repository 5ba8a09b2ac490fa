//! What comes out: tables for people, JSON for programs.

use serde_json::{Value, json};
use std::fmt::{self, Display, Formatter, Write};

/// Figures that belong together.
pub(crate) struct Table {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    what: &'static str,
    unit: &'static str,
    figures: Vec<Figure>,
    target: Option<Target>,
}

/// One server's number; NaN where there is none, or where it would be noise.
pub(crate) struct Figure {
    of: &'static str,
    number: f64,
}

/// What is aimed at. Printed, and never enforced.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// The broker's number is at most so many times the limit's.
    RatioMax(f64),
    /// The broker's number is at least so many times the limit's.
    RatioMin(f64),
    /// The number itself is at most this.
    NumberMax(f64),
    /// The number itself is at least this.
    NumberMin(f64),
}

/// Name of the column that others are compared with.
pub(crate) const LIMIT: &str = "limit";

impl Figure {
    pub(crate) fn new(of: &'static str, number: f64) -> Self {
        Self { of, number }
    }
}

impl Table {
    pub(crate) fn new(title: String) -> Self {
        Self { title, rows: Vec::new() }
    }

    pub(crate) fn add(
        &mut self,
        what: &'static str,
        unit: &'static str,
        figures: Vec<Figure>,
        target: Option<Target>,
    ) {
        self.rows.push(Row { what, unit, figures, target });
    }

    pub(crate) fn json(&self) -> Value {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        json!({ "title": self.title, "rows": rows })
    }
}

impl Table {
    /// As a table of Markdown.
    pub(crate) fn markdown(&self) -> String {
        let with_ratio = |of: &str| of != LIMIT && self.has_limit();
        let mut head = format!("| {} |", self.title);
        let mut rule = "| --- |".to_owned();
        for figure in self.rows.first().into_iter().flat_map(|row| &row.figures) {
            let ratio = if with_ratio(figure.of) { " ratio |" } else { "" };
            head.push_str(&format!(" {} |{ratio}", figure.of));
            rule.push_str(if with_ratio(figure.of) { " --- | --- |" } else { " --- |" });
        }
        let mut text = format!("{head} target |\n{rule} --- |\n");
        for row in &self.rows {
            text.push_str(&format!("| {} |", row.what));
            for figure in &row.figures {
                text.push_str(&format!(" {} {} |", short(figure.number), row.unit));
                if with_ratio(figure.of) {
                    let ratio = row.ratio(figure).map(|it| format!("{it:.2}"));
                    text.push_str(&format!(" {} |", ratio.as_deref().unwrap_or("–")));
                }
            }
            let target = row.target.map(|target| match row.missed() {
                missed if missed.is_empty() => format!("{target}: kept"),
                missed => format!("{target}: **missed**, {}", missed.join(", ")),
            });
            text.push_str(&format!(" {} |\n", target.unwrap_or_default()));
        }
        text
    }

    /// Targets that are missed, and by how much.
    pub(crate) fn missed(&self) -> Vec<String> {
        let of = |row: &Row| {
            let missed = row.missed();
            let title = self.title.split(',').next().unwrap_or_default();
            (!missed.is_empty()).then(|| format!("{title}, {}: {}", row.what, missed.join(", ")))
        };
        self.rows.iter().filter_map(of).collect()
    }
}

impl Row {
    /// By how much each server misses the target, where it does.
    fn missed(&self) -> Vec<String> {
        let by = |figure: &Figure| {
            let (number, ratio) = (figure.number, self.ratio(figure));
            let (by, unit) = match self.target? {
                Target::RatioMax(max) => (ratio? - max, "×"),
                Target::RatioMin(min) => (min - ratio?, "×"),
                Target::NumberMax(max) => (number - max, self.unit),
                Target::NumberMin(min) => (min - number, self.unit),
            };
            let counts = by > 0.0 && figure.of != LIMIT;
            counts.then(|| format!("{} by {} {unit}", figure.of, short(by)))
        };
        self.figures.iter().filter_map(by).collect()
    }

    fn ratio(&self, figure: &Figure) -> Option<f64> {
        let limit = self.figures.iter().find(|figure| figure.of == LIMIT)?.number;
        let ratio = figure.number / limit;
        (figure.of != LIMIT && ratio.is_finite()).then_some(ratio)
    }

    fn json(&self) -> Value {
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|it| json!({ "of": it.of, "number": it.number, "ratio": self.ratio(it) }))
            .collect();
        let target = self.target.map(|target| target.to_string());
        json!({ "what": self.what, "unit": self.unit, "figures": figures, "target": target })
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioMax(ratio) => write!(f, "≤ {ratio} ×"),
            Self::RatioMin(ratio) => write!(f, "≥ {ratio} ×"),
            Self::NumberMax(number) => write!(f, "≤ {number}"),
            Self::NumberMin(number) => write!(f, "≥ {number}"),
        }
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let mut head = format!("{:<28}{:>5}", "", "");
        for figure in self.rows.first().into_iter().flat_map(|row| &row.figures) {
            write!(head, "{:>11}", figure.of)?;
            if figure.of != LIMIT && self.has_limit() {
                write!(head, "{:>8}", "ratio")?;
            }
        }
        writeln!(f, "{head}{:>11}", "target")?;
        for row in &self.rows {
            write!(f, "{:<28}{:>5}", row.what, row.unit)?;
            for figure in &row.figures {
                write!(f, "{:>11}", short(figure.number))?;
                if figure.of != LIMIT && self.has_limit() {
                    match row.ratio(figure) {
                        Some(ratio) => write!(f, "{ratio:>8.2}")?,
                        None => write!(f, "{:>8}", "–")?,
                    }
                }
            }
            let target = row.target.map(|target| target.to_string()).unwrap_or_default();
            writeln!(f, "{target:>11}")?;
        }
        Ok(())
    }
}

impl Table {
    fn has_limit(&self) -> bool {
        self.rows.iter().flat_map(|row| &row.figures).any(|figure| figure.of == LIMIT)
    }
}

/// Three digits that count.
fn short(number: f64) -> String {
    match number.abs() {
        _ if number.is_nan() => "–".to_owned(),
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// The middle one; of an even count, the mean of the two. 0 of none.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match (numbers.len() / 2, numbers.len() % 2) {
        (0, 0) => 0.0,
        (half, 0) => f64::midpoint(numbers[half - 1], numbers[half]),
        (half, _) => numbers[half],
    }
}
