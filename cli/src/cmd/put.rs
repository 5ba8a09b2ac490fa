//! `secretref put`: the value comes from standard input, a file or a prompt, never as an argument,
//! and is kept byte for byte. One that is plainly not what it is said to be is refused.

use super::{incomplete, request_id, secret_name};
use crate::{
    args::{after_now, duration, moment},
    connect::{Session, ask_twice, traced},
    failure::{Exit, Failure},
    print::{json, time},
};
use secretref_domain::{
    clock::Timestamp,
    limit::VALUE_BYTES_MAX,
    service::Complaint,
    value::{SecretValue, ValueError},
};
use secretref_proto::v1::{self, secrets_service_client::SecretsServiceClient};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    time::Duration,
};
use tonic::transport::Channel;
use zeroize::Zeroizing;

/// Write a new version of a secret and make it current.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    printf %s \"$KEY\" | secretref put stripe-api-key --service stripe --ttl 90d\n  \
    secretref put tls/key --value-file key.pem --if-version 3\n  \
    secretref put slack-bot-token            asks for the value, without echo")]
pub(crate) struct Put {
    /// Name of the secret
    #[arg(value_name = "NAME")]
    name: String,
    /// A value by mistake: refused
    #[arg(hide = true, allow_hyphen_values = false)]
    refused: Vec<OsString>,
    /// A value by mistake: refused
    #[arg(long, hide = true, num_args = 0..=1, allow_hyphen_values = true)]
    value: Option<Option<OsString>>,
    /// File that the value is read from, every byte of it; `-` is standard input
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Service that issued the credential
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Put the value though its shape is not that of the service's credentials
    #[arg(long)]
    any_shape: bool,
    /// When the value stops being valid: RFC 3339 or a date
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "ttl")]
    expires_at: Option<Timestamp>,
    /// How long the value is valid from now
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<Duration>,
    /// Label; given once or more, all labels are replaced
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Put only if this is the current version (0: only if there is none)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    if_version: Option<i64>,
    /// Refuse a secret that exists, even a deleted one
    #[arg(long)]
    create_only: bool,
    /// From when on the secret should no longer be used
    #[arg(long, value_name = "TIME", value_parser = moment)]
    deprecation_date: Option<Timestamp>,
}

impl Put {
    /// Reads the value, then sends it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        if self.value.is_some() || !self.refused.is_empty() {
            return Err(Failure::usage(
                "a value as an argument is seen by every process of this machine and kept in the \
                 shell's history, so it was not used; consider it leaked",
                "printf %s \"$VALUE\" | secretref put NAME, or secretref put NAME --value-file \
                 FILE, or secretref put NAME alone, which asks without echo",
            ));
        }
        let name = secret_name(&self.name)?;
        let labels = labels(&self.labels)?;
        let value = self.read_value(session)?;
        if !self.any_shape {
            self.check_shape(&value)?;
        }
        let ttl = self.ttl.map(|ttl| i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
        let request = v1::PutSecretRequest {
            name,
            environment: session.environment(),
            value: Vec::new(),
            service: self.service,
            labels,
            expire_time: self.expires_at.or(ttl.map(after_now)).map(time::wire),
            deprecation_time: self.deprecation_date.map(time::wire),
            expected_version: self.if_version,
            create_only: self.create_only,
            request_id: request_id(),
        };
        let answer = send(&session.secrets().await?, request, &value).await?;
        let secret = answer.secret.ok_or_else(|| incomplete("secret"))?;
        let version = answer.version.ok_or_else(|| incomplete("version"))?;
        warn_of_example(session, &secret.name, &version);
        if let Some(variable) = value.variable() {
            let service = &secret.service;
            session.out.note(&format!("tools of {service} read it from {variable}: its envVar"));
        }
        if session.out.json {
            session.out.json(&json::Written::new(secret, &version, Some(answer.revision)))?;
        } else {
            session.out.line(&format!("{} v{}", secret.name, version.version))?;
        }
        Ok(Exit::Done)
    }

    /// A wrong paste is known here rather than by the first agent that is let in nowhere.
    fn check_shape(&self, value: &SecretValue) -> Result<(), Failure> {
        let Some(complaint) = value.complaint(self.service.as_deref()) else { return Ok(()) };
        let fix = match complaint {
            Complaint::OtherService { found, .. } => {
                format!("give --service {found}, or paste the right one; --any-shape puts it")
            }
            Complaint::Wrapped { around, .. } => {
                format!("paste it without {around}; --any-shape puts it as it is")
            }
            _ => "copy the whole of it once more; --any-shape puts it as it is".to_owned(),
        };
        Err(Failure::usage(format!("{complaint}; nothing was put"), fix))
    }

    fn read_value(&self, session: &Session<'_>) -> Result<SecretValue, Failure> {
        let stdin = io::stdin();
        let value = match &self.value_file {
            Some(path) if path != Path::new("-") => {
                let file = File::open(path).map_err(|error| unreadable(path, &error))?;
                read(file).map_err(|error| unreadable(path, &error))?
            }
            None if stdin.is_terminal() => prompt(&self.name)?,
            _ => read(stdin.lock()).map_err(|error| unreadable(Path::new("-"), &error))?,
        };
        if value.ends_with(b"\n") {
            session.out.warning(
                "the value ends with a newline, which was kept; if the service does not want it: \
                 printf %s \"$VALUE\" | secretref put NAME",
            );
        }
        let mut value = value;
        SecretValue::new(std::mem::take(&mut *value)).map_err(|error| {
            let fix = match error {
                ValueError::Empty => "check that what writes the value worked",
                ValueError::TooLong(_) => "keep the large thing elsewhere, and its key here",
            };
            let what = match error {
                ValueError::Empty => error.to_string(),
                ValueError::TooLong(_) => {
                    format!("the value has more than {VALUE_BYTES_MAX} bytes")
                }
            };
            Failure::usage(what, fix)
        })
    }
}

/// Says that a value looks like somebody's example. It was put all the same: it may be meant.
pub(super) fn warn_of_example(session: &Session<'_>, name: &str, version: &v1::SecretVersion) {
    if version.looks_like_example {
        session.out.warning(&format!(
            "the value of {name} looks like an example from somebody's documentation; if it is \
             one, put the real one: secretref put {name}"
        ));
    }
}

/// Puts a value; a repeat after a lost answer does not put twice.
pub(super) async fn send(
    client: &SecretsServiceClient<Channel>,
    request: v1::PutSecretRequest,
    value: &SecretValue,
) -> Result<v1::PutSecretResponse, Failure> {
    ask_twice(|| {
        let mut client = client.clone();
        let request = v1::PutSecretRequest { value: value.expose().to_vec(), ..request.clone() };
        async move { client.put_secret(traced(request)).await }
    })
    .await
}

/// Reads at most one byte more than a value may have. The room is there from the start: a buffer
/// that grows leaves copies behind.
fn read(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut value = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX + 64));
    let limit = u64::try_from(VALUE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    from.take(limit).read_to_end(&mut value)?;
    Ok(value)
}

/// Asks twice without echo: a typing error would otherwise reach every agent.
fn prompt(name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let ask = |prompt: String| -> Result<_, Failure> {
        let typed = rpassword::prompt_password(prompt).map_err(|error| {
            let what = format!("the terminal cannot be asked: {error}");
            Failure::usage(what, "secretref put NAME --value-file FILE")
        })?;
        Ok(Zeroizing::new(typed.into_bytes()))
    };
    let first = ask(format!("Value of {name} (not shown): "))?;
    let second = ask("Once more: ".to_owned())?;
    if *first != *second {
        return Err(Failure::usage("the two values differ, nothing was put", "type it again"));
    }
    Ok(first)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let shown = match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => path.display().to_string(),
    };
    Failure::usage(format!("the value cannot be read from {shown}: {error}"), "correct the path")
}

fn label(given: &str) -> Result<(String, String), String> {
    match given.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is KEY=VALUE".to_owned()),
    }
}

fn labels(given: &[(String, String)]) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = BTreeMap::new();
    for (key, value) in given {
        if labels.insert(key.clone(), value.clone()).is_some() {
            let what = format!("the label {key:?} is given twice");
            return Err(Failure::usage(what, "give each label once"));
        }
    }
    Ok(labels)
}
