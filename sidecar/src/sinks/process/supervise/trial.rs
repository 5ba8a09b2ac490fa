//! Putting a program on a set, and seeing whether it does with it.

use super::{Step, Supervisor};
use crate::sinks::process::{
    Ended, Has, child::Child, decide::Running, environment::Environment, gate, plan::Plan,
    reap::End, signals,
};
use rustix::process::Signal;
use secretref_domain::agent::GateSpec;
use std::{collections::BTreeSet, time::Duration};

/// Why a set was not taken.
pub(super) enum Failed {
    /// The program does not do with it.
    Refused(Ended),
    /// Something else went before.
    Interrupted(Step),
}

/// Why a gate was not passed.
enum Fall {
    Refused(String),
    Died(End),
    Interrupted(Step),
    /// The sidecar is to end, and the program with it.
    Asked,
}

/// What went wrong, for people.
pub(super) fn why(ended: &Ended) -> String {
    match ended {
        Ended::NotStarted(error) => error.to_string(),
        Ended::Gate(why) => why.clone(),
        Ended::Child(end) => format!("before it had passed its gate: {end}"),
        Ended::Unresolved(lines) => lines.join("; "),
        Ended::Told | Ended::NoCommand => "it was not started".to_owned(),
    }
}

impl Supervisor {
    /// Starts the program with a plan in the place of the one that runs. Where they overlap, the
    /// new one passes its gate first, and the old one goes on where it does not.
    pub(super) async fn replace(&mut self, plan: Plan, trial: bool) -> Result<(), Failed> {
        self.again_at = None;
        let within = gate::millis(plan.settings.process.stop_timeout_ms);
        let mut old = self.current.take();
        if !plan.settings.process.hand_over
            && let Some(old) = old.take()
        {
            self.tell_has(None);
            self.running = None;
            old.stop(within).await;
        }
        let credentials = plan.variables.iter().map(|(name, held)| (name, &held.value));
        let own = &self.host.variables;
        let environment = Environment::new(own, &plan.wants.inherit, credentials);
        let mut child = match self.launcher.start(&plan.wants.command, &environment).await {
            Ok(child) => child,
            Err(error) => {
                self.current = old;
                return Err(Failed::Refused(Ended::NotStarted(error)));
            }
        };
        tracing::info!(pid = child.pid(), "the program runs");
        let gate = plan.settings.process.gate.clone().filter(|_| trial);
        if let Some(gate) = &gate {
            let passed = self.pass(gate, &mut child, old.as_ref(), &environment).await;
            if let Err(fall) = passed {
                return Err(self.fell(fall, child, old, within).await);
            }
        }
        if let Some(old) = old {
            old.stop(within).await;
        }
        self.current = Some(child);
        let told = plan.wants.clone();
        self.running = Some(Running { started: told.clone(), told });
        let held = plan.variables.iter();
        let has = Has {
            variables: held
                .map(|(name, held)| (name.clone(), (held.secret.clone(), held.version)))
                .collect(),
            since: self.clock.now(),
            gated: gate.is_some(),
        };
        self.tell_has(Some(has));
        self.good = Some(plan);
        Ok(())
    }

    /// Sends signals to the program; it has to pass its gate with what it reads then.
    pub(super) async fn tell_program(
        &mut self,
        plan: &Plan,
        names: &BTreeSet<String>,
        trial: bool,
    ) -> Result<(), Failed> {
        let Some(mut child) = self.current.take() else { return Ok(()) };
        for name in names {
            tracing::info!(pid = child.pid(), signal = %name, "the program is told of new values");
            signals::named(name).into_iter().for_each(|signal| child.signal(signal));
        }
        let within = gate::millis(plan.settings.process.stop_timeout_ms);
        let gate = plan.settings.process.gate.clone().filter(|_| trial);
        if let Some(gate) = &gate {
            // What it was started with is what its checks may use.
            let good = self.good.clone().unwrap_or_default();
            let credentials = good.variables.iter().map(|(name, held)| (name, &held.value));
            let own = &self.host.variables;
            let environment = Environment::new(own, &plan.wants.inherit, credentials);
            if let Err(fall) = self.pass(gate, &mut child, None, &environment).await {
                self.running = None;
                return Err(self.fell(fall, child, None, within).await);
            }
        }
        self.has.send_if_modified(|has| {
            let passed = gate.is_some();
            has.as_mut().is_some_and(|has| std::mem::replace(&mut has.gated, passed) != passed)
        });
        self.current = Some(child);
        Ok(())
    }

    /// Waits until the program has passed, or something goes before. Signals reach it, and the one
    /// that it may take the place of, all the while.
    async fn pass(
        &mut self,
        gate: &GateSpec,
        child: &mut Child,
        old: Option<&Child>,
        environment: &Environment,
    ) -> Result<(), Fall> {
        let Self { launcher, signals, offers, allow_exec, .. } = self;
        let mut passed = std::pin::pin!(gate::pass(gate, launcher, environment, allow_exec));
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => {
                    child.forward(signal);
                    old.iter().for_each(|old| old.forward(signal));
                    if signals::ends(signal) {
                        return Err(Fall::Asked);
                    }
                }
                end = child.ended() => return Err(Fall::Died(end)),
                offer = offers.recv() => return match offer {
                    Some(offer) => Err(Fall::Interrupted(Step::Newer(Box::new(offer)))),
                    None => {
                        child.signal(Signal::TERM);
                        old.iter().for_each(|old| old.signal(Signal::TERM));
                        Err(Fall::Asked)
                    }
                },
                outcome = &mut passed => return outcome.map_err(Fall::Refused),
            }
        }
    }

    /// Ends the new program, and leaves the old one where it was.
    async fn fell(
        &mut self,
        fall: Fall,
        mut child: Child,
        old: Option<Child>,
        within: Duration,
    ) -> Failed {
        if old.is_none() {
            self.tell_has(None);
        }
        let ended = match fall {
            Fall::Died(end) => {
                child.clear();
                Ended::Child(end)
            }
            Fall::Asked => {
                let end = child.finish(within).await;
                let end = match old {
                    Some(mut old) => old.finish(within).await,
                    None => end,
                };
                self.tell_has(None);
                return Failed::Interrupted(Step::Over(Ended::Child(end)));
            }
            Fall::Refused(why) => {
                child.stop(within).await;
                Ended::Gate(why)
            }
            Fall::Interrupted(step) => {
                child.stop(within).await;
                self.current = old;
                return Failed::Interrupted(step);
            }
        };
        self.current = old;
        Failed::Refused(ended)
    }
}
