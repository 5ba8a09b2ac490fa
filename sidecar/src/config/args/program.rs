//! Options of the program that `run` runs.

use super::{HELP_FIX, Word, next, path, text, usage};
use crate::config::{
    Choice, Command, ExecChildConfig, Overlap, ProgramConfig, Restart, ScheduleConfig, UsageError,
};
use jiff::tz::TimeZone;
use secretref_domain::{
    agent::OnRotate,
    name::{EnvVar, NameError, SecretName},
    schedule::{Schedule, is_zone_name},
};
use std::{ffi::OsString, path::PathBuf};

/// Options as they were given.
#[derive(Default)]
pub(super) struct GivenProgram {
    agent_command: bool,
    allow_exec: Vec<PathBuf>,
    only_env: Vec<EnvVar>,
    refs: Vec<SecretName>,
    names: Vec<EnvVar>,
    on_rotate: Option<OnRotate>,
    restart: Option<Restart>,
    schedule: Option<Schedule>,
    zone: Option<(TimeZone, String)>,
    overlap: Option<Overlap>,
}

impl GivenProgram {
    /// Takes an option; says whether it is one of these.
    pub(super) fn option(
        &mut self,
        parser: &mut lexopt::Parser,
        name: &str,
    ) -> Result<bool, UsageError> {
        match name {
            "agent-command" => self.agent_command = true,
            "allow-exec" => {
                let program = path(parser, name)?;
                if !program.is_absolute() {
                    let what = format!("--allow-exec {} is not absolute", program.display());
                    return Err(usage(what, "give the program's whole path"));
                }
                self.allow_exec.push(program);
            }
            "only-env" => self.only_env = list(parser, name, EnvVar::parse)?,
            "secrets-ref" => self.refs = list(parser, name, SecretName::parse)?,
            "env" => self.names.extend(list(parser, name, EnvVar::parse)?),
            "on-rotate" => self.on_rotate = Some(on_rotate(&text(parser, name)?)?),
            "schedule" => self.schedule = Some(schedule(&text(parser, name)?)?),
            "schedule-timezone" => self.zone = Some(zone(&text(parser, name)?)?),
            "schedule-overlap" => self.overlap = Some(overlap(&text(parser, name)?)?),
            "restart" => self.restart = Some(restart(&text(parser, name)?)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What comes of them, with the words of the program; and the programs that a manifest may
    /// name.
    pub(super) fn finish(
        mut self,
        words: Option<Vec<OsString>>,
    ) -> Result<(ProgramConfig, Vec<PathBuf>), UsageError> {
        let command = words.unwrap_or_default();
        if self.agent_command && !command.is_empty() {
            let what = "--agent-command and a program of your own are one too many";
            return Err(usage(what, "leave one of the two out"));
        }
        let chooses = !self.only_env.is_empty() || !self.refs.is_empty() || !self.names.is_empty();
        let schedule = self.schedule()?;
        let runs = self.restart.is_some() || schedule.is_some();
        let asks = chooses || self.on_rotate.is_some() || runs;
        let started = self.agent_command || !command.is_empty();
        let none = !started && (self.allow_exec.is_empty() || schedule.is_some());
        if asks && none {
            let what = "--only-env, --secrets-ref, --env, --on-rotate, --restart and --schedule \
                        are of a program, and none is started";
            return Err(usage(what, "end the line with -- PROGRAM ARGUMENTS"));
        }
        if self.names.len() > self.refs.len() {
            let what = "there are more --env than --secrets-ref names";
            return Err(usage(what, "the nth --env is the variable of the nth ref"));
        }
        let mut names = self.names.into_iter();
        let refs = self.refs.into_iter().map(|name| (name, names.next())).collect();
        let only_env = (!self.only_env.is_empty()).then(|| self.only_env.into_iter().collect());
        let choice = Choice { only_env, refs, on_rotate: self.on_rotate };
        let restart = self.restart.unwrap_or_default();
        let agent_command = self.agent_command;
        let program = ProgramConfig { command, agent_command, choice, restart, schedule };
        Ok((program, self.allow_exec))
    }

    /// When it is run, by all that was said of that.
    fn schedule(&mut self) -> Result<Option<ScheduleConfig>, UsageError> {
        let (zone, overlap) = (self.zone.take(), self.overlap.take());
        let Some(schedule) = self.schedule.take() else {
            return match zone.is_some() || overlap.is_some() {
                false => Ok(None),
                true => Err(usage(
                    "--schedule-timezone and --schedule-overlap are of a schedule, and there is \
                     none",
                    "add --schedule CRON, or leave them out",
                )),
            };
        };
        if self.restart.is_some_and(|restart| restart != Restart::No) {
            let what = "--restart and --schedule say two things of when the program is started";
            return Err(usage(what, "leave --restart out: the schedule starts it again"));
        }
        let (zone, zone_name) = zone.unwrap_or_else(|| (TimeZone::UTC, "UTC".to_owned()));
        let overlap = overlap.unwrap_or_default();
        Ok(Some(ScheduleConfig { schedule, zone, zone_name, overlap }))
    }
}

/// What the process is told that becomes a program.
pub(super) fn exec_child(
    parser: &mut lexopt::Parser,
    words: Option<Vec<OsString>>,
) -> Result<Command, UsageError> {
    let unreadable = || usage("`exec-child` is not for people", HELP_FIX);
    let (mut parent, mut report, mut umask) = (None, None, None);
    while let Some(word) = next(parser)? {
        let Word::Option(name) = word else { return Err(unreadable()) };
        let value = text(parser, &name)?;
        match name.as_str() {
            "parent" => parent = value.parse().ok(),
            "report" => report = Some(value),
            "umask" => umask = u32::from_str_radix(&value, 8).ok(),
            _ => return Err(unreadable()),
        }
    }
    match (parent, report, umask, words) {
        (Some(parent), Some(report), Some(umask), Some(command)) => {
            Ok(Command::ExecChild(ExecChildConfig { parent, report, umask, command }))
        }
        _ => Err(unreadable()),
    }
}

/// Names, separated by commas.
fn list<N>(
    parser: &mut lexopt::Parser,
    name: &str,
    parse: fn(&str) -> Result<N, NameError>,
) -> Result<Vec<N>, UsageError> {
    let given = text(parser, name)?;
    let parsed: Result<Vec<N>, NameError> = given.split(',').map(parse).collect();
    parsed.map_err(|error| usage(format!("--{name}: {error}"), "separate names by commas alone"))
}

fn on_rotate(given: &str) -> Result<OnRotate, UsageError> {
    match OnRotate::try_from(given.to_owned()) {
        Ok(taken @ (OnRotate::Restart | OnRotate::Signal(_) | OnRotate::None)) => Ok(taken),
        _ => Err(usage(
            format!("--on-rotate {given:?} is nothing that can be done to a program"),
            "give restart, none, or signal:HUP (INT, TERM, USR1, USR2, QUIT, WINCH)",
        )),
    }
}

fn restart(given: &str) -> Result<Restart, UsageError> {
    match given {
        "no" => Ok(Restart::No),
        "on-failure" => Ok(Restart::OnFailure),
        "always" => Ok(Restart::Always),
        _ => Err(usage(format!("--restart {given:?} is none"), "give no, on-failure or always")),
    }
}

fn schedule(given: &str) -> Result<Schedule, UsageError> {
    let wrong = |error| usage(format!("--schedule {error}"), "--schedule \"0 9 * * 1-5\"");
    Schedule::parse(given).map_err(wrong)
}

/// The zone, and its name as IANA spells it.
fn zone(given: &str) -> Result<(TimeZone, String), UsageError> {
    let found = is_zone_name(given).then(|| TimeZone::get(given).ok()).flatten();
    let wrong = || {
        let what = format!("--schedule-timezone {given:?} is no time zone that is known here");
        usage(what, "give one as IANA names it, such as UTC or Europe/Berlin")
    };
    let zone = found.ok_or_else(wrong)?;
    let name = zone.iana_name().unwrap_or(given).to_owned();
    Ok((zone, name))
}

fn overlap(given: &str) -> Result<Overlap, UsageError> {
    match given {
        "skip" => Ok(Overlap::Skip),
        "queue" => Ok(Overlap::Queue),
        "replace" => Ok(Overlap::Replace),
        _ => Err(usage(
            format!("--schedule-overlap {given:?} is none"),
            "give skip, queue or replace",
        )),
    }
}
