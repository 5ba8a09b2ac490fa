//! The command line: what every command takes, and what is said of a wrong one. A wrong command
//! line may hold a secret in the wrong place, so little of it is ever repeated.

mod parse;

pub(crate) use parse::{after_now, duration, interval, moment, since};

use crate::{cmd::Command, failure::Failure};
use clap::{
    CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{ffi::OsString, time::Duration};

/// Keeps the credentials of AI agents: puts them, rotates them, and says who holds which.
#[derive(Parser)]
#[command(
    name = "secretref",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "A secret is never an argument: `put` reads standard input, --value-file FILE, \
                  or asks without echo.\nExit codes: 0 done, 1 findings or the broker said no, \
                  2 wrong usage or input, 3 not found, 69 broker unreachable.\n\
                  `secretref help COMMAND` has an example for each command. All times are UTC.\n\
                  Longer names of the same commands: `secretref gateway run`, `gateway status` and \
                  `gateway audit`."
)]
pub(crate) struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Profile of ~/.config/secretref/config.toml; without it SECRETREF_ADDR, SECRETREF_CA,
    /// SECRETREF_CERT and SECRETREF_KEY, else the profile `default`
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Environment; without it the broker's active one
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Wait for a broker that cannot be reached, 60 s unless a duration is given
    #[arg(
        long, global = true, value_name = "DURATION", value_parser = duration,
        num_args = 0..=1, require_equals = true, default_missing_value = "60s"
    )]
    pub(crate) wait: Option<Duration>,
}

/// What comes of a command line that is no command.
pub(crate) enum NotACommand {
    /// Help or the version was asked for.
    Help(clap::Error),
    /// It is wrong.
    Wrong(Failure),
}

/// Reads the command line, the program's name first.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Args, NotACommand> {
    let arguments = join_wait(arguments);
    let args = Args::try_parse_from(&arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => NotACommand::Help(error),
        _ => NotACommand::Wrong(wrong(&error, &arguments)),
    })?;
    args.check().map_err(NotACommand::Wrong)?;
    Ok(args)
}

impl Args {
    /// An option that a command has no use for is refused, not ignored.
    fn check(&self) -> Result<(), Failure> {
        let global = &self.global;
        if let Some(name) = &global.environment {
            let valid = secretref_domain::name::EnvironmentName::parse(name);
            valid.map_err(|error| Failure::usage(error.to_string(), "correct --environment"))?;
        }
        let connects = self.command.connects();
        let given = [
            ("--profile", global.profile.is_some(), connects),
            ("--environment", global.environment.is_some(), connects),
            ("--wait", global.wait.is_some(), connects),
            ("--json", global.json, self.command.prints_json()),
        ];
        match given.into_iter().find(|(_, given, useful)| *given && !useful) {
            Some((option, ..)) => {
                let what = format!("{option} has no meaning for this command");
                Err(Failure::usage(what, format!("leave {option} out")))
            }
            None => Ok(()),
        }
    }
}

/// `--wait 30s` is written as often as `--wait=30s`; only the latter can be told from
/// `--wait NAME`, so a duration that follows is joined.
fn join_wait(arguments: &[OsString]) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(arguments.len());
    let mut raw = false;
    for argument in arguments {
        let text = argument.to_str();
        raw = raw || text == Some("--");
        let follows_wait = joined.last().is_some_and(|last| last == "--wait");
        if !raw
            && follows_wait
            && let Some(text) = text
            && duration(text).is_ok()
        {
            joined.pop();
            joined.push(format!("--wait={text}").into());
        } else {
            joined.push(argument.clone());
        }
    }
    joined
}

/// One line of what is wrong, without anything that could be a secret's value.
fn wrong(error: &clap::Error, arguments: &[OsString]) -> Failure {
    let careful = arguments.iter().any(|argument| argument == "put");
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        Some(ContextValue::StyledStrs(texts)) => {
            Some(texts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let argument = match careful && !is_option(&argument) {
        true => "an argument (not repeated here: it may be a secret)".to_owned(),
        false => argument,
    };
    let what = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let unknown = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("there is no command \"{unknown}\"; there are {}", siblings(arguments))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("a command is missing; there are {}", siblings(arguments))
        }
        ErrorKind::UnknownArgument => format!("{argument} is not known here"),
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        ErrorKind::ArgumentConflict => {
            let other = context(ContextKind::PriorArg).unwrap_or_default();
            format!("{argument} does not go together with {other}")
        }
        ErrorKind::NoEquals => format!("{argument} takes its value after `=`"),
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument} has the wrong number of values")
        }
        _ if value.is_empty() => format!("{argument} needs a value"),
        _ if careful => format!("the value of {argument} is not valid{}", why(error, &value)),
        _ => format!("{value:?} is not valid for {argument}{}", why(error, "")),
    };
    let help = format!("see secretref help{}", command_path(arguments));
    let fix = match context(ContextKind::SuggestedArg)
        .or_else(|| context(ContextKind::SuggestedSubcommand))
    {
        Some(similar) => format!("did you mean {similar}? Else {help}"),
        None => help,
    };
    Failure::usage(what, fix)
}

/// Why a value was refused, or what would be taken; nothing where that repeats a hidden value.
fn why(error: &clap::Error, hidden: &str) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let valid = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(texts)) if !texts.is_empty() => {
            Some(format!("one of {}", texts.join(", ")))
        }
        _ => None,
    };
    match source.or(valid) {
        Some(why) if hidden.is_empty() || !why.contains(hidden) => format!(": {why}"),
        _ => String::new(),
    }
}

/// Whether a text is the name of an option or place that we know, and nothing else.
fn is_option(text: &str) -> bool {
    let name = text.split([' ', '=']).next().unwrap_or_default();
    let root = Args::command();
    let put = root.find_subcommand("put").map(clap::Command::get_arguments);
    let mut known = root.get_arguments().chain(put.into_iter().flatten());
    known.any(|argument| {
        argument.get_long().is_some_and(|long| name == format!("--{long}"))
            || argument
                .get_value_names()
                .is_some_and(|names| names.iter().any(|place| name == format!("<{place}>")))
    })
}

/// The command that the line got as far as, with a space before it.
fn command_path(arguments: &[OsString]) -> String {
    let names: Vec<String> = reached(arguments).1;
    names.iter().map(|name| format!(" {name}")).collect()
}

/// The commands that could stand where the unknown one stands.
fn siblings(arguments: &[OsString]) -> String {
    let command = reached(arguments).0;
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<&str> = shown.map(clap::Command::get_name).collect();
    names.join(", ")
}

fn reached(arguments: &[OsString]) -> (clap::Command, Vec<String>) {
    let mut command = Args::command();
    let mut names = Vec::new();
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        let Some(next) = command.find_subcommand(argument).cloned() else { continue };
        command = next;
        names.push(argument.to_owned());
    }
    (command, names)
}

#[cfg(test)]
mod tests;
