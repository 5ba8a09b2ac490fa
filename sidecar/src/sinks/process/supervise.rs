//! The one task that has the program: it starts, signals, replaces and stops it, and never has two
//! of it but while one hands over to the next.

mod step;
mod trial;

use super::{
    Ended, Has, Host, Offer, Reaper, Verdict,
    child::Child,
    decide::{Decision, Place, Running, Wants, after, decide},
    gate::millis,
    launch::Launcher,
    pause::Pauses,
    plan::Plan,
    reap::End,
    signals::{self, Signals},
};
use crate::{
    config::{ProgramConfig, Restart},
    status::{self, Status},
};
use rustix::process::Signal;
use secretref_domain::{agent::AgentSettings, clock::Clock};
use std::{ffi::OsString, future::pending, io, path::PathBuf, sync::Arc};
use step::Step;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// Has the program.
pub struct Supervisor {
    config: ProgramConfig,
    /// Programs that a manifest may name.
    allow_exec: Vec<PathBuf>,
    /// What a manifest named and may not.
    not_permitted: Option<String>,
    host: Host,
    clock: Arc<dyn Clock>,
    status: watch::Sender<Status>,
    launcher: Launcher,
    signals: Signals,
    offers: mpsc::Receiver<Offer>,
    has: watch::Sender<Option<Has>>,
    current: Option<Child>,
    /// Whether there is anything to run.
    wanted: bool,
    /// What the running program was started with and told of last.
    running: Option<Running>,
    /// The last plan that it took.
    good: Option<Plan>,
    pauses: Pauses,
    /// When to start it again after it ended by itself.
    again_at: Option<Instant>,
}

enum Event {
    Signal(Signal),
    Ended(End),
    Offer(Option<Offer>),
    Again,
}

impl Supervisor {
    pub(super) fn new(
        (config, allow_exec): (ProgramConfig, Vec<PathBuf>),
        host: Host,
        reaper: Reaper,
        clock: Arc<dyn Clock>,
        status: watch::Sender<Status>,
        signals: Signals,
        (offers, has): (mpsc::Receiver<Offer>, watch::Sender<Option<Has>>),
    ) -> io::Result<Self> {
        let launcher = Launcher::new(host.umask, host.group, reaper)?;
        Ok(Self {
            config,
            allow_exec,
            not_permitted: None,
            host,
            clock,
            status,
            launcher,
            signals,
            offers,
            has,
            current: None,
            wanted: false,
            running: None,
            good: None,
            pauses: Pauses::default(),
            again_at: None,
        })
    }

    /// Runs until the program has ended for good, or nobody is left who makes offers; then it is
    /// stopped.
    pub async fn run(mut self) -> Ended {
        loop {
            let step = match self.event().await {
                Event::Signal(signal) => self.signalled(signal).await,
                Event::Ended(end) => self.ended_by_itself(end),
                Event::Offer(None) => return self.stop_for_good().await,
                Event::Offer(Some(offer)) => self.offered(offer).await,
                Event::Again => self.start_again().await,
            };
            if let Step::Over(ended) = step {
                return ended;
            }
        }
    }

    async fn event(&mut self) -> Event {
        let again_at = self.again_at;
        tokio::select! {
            biased;
            signal = self.signals.next() => Event::Signal(signal),
            end = ended(&mut self.current) => Event::Ended(end),
            offer = self.offers.recv() => Event::Offer(offer),
            () = at(again_at) => Event::Again,
        }
    }

    /// Passes a signal on; one that ends the sidecar ends the program first.
    async fn signalled(&mut self, signal: Signal) -> Step {
        let Some(child) = &mut self.current else {
            return if signals::ends(signal) { Step::Over(Ended::Told) } else { Step::Done };
        };
        child.forward(signal);
        if signals::ends(signal) { Step::Over(self.finish().await) } else { Step::Done }
    }

    /// The program was asked to end: signals reach it until it does.
    async fn finish(&mut self) -> Ended {
        let Some(mut child) = self.current.take() else { return Ended::Told };
        let within = self.stop_timeout();
        let end = {
            let mut finished = std::pin::pin!(tokio::time::sleep(within));
            loop {
                tokio::select! {
                    biased;
                    end = child.ended() => break end,
                    signal = self.signals.next() => child.forward(signal),
                    () = &mut finished => break child.finish(millis(0)).await,
                }
            }
        };
        child.clear();
        self.tell_has(None);
        Ended::Child(end)
    }

    async fn stop_for_good(&mut self) -> Ended {
        if let Some(child) = &self.current {
            child.signal(Signal::TERM);
        }
        self.finish().await
    }

    /// It ended, and no change was going on.
    fn ended_by_itself(&mut self, end: End) -> Step {
        let lived = self.current.take().map(|child| {
            child.clear();
            child.started.elapsed()
        });
        self.running = None;
        self.tell_has(None);
        let again = match self.config.restart {
            Restart::No => false,
            Restart::OnFailure => end != End::Code(0),
            Restart::Always => true,
        };
        if !again {
            return Step::Over(Ended::Child(end));
        }
        let pause = self.pauses.next(lived.unwrap_or_default(), fastrand::f64());
        tracing::warn!(%end, ?pause, "the program ended; it is started again after a pause");
        self.again_at = Some(Instant::now() + pause);
        Step::Done
    }

    /// Starts it again with what it had: that passed already.
    async fn start_again(&mut self) -> Step {
        self.again_at = None;
        let Some(plan) = self.good.clone() else { return Step::Done };
        match self.replace(plan, false).await {
            Ok(()) => Step::Done,
            Err(trial::Failed::Refused(ended)) => {
                let why = trial::why(&ended);
                let pause = self.pauses.next(millis(0), fastrand::f64());
                tracing::error!(%why, ?pause, "the program was not started again");
                self.again_at = Some(Instant::now() + pause);
                Step::Done
            }
            Err(trial::Failed::Interrupted(step)) => step,
        }
    }

    /// Takes offers until one is through: a newer one goes before one that is on trial.
    async fn offered(&mut self, offer: Offer) -> Step {
        let mut next = offer;
        loop {
            match self.take(next).await {
                Step::Newer(newer) => next = *newer,
                step => return step,
            }
        }
    }

    async fn take(&mut self, offer: Offer) -> Step {
        let Offer { snapshot, missing, trial, reply } = offer;
        let command = self.command(snapshot.settings());
        self.wanted = !command.is_empty() || self.config.is_started();
        let came = !snapshot.epoch().is_empty();
        if command.is_empty() && came && self.config.agent_command {
            return Step::Over(Ended::NoCommand);
        }
        let plan = Plan::new(&snapshot, &missing, &self.config.choice, command);
        if came && self.good.is_none() && !plan.lacking.is_empty() && self.fails_fast() {
            return Step::Over(Ended::Unresolved(plan.lacking));
        }
        let decision = decide(self.running.as_ref(), &plan.wants, plan.ready);
        let outcome = match &decision {
            _ if plan.wants.command.is_empty() => self.withdraw().await,
            Decision::Nothing => Ok(()),
            Decision::Wait | Decision::Stop => self.withdraw().await,
            Decision::Signal(names) => self.tell_program(&plan, names, trial).await,
            Decision::Start | Decision::Replace => self.replace(plan.clone(), trial).await,
        };
        match outcome {
            Ok(()) => {
                let running = self.running.take().filter(|_| self.current.is_some());
                self.running = after(running, &plan.wants, plan.ready, &decision)
                    .filter(|_| self.current.is_some());
                self.renumber(&plan);
                self.good = plan.ready.then_some(plan);
                // Who asked may have something newer by now.
                drop(reply.send(Verdict::Taken));
                Step::Done
            }
            Err(trial::Failed::Interrupted(step)) => step,
            Err(trial::Failed::Refused(ended)) => {
                let why = trial::why(&ended);
                // With a set that passed before it can be put back on, and is.
                let put_back = (trial && self.good.is_some()) || self.current.is_some();
                if self.fails_fast() && !put_back {
                    drop(reply.send(Verdict::Refused(why)));
                    return Step::Over(ended);
                }
                refuse(reply, why)
            }
        }
    }

    /// What is run; nothing where only the agent's manifest names it and it is not permitted here.
    fn command(&mut self, settings: &AgentSettings) -> Vec<OsString> {
        if !self.config.command.is_empty() {
            return self.config.command.clone();
        }
        let Some(program) = settings.command.first() else { return Vec::new() };
        let permitted = self.config.agent_command
            || self.allow_exec.iter().any(|it| it.as_os_str() == program.as_str());
        if permitted {
            return settings.command.iter().map(OsString::from).collect();
        }
        if self.not_permitted.as_ref() != Some(program) {
            tracing::error!(
                "the agent's command {program:?} may not be run here, and is not. \
                 Fix: start the sidecar with --allow-exec {program}, or with -- CMD"
            );
            self.not_permitted = Some(program.clone());
        }
        Vec::new()
    }

    /// Whether the sidecar is there for the sake of the program alone.
    fn fails_fast(&self) -> bool {
        self.config.is_started() && self.config.restart == Restart::No
    }

    /// Stops it until there is something that it can be started with.
    async fn withdraw(&mut self) -> Result<(), trial::Failed> {
        self.again_at = None;
        if let Some(child) = self.current.take() {
            tracing::warn!("the program has what it may no longer have; it is stopped");
            child.stop(self.stop_timeout()).await;
        }
        self.running = None;
        self.tell_has(None);
        Ok(())
    }

    /// A version that brings the same bytes is there already.
    fn renumber(&self, plan: &Plan) {
        self.has.send_if_modified(|has| {
            let (Some(has), Some(running)) = (has, &self.running) else { return false };
            let before = has.clone();
            for (name, there) in &mut has.variables {
                let place = Place::Variable(name.clone());
                let value = |wants: &Wants| wants.places.get(&place).map(|want| want.fingerprint);
                let wanted = plan.variables.get(name);
                if let Some(wanted) =
                    wanted.filter(|_| value(&running.started) == value(&plan.wants))
                {
                    *there = (wanted.secret.clone(), wanted.version);
                }
            }
            *has != before
        });
    }

    fn tell_has(&self, has: Option<Has>) {
        let program = match (has.is_some(), self.wanted) {
            (true, _) => status::Program::Running,
            (false, true) => status::Program::Stopped,
            (false, false) => status::Program::None,
        };
        self.has.send_replace(has);
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.program, program) != program);
    }

    fn stop_timeout(&self) -> std::time::Duration {
        let settings = self.good.as_ref().map(|plan| plan.settings.process.stop_timeout_ms);
        millis(settings.unwrap_or(AgentSettings::default().process.stop_timeout_ms))
    }
}

fn refuse(reply: tokio::sync::oneshot::Sender<Verdict>, why: String) -> Step {
    drop(reply.send(Verdict::Refused(why)));
    Step::Done
}

async fn ended(current: &mut Option<Child>) -> End {
    match current {
        Some(child) => child.ended().await,
        None => pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
