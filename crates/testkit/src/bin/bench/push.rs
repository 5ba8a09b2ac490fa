//! A new value, from just before it is put until the last client has it. Broker and limit take
//! turns round by round, so that whatever else the machine does falls on all of them.

use crate::{
    clock::now_micros,
    fleet::{Fleet, Sinks},
    servers::{Server, Shape},
    table::{Figure, Table, Target, median},
    usage::{cpu_micros, quiet, resident_bytes},
};
use anyhow::{Context, Result};
use bytes::Bytes;

/// A server in a run.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) server: Server,
}

/// What one server showed with N clients.
#[derive(Default)]
struct Course {
    delivered: Vec<Round>,
    applied: Vec<Round>,
    /// Processor time of all rounds that only delivered, in microseconds.
    cpu: u64,
    bytes_before: u64,
    bytes_after: u64,
}

/// One value, in milliseconds.
struct Round {
    put_p50: f64,
    put_p99: f64,
    put_last: f64,
    commit_p50: f64,
    commit_p99: f64,
    commit_last: f64,
}

/// Measures all servers with this many clients.
pub(crate) async fn measure(
    contestants: &mut [Contestant],
    shape: Shape,
    count: usize,
    rounds: usize,
) -> Result<Table> {
    // Many clients of each server at once would need more descriptors than a process has.
    let together = if count > TOGETHER_MAX { 1 } else { contestants.len() };
    let mut courses = Vec::new();
    for group in contestants.chunks_mut(together) {
        courses.extend(measure_group(group, shape, count, rounds).await?);
    }
    Ok(table(shape, count, rounds, contestants, &courses))
}

/// Measures servers that take turns.
async fn measure_group(
    contestants: &mut [Contestant],
    shape: Shape,
    count: usize,
    rounds: usize,
) -> Result<Vec<Course>> {
    let sinks = Sinks::open(count)?;
    let mut fleets = Vec::new();
    let mut courses = Vec::new();
    for contestant in contestants.iter_mut() {
        let name = contestant.name;
        let server = &mut contestant.server;
        // Enrolled first: what that leaves behind is not the streams'.
        drop(server.lines(shape, count).await.with_context(|| format!("enrolling at {name}"))?);
        server.restart().await.with_context(|| format!("restarting {name}"))?;
        quiet(server.pid()?).await?;
        let bytes_before = resident_bytes(server.pid()?)?;
        let lines = server.lines(shape, count).await?;
        let fleet = Fleet::open(lines, &sinks).await;
        fleets.push(fleet.with_context(|| format!("connecting to {name}"))?.0);
        courses.push(Course { bytes_before, ..Course::default() });
    }
    for applying in [false, true] {
        sinks.apply(applying);
        for round in 0..WARM_UP_ROUNDS + rounds {
            for (index, contestant) in contestants.iter_mut().enumerate() {
                let (fleet, server) = (&mut fleets[index], &mut contestant.server);
                let pid = server.pid()?;
                let before = cpu_micros(pid)?;
                let measured = push(server, fleet, shape).await;
                let measured =
                    measured.with_context(|| format!("a push by {}", contestant.name))?;
                let used = quiet(pid).await?.saturating_sub(before);
                sinks.prune();
                if round >= WARM_UP_ROUNDS {
                    courses[index].add(applying, measured, used);
                }
            }
        }
    }
    for (course, contestant) in courses.iter_mut().zip(contestants.iter()) {
        course.bytes_after = resident_bytes(contestant.server.pid()?)?;
    }
    Ok(courses)
}

async fn push(server: &mut Server, fleet: &mut Fleet, shape: Shape) -> Result<Round> {
    let value = fresh_value();
    let sent = now_micros();
    let committed = server.publish(shape, value.clone()).await?;
    let arrived = fleet.collect(Some(&value)).await?;
    let after = |start: i64, part: f64| millis(start, quantile(&arrived, part));
    Ok(Round {
        put_p50: after(sent, 0.5),
        put_p99: after(sent, 0.99),
        put_last: after(sent, 1.0),
        commit_p50: after(committed, 0.5),
        commit_p99: after(committed, 0.99),
        commit_last: after(committed, 1.0),
    })
}

/// No value comes twice, so one that is late or of another round is found.
pub(crate) fn fresh_value() -> Bytes {
    (0..VALUE_BYTES).map(|_| fastrand::u8(..)).collect()
}

/// The smallest time that this part of all is not above (nearest rank).
pub(crate) fn quantile(ascending: &[i64], part: f64) -> i64 {
    let rank = (ascending.len() as f64 * part).ceil() as usize;
    ascending[rank.clamp(1, ascending.len()) - 1]
}

pub(crate) fn millis(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1000.0
}

impl Course {
    fn add(&mut self, applying: bool, round: Round, cpu: u64) {
        if applying {
            self.applied.push(round);
        } else {
            self.delivered.push(round);
            self.cpu += cpu;
        }
    }
}

impl Course {
    /// Processor time of the server for one delivery: everything that it did for a push until it
    /// was quiet again, results of the clients included.
    fn micros_each(&self, count: usize) -> f64 {
        let each = self.cpu as f64 / (self.delivered.len() * count) as f64;
        if count >= MANY { each } else { f64::NAN }
    }

    fn kilobytes_each(&self, count: usize) -> f64 {
        let bytes = self.bytes_after.saturating_sub(self.bytes_before);
        if count >= MANY { bytes as f64 / 1024.0 / count as f64 } else { f64::NAN }
    }
}

/// One row of the table: of each course, one number.
type Row = (&'static str, &'static str, Option<f64>, fn(&Course, usize) -> f64);

fn table(
    shape: Shape,
    count: usize,
    rounds: usize,
    contestants: &[Contestant],
    courses: &[Course],
) -> Table {
    let who = match shape {
        Shape::Instances => format!("{count} sidecars of one agent"),
        Shape::Agents => format!("{count} agents bound to one secret"),
    };
    let turns = if count > TOGETHER_MAX { ", one server after the other" } else { "" };
    let mut table = Table::new(format!(
        "push of {VALUE_BYTES} bytes to {who}, medians of {rounds} rounds{turns}"
    ));
    let large = |target: f64| (count >= LARGE).then_some(target);
    let last = if count >= VERY_LARGE { 1.3 } else { 1.25 };
    let rows: [Row; 13] = [
        ("put → delivered, last", "ms", large(last), |it, _| of(&it.delivered, |r| r.put_last)),
        ("put → delivered, p99", "ms", large(1.4), |it, _| of(&it.delivered, |r| r.put_p99)),
        ("put → delivered, p50", "ms", None, |it, _| of(&it.delivered, |r| r.put_p50)),
        ("commit → delivered, last", "ms", None, |it, _| of(&it.delivered, |r| r.commit_last)),
        ("commit → delivered, p99", "ms", None, |it, _| of(&it.delivered, |r| r.commit_p99)),
        ("commit → delivered, p50", "ms", None, |it, _| of(&it.delivered, |r| r.commit_p50)),
        ("put → applied, last", "ms", None, |it, _| of(&it.applied, |r| r.put_last)),
        ("commit → applied, last", "ms", None, |it, _| of(&it.applied, |r| r.commit_last)),
        ("commit → applied, p99", "ms", None, |it, _| of(&it.applied, |r| r.commit_p99)),
        ("commit → applied, p50", "ms", None, |it, _| of(&it.applied, |r| r.commit_p50)),
        ("server CPU per delivery", "µs", large(1.25), Course::micros_each),
        ("resident per stream", "KB", large(1.25), Course::kilobytes_each),
        ("resident in all", "MB", None, |it, _| it.bytes_after as f64 / MEGABYTE),
    ];
    for (what, unit, target, number) in rows {
        let figures = contestants.iter().zip(courses);
        let figures = figures.map(|(it, course)| Figure::new(it.name, number(course, count)));
        table.add(what, unit, figures.collect(), target.map(Target::RatioMax));
    }
    table
}

fn of(rounds: &[Round], number: impl Fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(number).collect())
}

pub(crate) const MEGABYTE: f64 = 1024.0 * 1024.0;
const VALUE_BYTES: usize = 256;
/// Rounds before those that count.
const WARM_UP_ROUNDS: usize = 3;
/// Below it, what the server does by itself outweighs what it does for the clients.
const MANY: usize = 50;
/// Clients of each server while all servers take turns.
const TOGETHER_MAX: usize = 2000;
/// From here on there are targets.
const LARGE: usize = 1000;
const VERY_LARGE: usize = 5000;
