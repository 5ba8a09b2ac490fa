//! What a terminal shows: a bar for each rotation, and under them a table of who has the
//! credential, with those who are waited for first.

use super::{counts, is_finished};
use crate::print::{Printer, plain, rotation, time};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use secretref_proto::v1;

/// Bars and table. What was drawn last stays when it is dropped.
pub(super) struct Live {
    out: Printer,
    /// Keeps bars and table one below the other.
    _all: MultiProgress,
    bars: Vec<ProgressBar>,
    table: ProgressBar,
}

impl Live {
    /// For so many rotations; none where nobody would see it: in a pipe, and on a terminal that
    /// cannot move its cursor.
    pub(super) fn on(out: Printer, rotations: usize) -> Option<Self> {
        let target = ProgressDrawTarget::stdout();
        if out.json || !out.terminal || target.is_hidden() {
            return None;
        }
        let all = MultiProgress::with_draw_target(target);
        let style = |template: &str| {
            let style = ProgressStyle::with_template(template);
            style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█░")
        };
        let add = |style: ProgressStyle| {
            all.add(ProgressBar::new(1).with_style(style).with_finish(ProgressFinish::Abandon))
        };
        let bars = (0..rotations).map(|_| add(style(BAR))).collect();
        let table = add(style(TABLE));
        Some(Self { out, _all: all, bars, table })
    }

    /// Draws what is so.
    pub(super) fn show<'r>(&mut self, found: impl Iterator<Item = &'r v1::Rotation> + Clone) {
        let (lines_max, columns) = self.out.size();
        for (bar, rotation) in self.bars.iter().zip(found.clone()) {
            let (proven, all) = counts(rotation);
            // One that nobody has anything of is done when it is over.
            let all = all.max(1);
            let done = if is_finished(rotation) { all } else { proven };
            bar.set_length(count(all));
            bar.set_position(count(done));
            bar.set_prefix(plain(&rotation.secret_ref));
            let left = columns.saturating_sub(BAR_COLUMNS + rotation.secret_ref.chars().count());
            bar.set_message(cut(&plain(&words(rotation)), left));
        }
        let rows: Vec<Vec<String>> = rows(found);
        let room = lines_max.saturating_sub(self.bars.len() + LINES_BESIDE);
        let (shown, rest) = rows.split_at(room.min(rows.len()));
        let mut lines = match shown {
            [] => Vec::new(),
            shown => self.out.table_lines(&["AGENT", "INSTANCE", "STATE"], shown),
        };
        // The header may be bold, so it is not cut; it is the shortest line.
        lines.iter_mut().skip(1).for_each(|line| *line = cut(line, columns));
        if !rest.is_empty() {
            lines.push(format!("and {} more", rest.len()));
        }
        self.table.set_message(lines.join("\n"));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bars.iter().chain([&self.table]).for_each(ProgressBar::abandon);
    }
}

/// How far it is, and what is in its way.
fn words(found: &v1::Rotation) -> String {
    let phase = rotation::phase(found);
    match found.trouble.as_str() {
        "" => phase,
        trouble => format!("{phase}; {trouble}"),
    }
}

/// Who is waited for, and then who is proven.
fn rows<'r>(found: impl Iterator<Item = &'r v1::Rotation> + Clone) -> Vec<Vec<String>> {
    let waits = found.clone().flat_map(|it| &it.waits).map(|it| {
        let until = it.until_time.as_ref();
        let until = until.map(|at| format!(", until {} at most", time::moment(Some(at))));
        let what = format!("{}{}", it.what, until.unwrap_or_default());
        row(&it.agent, &it.instance, &format!("⏳ {what}"))
    });
    let proofs = found
        .flat_map(|it| &it.proofs)
        .map(|it| row(&it.agent, &it.instance, &format!("✅ v{} {}", it.version, it.evidence)));
    waits.chain(proofs).collect()
}

fn row(agent: &str, instance: &str, state: &str) -> Vec<String> {
    let agent = if agent.is_empty() { "-" } else { agent };
    vec![agent.to_owned(), instance.chars().take(INSTANCE_CHARS).collect(), state.to_owned()]
}

fn cut(line: &str, columns: usize) -> String {
    // A sign takes two columns, and a line that is full may begin another.
    line.chars().take(columns.saturating_sub(2)).collect()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

const BAR: &str = "{prefix} {bar:24} {pos}/{len} {msg}";
/// What a bar takes besides its prefix and its message: bar, blanks and counts.
const BAR_COLUMNS: usize = 24 + 3 + 2 * 5 + 1;
const TABLE: &str = "{msg}";
/// Lines that are no row: the table's header, how many are left out, and the cursor's.
const LINES_BESIDE: usize = 3;
/// As many as tell instances apart.
const INSTANCE_CHARS: usize = 8;
