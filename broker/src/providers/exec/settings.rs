//! What a manifest says of a program.

use crate::{
    permits::programs::{self, Program},
    providers::{Permits, ProviderError},
};
use secretref_domain::{
    fault::Fault,
    name::{EnvVar, ProviderAlias},
    reference::ProviderSpec,
};
use serde_json::{Map, Value};
use std::{path::PathBuf, sync::Arc, time::Duration};

pub(super) struct Settings {
    pub(super) alias: ProviderAlias,
    pub(super) program: Arc<Program>,
    pub(super) json_only: bool,
}

impl Settings {
    pub(super) fn read(
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        permits: &Permits,
    ) -> Result<Self, ProviderError> {
        let members = &spec.settings;
        let wrong = |message: String, key: &str| {
            let fix = format!("set `secrets.providers.{alias}.{key}` and apply again");
            ProviderError::new(Fault::Misconfigured, message, fix)
        };
        let command = members.get("command").and_then(Value::as_str).map(PathBuf::from);
        let command = command.ok_or_else(|| wrong("has no `command`".to_owned(), "command"))?;
        let trusted: Vec<PathBuf> = texts(members, "trustedDirs").map(PathBuf::from).collect();
        let of_trusted = trusted.iter().map(|path| ("trustedDirs", path));
        let mut paths = std::iter::once(("command", &command)).chain(of_trusted);
        let relative = paths.find(|(_, path)| !path.is_absolute());
        if let Some((key, path)) = relative {
            let message = format!("has the path {} in `{key}`, which is not whole", path.display());
            return Err(wrong(message, key));
        }
        let millis = |key: &str| members.get(key).and_then(Value::as_u64);
        let time_max = Duration::from_millis(millis("timeoutMs").unwrap_or(TIME_MS_DEFAULT));
        let silence_max = millis("noOutputTimeoutMs").map_or(time_max, Duration::from_millis);
        let output_bytes_max = members
            .get("maxOutputBytes")
            .and_then(Value::as_u64)
            .and_then(|it| usize::try_from(it).ok());
        let flag = |key: &str| members.get(key).and_then(Value::as_bool);
        let settings = format!("secrets.providers.{alias}");
        let program = Program {
            command,
            arguments: texts(members, "args").map(str::to_owned).collect(),
            environment: environment(alias, members)?,
            passed: programs::permitted(texts(members, "passEnv"), &settings, permits)?,
            time_max,
            silence_max,
            output_bytes_max: output_bytes_max.unwrap_or(OUTPUT_BYTES_DEFAULT),
            allow_symlink: flag("allowSymlinkCommand").unwrap_or(false),
            trusted,
            example: format!("{{\"protocolVersion\":1,\"provider\":\"{alias}\",\"ids\":[\"ID\"]}}"),
            settings,
        };
        let json_only = flag("jsonOnly").unwrap_or(true);
        Ok(Self { alias: alias.clone(), program: Arc::new(program), json_only })
    }
}

/// Who may set a provider up must not choose what code a permitted program loads.
fn environment(
    alias: &ProviderAlias,
    members: &Map<String, Value>,
) -> Result<Vec<(EnvVar, String)>, ProviderError> {
    let mut variables = Vec::new();
    for (name, value) in members.get("env").and_then(Value::as_object).into_iter().flatten() {
        let loads = LOADERS.contains(&name.as_str())
            || LOADERS_BEGIN.iter().any(|with| name.starts_with(with));
        if loads {
            return Err(ProviderError::new(
                Fault::Misconfigured,
                format!("sets {name} in `env`, which decides what code the program loads"),
                format!(
                    "name it in `secrets.providers.{alias}.passEnv` and in \
                     `provider_environment` of broker.toml instead"
                ),
            ));
        }
        if let (Ok(name), Some(value)) = (EnvVar::parse(name), value.as_str()) {
            variables.push((name, value.to_owned()));
        }
    }
    Ok(variables)
}

fn texts<'a>(members: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a str> {
    let items = members.get(key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}

/// Variables that tell the dynamic linker, a shell or an interpreter where to find code.
const LOADERS: [&str; 8] =
    ["PATH", "ENV", "BASH_ENV", "SHELLOPTS", "GCONV_PATH", "GLIBC_TUNABLES", "IFS", "CLASSPATH"];
/// How the rest of them begins.
const LOADERS_BEGIN: [&str; 9] =
    ["LD_", "DYLD_", "PYTHON", "PERL", "RUBY", "NODE_", "BASH_FUNC_", "JAVA_", "JDK_JAVA_"];
const TIME_MS_DEFAULT: u64 = 5000;
const OUTPUT_BYTES_DEFAULT: usize = 1 << 20;
