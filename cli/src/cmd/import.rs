//! `secretref import`: the variables of a `.env` file become secrets, and their places a manifest.

mod binding;
pub(in crate::cmd) mod dotenv;

use super::{put, request_id};
use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::counted,
};
use dotenv::Variable;
use secretref_domain::name::{AgentName, SecretName, ToolName};
use secretref_proto::v1::{self, secrets_service_client::SecretsServiceClient};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tonic::transport::Channel;
use zeroize::Zeroizing;

/// Put each variable of a .env file as a secret.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref import .env --dry-run\n  \
    secretref import .env --prefix prod/ --service stripe\n  \
    secretref import .env --agent payment-analyst --tool stripe > analyst.json\n  \
    secretref apply -f analyst.json\n\
    STRIPE_API_KEY becomes the secret stripe-api-key. Nothing is expanded: `$` stays as it is. A \
    secret that is there already gets a new version. No value is ever printed.")]
pub(crate) struct Import {
    /// The file; `-` is standard input
    file: PathBuf,
    /// What each secret's name begins with, such as `prod/`
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,
    /// Service that issued the credentials
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Say what would be put and put nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a manifest that binds the secrets to a tool of this agent, for `secretref apply`
    #[arg(long, value_name = "NAME", requires = "tool")]
    agent: Option<String>,
    /// Tool of the agent that needs them
    #[arg(long, value_name = "NAME", requires = "agent")]
    tool: Option<String>,
}

/// A variable and the secret that it becomes.
struct Planned {
    secret: SecretName,
    variable: Variable,
}

/// What `--json` prints of each; `version` is 0 where nothing was put.
#[derive(Serialize)]
struct Imported {
    variable: String,
    #[serde(rename = "ref")]
    secret: String,
    version: i64,
}

impl Import {
    /// Reads and checks the whole file, then puts one secret after another.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let bound = self.bound()?;
        let planned = self.plan(session)?;
        // Before anything is put: a manifest that cannot be written is known now.
        let manifest = match &bound {
            Some((agent, tool)) => {
                Some(binding::manifest(agent, tool, self.service.as_deref(), &planned)?)
            }
            None => None,
        };
        let client = match self.dry_run {
            true => None,
            false => Some(session.secrets().await?),
        };
        let mut imported = Vec::with_capacity(planned.len());
        for Planned { secret, variable } in &planned {
            let version = match &client {
                None => 0,
                Some(client) => match self.put(session, client, secret, variable).await {
                    Ok(version) => version,
                    Err(failure) => return Err(partly(session, failure, &imported, planned.len())),
                },
            };
            let (variable, secret) = (variable.name.to_string(), secret.to_string());
            imported.push(Imported { variable, secret, version });
        }
        self.tell(session, &imported, manifest.is_some())?;
        if let Some(manifest) = manifest {
            session.out.line(&manifest)?;
            let (agent, _) = bound.unzip();
            let agent = agent.map(|agent| agent.to_string()).unwrap_or_default();
            session.out.note(&format!(
                "apply replaces an agent whole: if {agent} is there, move the tool into its \
                 manifest"
            ));
        }
        Ok(Exit::Done)
    }

    fn bound(&self) -> Result<Option<(AgentName, ToolName)>, Failure> {
        let (Some(agent), Some(tool)) = (&self.agent, &self.tool) else { return Ok(None) };
        let agent = AgentName::parse(agent)
            .map_err(|error| Failure::usage(error.to_string(), "correct --agent"))?;
        let tool = ToolName::parse(tool)
            .map_err(|error| Failure::usage(error.to_string(), "correct --tool"))?;
        Ok(Some((agent, tool)))
    }

    /// Every variable with the name of its secret, no two of which are one.
    fn plan(&self, session: &Session<'_>) -> Result<Vec<Planned>, Failure> {
        let text = self.read(session)?;
        let file = shown(&self.file);
        let variables = dotenv::parse(&text).map_err(|problems| {
            Failure::usages(problems.into_iter().map(|problem| {
                let what = format!("{file}, line {}: {}", problem.line, problem.what);
                (what, problem.fix.to_owned())
            }))
        })?;
        if variables.is_empty() {
            let what = format!("{file} has no variable");
            return Err(Failure::usage(what, "name a file of lines such as NAME=value"));
        }
        let mut taken: BTreeMap<SecretName, String> = BTreeMap::new();
        let mut planned = Vec::with_capacity(variables.len());
        for variable in variables {
            let secret = proposed(&self.prefix, variable.name.as_str())?;
            if let Some(other) = taken.insert(secret.clone(), variable.name.to_string()) {
                let what = format!("{other} and {} would both be {secret}", variable.name);
                return Err(Failure::usage(what, "rename one, or put it by itself"));
            }
            if variable.ends_with_newline {
                let name = &variable.name;
                session.out.warning(&format!(
                    "the value of {name} ends with a newline, which is kept; if the service does \
                     not want it, close the quote before it"
                ));
            }
            planned.push(Planned { secret, variable });
        }
        Ok(planned)
    }

    fn read(&self, session: &Session<'_>) -> Result<Zeroizing<String>, Failure> {
        let name = shown(&self.file);
        let unreadable = |error: io::Error| {
            Failure::usage(format!("{name} cannot be read: {error}"), "correct the path")
        };
        let bytes = if self.file == Path::new("-") {
            read(io::stdin().lock(), FILE_BYTES_MAX).map_err(unreadable)?
        } else {
            let file = File::open(&self.file).map_err(unreadable)?;
            let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                session.out.warning(&format!(
                    "others than its owner can read {name} (mode {mode:04o}): chmod 600 it, and \
                     rotate what it holds"
                ));
            }
            read(file, FILE_BYTES_MAX).map_err(unreadable)?
        };
        if bytes.len() > FILE_BYTES_MAX {
            let what = format!("{name} has more than {FILE_BYTES_MAX} bytes");
            return Err(Failure::usage(what, "split it into several files"));
        }
        let text = str::from_utf8(&bytes).map_err(|error| {
            let what = format!("{name} is not UTF-8: see its byte {}", error.valid_up_to());
            Failure::usage(what, "save it as UTF-8, or put that value from a file of its own")
        })?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    async fn put(
        &self,
        session: &Session<'_>,
        client: &SecretsServiceClient<Channel>,
        secret: &SecretName,
        variable: &Variable,
    ) -> Result<i64, Failure> {
        let request = v1::PutSecretRequest {
            name: secret.to_string(),
            environment: session.environment(),
            service: self.service.clone(),
            request_id: request_id(),
            ..v1::PutSecretRequest::default()
        };
        let answer = put::send(client, request, &variable.value).await?;
        let Some(version) = answer.version else { return Ok(0) };
        put::warn_of_example(session, secret.as_str(), &version);
        Ok(version.version)
    }

    /// Says what became of each: on standard output, unless the manifest goes there.
    fn tell(
        &self,
        session: &Session<'_>,
        imported: &[Imported],
        manifest: bool,
    ) -> Result<(), Failure> {
        if session.out.json && !manifest {
            return session.out.json(&imported);
        }
        for Imported { variable, secret, version } in imported {
            let done = match version {
                0 => format!("{secret} would be put, from {variable}"),
                version => format!("{secret} v{version}, from {variable}"),
            };
            match manifest {
                true => session.out.note(&done),
                false => session.out.line(&done)?,
            }
        }
        Ok(())
    }
}

/// Why the rest was not put, after what was.
fn partly(session: &Session<'_>, failure: Failure, imported: &[Imported], of: usize) -> Failure {
    for Imported { variable, secret, version } in imported {
        session.out.note(&format!("{secret} v{version}, from {variable}"));
    }
    let done = counted(imported.len(), "secret");
    session.out.note(&format!("{done} of {of} put; the import ended there"));
    failure
}

/// `STRIPE_API_KEY` becomes `stripe-api-key`, after the prefix.
fn proposed(prefix: &str, variable: &str) -> Result<SecretName, Failure> {
    let words = variable.split('_').filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_ascii_lowercase).collect();
    let name = format!("{prefix}{}", words.join("-"));
    SecretName::parse(&name).map_err(|error| {
        let what = format!("no secret can be made of {variable}: {error}");
        Failure::usage(what, "choose another --prefix, or rename the variable")
    })
}

/// What a file is called. What looks like a variable itself is not repeated.
fn shown(file: &Path) -> String {
    match file.to_str() {
        Some("-") => "standard input".to_owned(),
        Some(text) if text.contains('=') => {
            "the file (not repeated: it may be a secret)".to_owned()
        }
        _ => file.display().to_string(),
    }
}

/// What there is, and one byte more than the most where there is more. The room is there from the
/// start: a buffer that grows leaves copies behind.
pub(in crate::cmd) fn read(from: impl Read, bytes_max: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 64));
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX) + 1;
    from.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Longest file, in bytes.
pub(in crate::cmd) const FILE_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
