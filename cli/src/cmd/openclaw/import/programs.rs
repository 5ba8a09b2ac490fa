//! What the programs of a configuration's exec providers answer: each is asked once, for all its
//! ids, as `OpenClaw` itself asks it (exec protocol v1: no shell, an environment of what is passed
//! on by name, the program's own folder).

use secretref_domain::{
    exec_protocol::ANSWER_BYTES_MAX,
    openclaw::text::{Document, Kind, Node},
    value::SecretValue,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};
use zeroize::Zeroizing;

/// What a provider's ids are, or why none of them is known.
type Said = Result<BTreeMap<String, SecretValue>, String>;

/// The answers, by provider.
#[derive(Default)]
pub(super) struct Programs(BTreeMap<String, Said>);

impl Programs {
    /// Asks each provider for these of its ids.
    pub(super) async fn ask(
        config: Option<&Document>,
        wanted: BTreeMap<String, BTreeSet<String>>,
    ) -> Self {
        let mut programs = Self::default();
        for (alias, ids) in wanted {
            let said = match config.and_then(|config| settings(config, &alias)) {
                Some((config, settings)) => one(config, settings, &alias, &ids).await,
                None => Err("the configuration has no such provider".to_owned()),
            };
            programs.0.insert(alias, said);
        }
        programs
    }

    /// The value of an id, or why it is not known.
    pub(super) fn value(&self, alias: &str, id: &str) -> Result<SecretValue, String> {
        let said = self.0.get(alias).ok_or("its program was not asked; add --allow-exec")?;
        let value = said.as_ref().map_err(Clone::clone)?.get(id);
        let value = value.ok_or_else(|| format!("its program has no value for {id}"))?;
        SecretValue::new(value.as_ref().to_vec()).map_err(|error| error.to_string())
    }
}

fn settings<'d>(config: &'d Document, alias: &str) -> Option<(&'d Document, &'d Node)> {
    let path = ["secrets", "providers", alias];
    path.iter()
        .try_fold(config.root(), |node, key| Some(&node.member(key)?.value))
        .map(|node| (config, node))
}

/// One program's answer; nothing that it says gets into an error, since it may be a value.
async fn one(config: &Document, settings: &Node, alias: &str, ids: &BTreeSet<String>) -> Said {
    let text = |key: &str| config.string(&settings.member(key)?.value);
    let program = text("command").ok_or("its provider names no command")?;
    let program = Path::new(program.as_str());
    if !program.is_absolute() {
        return Err(format!("the command of provider {alias} is not absolute"));
    }
    let mut command = Command::new(program);
    command.env_clear().current_dir(program.parent().unwrap_or(Path::new("/")));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    for argument in texts(config, settings, "args") {
        command.arg(argument.as_str());
    }
    for name in texts(config, settings, "passEnv") {
        if let Some(value) = crate::config::variable(&name) {
            command.env(name.as_str(), value);
        }
    }
    let environment = settings.member("env").map(|it| it.value.members()).unwrap_or_default();
    for variable in environment {
        if let Some(value) = config.string(&variable.value) {
            command.env(&variable.key, value.as_str());
        }
    }
    let failed = |what: &str| format!("{} {what}", program.display());
    let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
    let request = json!({"protocolVersion": 1, "provider": alias, "ids": ids}).to_string();
    let talk = async {
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read its question may answer it all the same.
            let _ = stdin.write_all(request.as_bytes()).await;
        }
        let mut answer = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES_MAX + 1));
        if let Some(stdout) = child.stdout.take() {
            stdout.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut answer).await?;
        }
        Ok::<_, std::io::Error>((answer, child.wait().await?))
    };
    let ended = timeout(ANSWER_TIME_MAX, talk).await;
    let (answer, status) = ended
        .map_err(|_| failed(&format!("did not answer within {ANSWER_TIME_MAX:?}")))?
        .map_err(|error| failed(&error.to_string()))?;
    if !status.success() {
        return Err(failed(&format!("ended with {status}")));
    }
    let only = settings.member("jsonOnly").map(|it| it.value.span.clone());
    let json_only = only.and_then(|span| config.text().get(span)) != Some("false");
    values(answer.trim_ascii(), ids, json_only).ok_or_else(|| failed("answered what is no answer"))
}

fn texts(config: &Document, settings: &Node, key: &str) -> Vec<Zeroizing<String>> {
    match settings.member(key).map(|it| &it.value.kind) {
        Some(Kind::Array(items)) => items.iter().filter_map(|item| config.string(item)).collect(),
        _ => Vec::new(),
    }
}

/// The values of an answer; none where it is none.
fn values(
    answer: &[u8],
    ids: &BTreeSet<String>,
    json_only: bool,
) -> Option<BTreeMap<String, SecretValue>> {
    let said = serde_json::from_slice::<Value>(answer).ok();
    let bare = ids.first().filter(|_| ids.len() == 1 && !json_only);
    let Some(said) = said.filter(|it| it.get("protocolVersion").is_some_and(|it| it == 1)) else {
        let value = SecretValue::new(answer.to_vec()).ok().filter(|_| !answer.is_empty())?;
        return Some(BTreeMap::from([(bare?.clone(), value)]));
    };
    let named = said.get("values")?.as_object()?;
    let value = |id: &String| {
        let text = named.get(id)?.as_str()?;
        Some((id.clone(), SecretValue::new(text.as_bytes().to_vec()).ok()?))
    };
    Some(ids.iter().filter_map(value).collect())
}

/// As long as `OpenClaw` waits by itself.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
