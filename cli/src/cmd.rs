//! The commands: one verb, one file; one arm of [`Command`] registers it.

mod activate;
mod admin;
mod agent;
mod alert;
mod apply;
mod audit;
mod completion;
mod confirm;
mod delete;
mod demo;
mod destroy;
mod doctor;
mod environment;
mod explain;
mod get;
mod impact;
mod import;
mod list;
mod monitor;
mod openclaw;
mod profile;
mod programs;
mod provider;
mod put;
mod resolve;
mod rotate;
mod run;
mod scan;
mod show;
mod status;
mod top;
mod undelete;
mod version;
mod versions;

use crate::{
    args::Args,
    config::Config,
    connect::Session,
    failure::{Exit, Failure},
    print::Printer,
};
use secretref_domain::name::{AgentName, GroupName, SecretName};
use secretref_spans::{Kind, Span};

/// What can be done.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Write a new version of a secret and make it current
    Put(Box<put::Put>),
    /// Read a value: break-glass, with a reason, on the record
    Get(get::Get),
    /// List secrets, without values
    List(list::List),
    /// Show one secret, without its value
    Show(show::Show),
    /// List the versions of a secret
    Versions(versions::Versions),
    /// Bring the value of an older version back, as a new version
    Activate(activate::Activate),
    /// Shred the key of one version: its value can never be read again
    Destroy(destroy::Destroy),
    /// Take a secret from every agent at once
    Delete(delete::Delete),
    /// Take a deletion back
    Undelete(undelete::Undelete),
    /// Put each variable of a .env file as a secret, and print the manifest that binds them
    Import(import::Import),
    /// Move an installation of OpenClaw over, and look at what is left in it
    #[command(subcommand)]
    Openclaw(openclaw::Openclaw),
    /// Apply manifests: agents, their tools and refs
    Apply(apply::Apply),
    /// Administer agents
    #[command(subcommand)]
    Agent(agent::Agent),
    /// Look at alert channels and try them
    #[command(subcommand)]
    Alert(alert::Alert),
    /// Look at providers and check them
    #[command(subcommand)]
    Provider(provider::Provider),
    /// Look at environments and switch between them
    #[command(subcommand)]
    Environment(environment::Environment),
    /// Show whom a secret reached: who holds it, who ever did, who read it, through which tools
    Impact(impact::Impact),
    /// Rotate a credential, and prove it
    Rotate(Box<rotate::Rotate>),
    /// Show what is so and people should know of: values that end soon, rotations that fail
    Monitor(monitor::Monitor),
    /// Run a program with an agent's credentials in its environment
    Run(Box<run::Run>),
    /// Answer OpenClaw's exec protocol: refs on standard input, values on standard output
    Resolve(resolve::Resolve),
    /// Administer administrators
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Administer profiles: which broker is meant, and as whom
    #[command(subcommand)]
    Profile(profile::Command),
    /// Show what each agent is owed and what its instances really hold
    Status(status::Status),
    /// Show the fleet live: who is connected, who is behind, rotations under way
    Top(top::Top),
    /// Read the audit trail, or diagnose refs
    Audit(audit::Audit),
    /// Explain a ref: where it comes from, who may have it, who has which version
    Explain(explain::Explain),
    /// Find literals in files that look like credentials
    Scan(scan::Scan),
    /// Check the whole installation, and say what to do
    Doctor(doctor::Doctor),
    /// Show the whole story in one terminal, with real processes
    Demo(demo::Demo),
    /// Print a completion script for a shell
    Completion(completion::Completion),
    /// Print the version
    Version(version::Version),
    /// The same commands by their longer names
    #[command(subcommand, hide = true)]
    Gateway(Gateway),
    /// The same commands by their longer names
    #[command(subcommand, hide = true)]
    Secrets(Secrets),
}

/// Longer names of some commands.
#[derive(clap::Subcommand)]
pub(crate) enum Secrets {
    /// As `secretref rotate`
    Rotate(Box<rotate::Rotate>),
}

/// Longer names of some commands.
#[derive(clap::Subcommand)]
pub(crate) enum Gateway {
    /// As `secretref run`
    Run(Box<run::Run>),
    /// As `secretref status`
    Status(status::Status),
    /// As `secretref audit`
    Audit(audit::Audit),
}

impl Command {
    /// What its span is called.
    fn span(&self) -> &'static str {
        match self {
            Self::Put(_) => "secretref put",
            Self::Apply(_) => "secretref apply",
            Self::Rotate(_) | Self::Secrets(_) => "secretref rotate",
            _ => "secretref",
        }
    }

    /// Whether it talks to a broker that a profile names.
    pub(crate) fn connects(&self) -> bool {
        !matches!(
            self,
            Self::Demo(_)
                | Self::Completion(_)
                | Self::Version(_)
                | Self::Profile(_)
                | Self::Resolve(_)
        )
    }

    /// Whether it prints data that JSON could hold.
    pub(crate) fn prints_json(&self) -> bool {
        !matches!(
            self,
            Self::Demo(_)
                | Self::Completion(_)
                | Self::Run(_)
                | Self::Resolve(_)
                | Self::Gateway(Gateway::Run(_))
        )
    }
}

/// Does what was asked for, as a span where somebody is told of it.
pub(crate) async fn run(args: Args, config: &Config, out: Printer) -> Result<Exit, Failure> {
    let Some(endpoint) = &config.collector else {
        return Box::pin(dispatch(args, config, out)).await;
    };
    let telling = secretref_spans::tell("secretref", env!("CARGO_PKG_VERSION"), endpoint);
    let telling = telling.map_err(|error| Failure::usage(error.to_string(), "or unset it"))?;
    let mut span = Span::new(args.command.span(), Kind::Client, None);
    let parent = span.parent();
    let outcome = Box::pin(secretref_spans::within(parent, dispatch(args, config, out))).await;
    if let Err(failure) = &outcome {
        span.fail(failure.first().0);
    }
    drop(span);
    telling.end().await;
    outcome
}

async fn dispatch(args: Args, config: &Config, out: Printer) -> Result<Exit, Failure> {
    let global = args.global;
    let profile = global.profile.as_deref();
    let session = Session::new(config, profile, global.wait, global.environment.as_deref(), out);
    let session = &session;
    match args.command {
        Command::Put(command) => command.run(session).await,
        Command::Import(command) => command.run(session).await,
        Command::Get(command) => command.run(session).await,
        Command::List(command) => command.run(session).await,
        Command::Show(command) => command.run(session).await,
        Command::Versions(command) => command.run(session).await,
        Command::Activate(command) => command.run(session).await,
        Command::Destroy(command) => command.run(session).await,
        Command::Delete(command) => command.run(session).await,
        Command::Undelete(command) => command.run(session).await,
        Command::Openclaw(command) => Box::pin(command.run(session)).await,
        Command::Apply(command) => command.run(session).await,
        Command::Agent(command) => command.run(session).await,
        Command::Alert(command) => command.run(session).await,
        Command::Provider(command) => command.run(session).await,
        Command::Environment(command) => command.run(session).await,
        Command::Impact(command) => command.run(session).await,
        Command::Rotate(command) | Command::Secrets(Secrets::Rotate(command)) => {
            command.run(session).await
        }
        Command::Monitor(command) => command.run(session).await,
        Command::Run(command) | Command::Gateway(Gateway::Run(command)) => {
            command.run(session).await
        }
        Command::Resolve(command) => command.run(session).await,
        Command::Admin(command) => command.run(session).await,
        Command::Profile(command) => command.run(session),
        Command::Status(command) | Command::Gateway(Gateway::Status(command)) => {
            command.run(session).await
        }
        Command::Top(command) => command.run(session).await,
        Command::Audit(command) | Command::Gateway(Gateway::Audit(command)) => {
            command.run(session).await
        }
        Command::Explain(command) => command.run(session).await,
        Command::Scan(command) => command.run(session).await,
        Command::Doctor(command) => command.run(session).await,
        Command::Demo(command) => Box::pin(command.run(session)).await,
        Command::Completion(command) => command.run(session),
        Command::Version(command) => command.run(session),
    }
}

/// The name of a secret, or why it is none.
fn secret_name(given: &str) -> Result<String, Failure> {
    match SecretName::parse_own(given) {
        Ok(_) => Ok(given.to_owned()),
        Err(why) => Err(Failure::usage(why, "see secretref list for names")),
    }
}

/// The name of a secret that is only looked at: that of a copy too.
fn kept_name(given: &str) -> Result<String, Failure> {
    match SecretName::parse_kept(given) {
        Ok(_) => Ok(given.to_owned()),
        Err(error) => Err(Failure::usage(error.to_string(), "see secretref list for names")),
    }
}

/// The name of an agent, or why it is none.
fn agent_name(given: &str) -> Result<String, Failure> {
    match AgentName::parse(given) {
        Ok(_) => Ok(given.to_owned()),
        Err(error) => Err(Failure::usage(error.to_string(), "see secretref agent list for names")),
    }
}

/// The name of a group, or why it is none.
fn group_name(given: &str) -> Result<String, Failure> {
    match GroupName::parse(given) {
        Ok(_) => Ok(given.to_owned()),
        Err(error) => Err(Failure::usage(error.to_string(), "see secretref agent list for groups")),
    }
}

/// Makes a retry safe.
fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// An answer of the broker that lacks what it always has.
fn incomplete(what: &str) -> Failure {
    let what = format!("the broker's answer has no {what}");
    Failure::new(Exit::Refused, what, "use a secretref and a broker of the same version")
}
