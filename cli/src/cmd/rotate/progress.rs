//! Rotations as they go on: a bar and a table on a terminal, a line for each change in a pipe; and
//! the receipts of those that are finished.

mod live;

use crate::{
    connect::{Session, ask, ask_twice_status},
    failure::{Exit, Failure},
    print::{Printer, plain, rotation, time},
};
use live::Live;
use secretref_proto::v1::{
    self, RotationPhase, rotations_service_client::RotationsServiceClient as Client,
};
use std::{pin::pin, time::Duration};
use tonic::{Code, transport::Channel};

/// A rotation that is looked at.
struct Followed {
    rotation: v1::Rotation,
    /// What was told of it last.
    told: Option<String>,
    /// The receipt, once it is finished.
    receipt: String,
}

/// Looks until all of them are over.
pub(super) async fn follow(
    begun: Vec<v1::Rotation>,
    session: &Session<'_>,
) -> Result<Exit, Failure> {
    let out = session.out;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let of = |rotation| Followed { rotation, told: None, receipt: String::new() };
    let mut followed: Vec<Followed> = begun.into_iter().map(of).collect();
    let mut live = Live::on(out, followed.len());
    let mut eye = Eye { session, client: session.rotations().await? };
    loop {
        for one in &mut followed {
            if one.told.is_some() && is_over(&one.rotation) {
                continue;
            }
            tokio::select! {
                _ = &mut interrupted => return Ok(interrupted_by_people(session)),
                looked = eye.look(one) => looked?,
            }
            one.tell(out, live.is_some())?;
        }
        if let Some(live) = &mut live {
            live.show(followed.iter().map(|it| &it.rotation));
        }
        if followed.iter().all(|it| is_over(&it.rotation)) {
            break;
        }
        tokio::select! {
            _ = &mut interrupted => return Ok(interrupted_by_people(session)),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    // The cursor is below the table from here on.
    drop(live);
    over(&followed, out)
}

/// The receipts of those that are finished, and why the others are not.
fn over(followed: &[Followed], out: Printer) -> Result<Exit, Failure> {
    if !out.json {
        followed.iter().try_for_each(|it| out.bytes(it.receipt.as_bytes()))?;
    }
    let mut failed = followed.iter().filter(|it| !is_finished(&it.rotation)).peekable();
    if failed.peek().is_none() {
        return Ok(Exit::Done);
    }
    for v1::Rotation { secret_ref, reason, .. } in failed.map(|it| &it.rotation) {
        let what = format!("{secret_ref} was not rotated: {reason}");
        let fix = format!("see to it, and then secretref rotate {secret_ref}");
        out.failure(&Failure::new(Exit::Refused, what, fix));
    }
    Err(Failure::told(Exit::Refused))
}

fn interrupted_by_people(session: &Session<'_>) -> Exit {
    session.out.note("it goes on all the same: secretref rotate status, or rotate abort");
    Exit::Interrupted
}

/// Who looks, over one connection as long as there is one.
struct Eye<'s, 'a> {
    session: &'s Session<'a>,
    client: Client<Channel>,
}

impl Eye<'_, '_> {
    /// Looks how far one is, and where it is finished, at its receipt. A broker that is away
    /// meanwhile is waited for, as long as `--wait` says.
    async fn look(&mut self, one: &mut Followed) -> Result<(), Failure> {
        let uid = one.rotation.uid.clone();
        let request = v1::GetRotationRequest { uid: uid.clone(), ..Default::default() };
        let asked = ask_twice_status(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.get_rotation(request).await }
        });
        let found = match asked.await {
            Err(status) if status.code() == Code::Unavailable => {
                self.client = self.session.rotations().await?;
                ask(self.client.get_rotation(request)).await?
            }
            other => other?,
        };
        one.rotation = found.rotation.ok_or_else(|| crate::cmd::incomplete("rotation"))?;
        if is_finished(&one.rotation) {
            let request = v1::GetReceiptRequest { uid, ..Default::default() };
            one.receipt = ask(self.client.get_receipt(request)).await?.receipt;
        }
        Ok(())
    }
}

impl Followed {
    /// Tells what has changed, where it is not drawn.
    fn tell(&mut self, out: Printer, drawn: bool) -> Result<(), Failure> {
        let line = line(&self.rotation);
        if !drawn && self.told.as_ref() != Some(&line) {
            match out.json {
                true => out.json(&self.shown())?,
                false => out.line(&format!("{} {line}", time::moment(Some(&time::now()))))?,
            }
        }
        self.told = Some(line);
        Ok(())
    }

    fn shown(&self) -> rotation::Shown<'_> {
        rotation::Shown::from(&self.rotation).with_receipt(&self.receipt)
    }
}

fn is_finished(rotation: &v1::Rotation) -> bool {
    rotation.phase() == RotationPhase::Finished
}

fn is_over(rotation: &v1::Rotation) -> bool {
    let unfinished = matches!(rotation.phase(), RotationPhase::Failed | RotationPhase::Aborted);
    is_finished(rotation) || unfinished
}

/// What is so, in one line: whom it waits for is part of it, so that a change of that is told.
fn line(found: &v1::Rotation) -> String {
    let mut line = format!("{}: {}", found.secret_ref, rotation::phase(found));
    let (proven, all) = counts(found);
    if all > 0 && !is_over(found) {
        line.push_str(&format!(", applied {proven}/{all}"));
    }
    for wait in found.waits.iter().take(WAITS_NAMED_MAX) {
        line.push_str(&format!("; {}", rotation::wait(wait)));
    }
    match found.waits.len().saturating_sub(WAITS_NAMED_MAX) {
        0 => {}
        more => line.push_str(&format!("; and {more} more")),
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

/// How many of those who are waited for a line names; a fleet would fill screens.
const WAITS_NAMED_MAX: usize = 5;
const LOOK_EVERY: Duration = Duration::from_millis(250);
