//! Rotations as they go on: a bar and a table on a terminal, a line for each change in a pipe.

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{Printer, plain, rotation, time},
};
use secretref_proto::v1::{self, RotationPhase};
use std::{pin::pin, time::Duration};

/// Looks until all of them are over.
pub(super) async fn follow(
    begun: Vec<v1::Rotation>,
    session: &Session<'_>,
) -> Result<Exit, Failure> {
    let out = session.out;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut shown: Vec<Option<String>> = vec![None; begun.len()];
    let mut found = begun;
    let mut drawn = 0;
    loop {
        for (rotation, shown) in found.iter_mut().zip(&mut shown) {
            if shown.is_some() && is_over(rotation) {
                continue;
            }
            *rotation = tokio::select! {
                _ = &mut interrupted => return Ok(Exit::Interrupted),
                found = look(session, rotation.uid.clone()) => found?,
            };
            let line = line(rotation);
            if shown.as_ref() != Some(&line) && !out.terminal {
                tell(out, rotation, &line)?;
            }
            *shown = Some(line);
        }
        if out.terminal && !out.json {
            drawn = draw(out, &found, drawn)?;
        }
        if found.iter().all(is_over) {
            break;
        }
        tokio::select! {
            _ = &mut interrupted => return Ok(Exit::Interrupted),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    let finished = |it: &v1::Rotation| it.phase() == RotationPhase::Finished;
    if found.iter().all(finished) {
        return Ok(Exit::Done);
    }
    for failed in found.iter().filter(|it| !finished(it)) {
        let what = format!("{} was not rotated: {}", failed.secret_ref, failed.reason);
        let fix = format!("see to it, and then secretref rotate {}", failed.secret_ref);
        out.failure(&Failure::new(Exit::Refused, what, fix));
    }
    Err(Failure::told(Exit::Refused))
}

async fn look(session: &Session<'_>, uid: String) -> Result<v1::Rotation, Failure> {
    let request = v1::GetRotationRequest { uid, ..v1::GetRotationRequest::default() };
    let client = session.rotations().await?;
    let answer = ask_twice(|| {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.get_rotation(request).await }
    })
    .await?;
    answer.rotation.ok_or_else(|| crate::cmd::incomplete("rotation"))
}

fn is_over(rotation: &v1::Rotation) -> bool {
    matches!(
        rotation.phase(),
        RotationPhase::Finished | RotationPhase::Failed | RotationPhase::Aborted
    )
}

fn tell(out: Printer, found: &v1::Rotation, line: &str) -> Result<(), Failure> {
    match out.json {
        true => out.json(&rotation::Shown::from(found)),
        false => out.line(&format!("{} {line}", time::moment(Some(&time::now())))),
    }
}

/// What is so, in one line: what it waits for is part of it, so that a change of that is told.
fn line(found: &v1::Rotation) -> String {
    let mut line = format!("{}: {}", found.secret_ref, rotation::phase(found));
    let (proven, all) = counts(found);
    if all > 0 && !is_over(found) {
        line.push_str(&format!(", applied {proven}/{all}"));
    }
    for wait in &found.waits {
        line.push_str(&format!("; {}", rotation::wait(wait)));
    }
    if !found.trouble.is_empty() {
        line.push_str(&format!("; {}", found.trouble));
    }
    plain(&line)
}

/// How many instances are proven, of how many.
fn counts(found: &v1::Rotation) -> (usize, usize) {
    let waiting = found.waits.iter().filter(|wait| !wait.instance.is_empty()).count();
    (found.proofs.len(), found.proofs.len() + waiting)
}

/// Draws over the lines that were drawn before; says how many there are now.
fn draw(out: Printer, found: &[v1::Rotation], before: usize) -> Result<usize, Failure> {
    let (rows, columns) = out.size();
    let mut lines = Vec::new();
    for rotation in found {
        let (proven, all) = counts(rotation);
        let full = (proven * BAR).checked_div(all).unwrap_or(0);
        let full = if rotation.phase() == RotationPhase::Finished { BAR } else { full };
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
        lines.push(format!("{bar} {}", line(rotation)));
        for wait in rotation.waits.iter().filter(|wait| !wait.agent.is_empty()) {
            lines.push(format!("  ⏳ {}", rotation::wait(wait)));
        }
        for proof in &rotation.proofs {
            let (agent, evidence) = (&proof.agent, &proof.evidence);
            lines.push(format!("  ✅ {agent}: v{} {evidence}", proof.version));
        }
    }
    lines.truncate(rows.saturating_sub(1));
    let cut = |line: &String| line.chars().take(columns).collect::<String>();
    let drawn: String = lines.iter().map(|line| format!("{}\x1b[K\n", cut(line))).collect();
    let up = if before > 0 { format!("\x1b[{before}A") } else { String::new() };
    out.bytes(format!("{up}{drawn}\x1b[J").as_bytes())?;
    Ok(lines.len())
}

/// Characters of a bar.
const BAR: usize = 24;
const LOOK_EVERY: Duration = Duration::from_millis(250);
