//! A server that is started again under all its clients: from the moment at which it takes
//! connections until the last of them has its stream and its value.
//!
//! Clients come as fast as the server takes them, some at a time, as many for the limit as for the
//! broker. Real sidecars come spread out over a second or more, which is in neither figure.

use crate::{
    clock::now_micros,
    fleet::{Fleet, Sinks},
    push::{Contestant, millis, quantile},
    servers::Shape,
    table::{Figure, Table, Target, median},
};
use anyhow::{Context, Result};

/// What one server showed, in milliseconds, a number for each round.
#[derive(Default)]
struct Course {
    start: Vec<f64>,
    half: Vec<f64>,
    last: Vec<f64>,
}

/// Measures all servers with this many clients.
pub(crate) async fn measure(
    contestants: &mut [Contestant],
    count: usize,
    rounds: usize,
) -> Result<Table> {
    let (sinks, shape) = (Sinks::open(count)?, Shape::Instances);
    let mut courses = Vec::new();
    for contestant in contestants.iter_mut() {
        let (name, server) = (contestant.name, &mut contestant.server);
        let lines =
            server.lines(shape, count).await.with_context(|| format!("enrolling at {name}"))?;
        let (mut fleet, _) = Fleet::open(lines, &sinks).await?;
        let mut course = Course::default();
        for round in 0..rounds {
            let began = now_micros();
            server.restart().await.with_context(|| format!("restarting {name}"))?;
            let ready = now_micros();
            drop(fleet);
            let lines = server.lines(shape, count).await?;
            let opened = Fleet::open(lines, &sinks).await;
            let (again, times) = opened.with_context(|| format!("{name}, round {round}"))?;
            fleet = again;
            course.start.push(millis(began, ready));
            course.half.push(millis(ready, quantile(&times, 0.5)));
            course.last.push(millis(ready, quantile(&times, 1.0)));
        }
        courses.push(course);
    }
    let mut table = Table::new(format!(
        "a server is started again under {count} sidecars of one agent, medians of {rounds} rounds"
    ));
    type Row = (&'static str, Option<Target>, fn(&Course) -> &Vec<f64>);
    let rows: [Row; 3] = [
        ("ready → stream and value, last", Some(Target::RatioMax(1.6)), |it| &it.last),
        ("ready → stream and value, p50", None, |it| &it.half),
        ("stop and start → ready", None, |it| &it.start),
    ];
    for (what, target, of) in rows {
        let figures = contestants.iter().zip(&courses);
        let figures = figures.map(|(it, course)| Figure::new(it.name, median(of(course).clone())));
        table.add(what, "ms", figures.collect(), target);
    }
    Ok(table)
}
