//! `secretref openclaw import`: what stands in the open in `OpenClaw`'s files becomes secrets,
//! bound to an agent, and refs take its place.
//!
//! ```text
//! read ─▶ survey ─▶ scheme ─▶ shown, asked ─▶ put ─▶ bound ─▶ the files, or a plan for OpenClaw
//! ```
//! The files come last: whatever is interrupted, each value is still somewhere.

mod binding;
mod elsewhere;
mod plan;
mod programs;
mod resolver;
mod rewrite;
mod scheme;
mod show;

use super::{
    files::{Files, Opened},
    survey::{Place, survey},
};
use crate::{
    cmd::{agent_name, confirm, put, request_id},
    connect::Session,
    failure::{Exit, Failure},
    print::counted,
};
use elsewhere::Elsewhere;
use scheme::Scheme;
use secretref_domain::name::{ProviderAlias, SecretName};
use secretref_proto::v1;
use std::path::PathBuf;

/// Put the credentials of `OpenClaw`'s files into the broker, and refs in their place.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref openclaw import ~/.openclaw/openclaw.json\n  \
    secretref openclaw import ~/.openclaw/openclaw.json --agent gateway --apply\n  \
    secretref openclaw import ~/.openclaw/openclaw.json --plan-out plan.json --yes\n\
    Without --apply and --plan-out it only shows what it would do. Comments and order of the files \
    are kept, and no copy of a value is left. A value that stands at several places becomes one \
    secret. Run again, it does what is left to do.")]
pub(crate) struct Import {
    #[command(flatten)]
    files: Files,
    /// Write refs into the files, in place of the values
    #[arg(long, conflicts_with = "plan_out")]
    apply: bool,
    /// Leave the files, and write a plan for `openclaw secrets apply --from FILE`
    #[arg(long, value_name = "FILE")]
    plan_out: Option<PathBuf>,
    /// Agent that the secrets are bound to; made where it is not there
    #[arg(long, value_name = "NAME", default_value = "openclaw")]
    agent: String,
    /// What each secret's name begins with
    #[arg(long, value_name = "PREFIX", default_value = "openclaw/")]
    prefix: String,
    /// What OpenClaw calls the broker
    #[arg(long, value_name = "ALIAS", default_value = "secretref")]
    provider: String,
    /// Socket of the agent's sidecar, where OpenClaw runs
    #[arg(long, value_name = "PATH", default_value = "/run/secretref/agent.sock")]
    socket: PathBuf,
    /// Folder that a copy of this program is put into, for OpenClaw to start
    /// [default: ~/.local/lib/secretref]
    #[arg(long, value_name = "DIR")]
    resolver_dir: Option<PathBuf>,
    /// File of the variables that refs to the environment mean [default: .env beside FILE]
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Ask the programs that refs name for their values, as OpenClaw does
    #[arg(long)]
    allow_exec: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Import {
    /// Shows what it will do, asks, and does it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let agent = agent_name(&self.agent)?;
        let alias = ProviderAlias::parse(&self.provider)
            .map_err(|error| Failure::usage(error.to_string(), "correct --provider"))?;
        SecretName::parse(&format!("{}a", self.prefix))
            .map_err(|error| Failure::usage(error.to_string(), "correct --prefix"))?;
        if !self.socket.is_absolute() {
            let what = format!("--socket {} is not absolute", self.socket.display());
            return Err(Failure::usage(what, "OpenClaw starts programs in their own folder"));
        }
        let files = self.files.open()?;
        for file in files.iter().filter(|file| file.is_open_to_others()) {
            let shown = file.shown();
            session.out.warning(&format!(
                "others than its owner can read {shown}: chmod 600 it, and rotate what it holds"
            ));
        }
        let places = survey(&files, &self.files.targets()?, alias.as_str());
        let elsewhere = self.elsewhere(&files, &places).await?;
        let scheme = Scheme::of(&places, &self.prefix, &elsewhere)?;
        show::print(session, &scheme)?;
        if scheme.is_done() && self.plan_out.is_none() {
            session.out.note("nothing stands in the open that a target names");
        }
        if !self.apply && self.plan_out.is_none() {
            session.out.note("nothing was changed: add --apply, or --plan-out FILE");
            return Ok(Exit::Done);
        }
        let program = self.resolver_place(session)?;
        let definition = resolver::definition(&program, &self.socket);
        // Before anything is done: what cannot be written is known now.
        let changed = match self.apply {
            true => rewrite::all(&files, &scheme, alias.as_str(), &definition)?,
            false => Vec::new(),
        };
        let bound = binding::Binding::of(session, &agent, &scheme).await?;
        let question = format!(
            "Put {}, bind them to agent {agent}, and write {}?",
            counted(scheme.secrets.len(), "secret"),
            self.written(changed.len())
        );
        if !self.yes && !scheme.is_done() {
            if !confirm::can_ask() {
                let what = "this changes files and agents, and nobody can be asked";
                return Err(Failure::usage(what, "add --yes"));
            }
            if !confirm::agreed(&question)? {
                session.out.note("nothing was changed");
                return Ok(Exit::Refused);
            }
        }
        put_all(session, &scheme).await?;
        bound.apply(session).await?;
        resolver::install(session, &program)?;
        for (file, document) in &changed {
            file.replace(document)?;
            session.out.note(&format!("{} was written", file.shown()));
        }
        if let Some(path) = &self.plan_out {
            plan::write(path, &plan::document(&scheme, alias.as_str(), &definition))?;
            session.out.note(&format!(
                "openclaw secrets apply --from {} --allow-exec, once the sidecar runs",
                path.display()
            ));
        }
        Ok(Exit::Done)
    }

    /// What refs to other sources mean.
    async fn elsewhere<'f>(
        &self,
        files: &'f [Opened],
        places: &[Place<'_>],
    ) -> Result<Elsewhere<'f>, Failure> {
        let environment = self.env_file.clone();
        let environment = environment.unwrap_or_else(|| self.files.folder().join(".env"));
        let mut elsewhere = Elsewhere::new(files, environment)?;
        if self.allow_exec {
            elsewhere.ask_programs(places).await;
        }
        Ok(elsewhere)
    }

    fn written(&self, files: usize) -> String {
        match &self.plan_out {
            Some(path) => path.display().to_string(),
            None => counted(files, "file"),
        }
    }

    fn resolver_place(&self, session: &Session<'_>) -> Result<PathBuf, Failure> {
        let own = || Some(session.config().home.as_ref()?.join(".local/lib/secretref"));
        let folder = self.resolver_dir.clone().or_else(own).ok_or_else(|| {
            Failure::usage("no folder for the resolver is known", "name one: --resolver-dir DIR")
        })?;
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        Ok(folder.join("secretref"))
    }
}

/// Puts one after another; says how far it came where it ended early.
async fn put_all(session: &Session<'_>, scheme: &Scheme<'_>) -> Result<(), Failure> {
    if scheme.secrets.is_empty() {
        return Ok(());
    }
    let client = session.secrets().await?;
    for (at, secret) in scheme.secrets.iter().enumerate() {
        let request = v1::PutSecretRequest {
            name: secret.name.to_string(),
            environment: session.environment(),
            request_id: request_id(),
            ..v1::PutSecretRequest::default()
        };
        match put::send(&client, request, &secret.value).await {
            Ok(answer) => {
                let version = answer.version.unwrap_or_default();
                session.out.note(&format!("{} v{}", secret.name, version.version));
                put::warn_of_example(session, secret.name.as_str(), &version);
            }
            Err(failure) => {
                let of = scheme.secrets.len();
                session.out.note(&format!(
                    "{at} of {of} secrets put; no file was changed. Run it again to go on"
                ));
                return Err(failure);
            }
        }
    }
    Ok(())
}
