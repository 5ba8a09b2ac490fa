//! An agent's settings on the wire.

use super::field::{FieldError, name, optional};
use crate::v1;
use secretref_domain::agent::{
    AgentSettings, COMMAND_WORD_BYTES_MAX, COMMAND_WORDS_MAX, GateSpec, INHERIT_MAX, ProcessSpec,
    SPAN_MS_MAX,
};

/// Prints settings; nothing where they say nothing, so that a set without any has the digest that
/// it always had.
#[must_use]
pub fn to_settings(settings: &AgentSettings) -> Option<v1::AgentSettings> {
    if *settings == AgentSettings::default() {
        return None;
    }
    let AgentSettings { dotenv, command, process } = settings;
    let gate = process.gate.as_ref().map(|gate| v1::Gate {
        alive_ms: gate.alive_ms,
        http_url: gate.http.as_ref().map(ToString::to_string).unwrap_or_default(),
        command: gate.command.clone(),
        timeout_ms: gate.timeout_ms,
    });
    Some(v1::AgentSettings {
        dotenv_file: dotenv.as_ref().map(ToString::to_string).unwrap_or_default(),
        process: Some(v1::ProcessSettings {
            command: command.clone(),
            inherit: process.inherit.iter().map(ToString::to_string).collect(),
            stop_timeout_ms: process.stop_timeout_ms,
            gate,
            hand_over: process.hand_over,
        }),
    })
}

/// Reads settings; what is absent is as a manifest that is silent.
///
/// # Errors
/// [`FieldError`] for the first field that is outside its limits.
pub fn from_settings(given: Option<&v1::AgentSettings>) -> Result<AgentSettings, FieldError> {
    let Some(given) = given else { return Ok(AgentSettings::default()) };
    let dotenv = optional("dotenv_file", &given.dotenv_file)?;
    let Some(process) = &given.process else {
        return Ok(AgentSettings { dotenv, ..AgentSettings::default() });
    };
    if process.inherit.len() > INHERIT_MAX {
        return Err(FieldError::new("inherit", format!("there may be {INHERIT_MAX}")));
    }
    let inherit: Result<_, FieldError> =
        process.inherit.iter().map(|given| name("inherit", given)).collect();
    Ok(AgentSettings {
        dotenv,
        command: words("command", &process.command)?,
        process: ProcessSpec {
            inherit: inherit?,
            stop_timeout_ms: span("stop_timeout_ms", process.stop_timeout_ms, 0)?,
            gate: process.gate.as_ref().map(gate).transpose()?,
            hand_over: process.hand_over,
        },
    })
}

fn gate(given: &v1::Gate) -> Result<GateSpec, FieldError> {
    Ok(GateSpec {
        alive_ms: span("alive_ms", given.alive_ms, 0)?,
        http: optional("http_url", &given.http_url)?,
        command: words("gate.command", &given.command)?,
        timeout_ms: span("timeout_ms", given.timeout_ms, 1)?,
    })
}

fn words(field: &'static str, given: &[String]) -> Result<Vec<String>, FieldError> {
    let fits = |word: &String| word.len() <= COMMAND_WORD_BYTES_MAX && !word.contains('\0');
    if given.len() > COMMAND_WORDS_MAX || !given.iter().all(fits) {
        let problem = format!(
            "a command has {COMMAND_WORDS_MAX} words of {COMMAND_WORD_BYTES_MAX} bytes at most, \
             without NUL"
        );
        return Err(FieldError::new(field, problem));
    }
    if given.first().is_some_and(String::is_empty) {
        return Err(FieldError::new(field, "the program has no name"));
    }
    Ok(given.to_vec())
}

fn span(field: &'static str, given: i64, least: i64) -> Result<i64, FieldError> {
    if (least..=SPAN_MS_MAX).contains(&given) {
        return Ok(given);
    }
    Err(FieldError::new(field, format!("it is {given}; from {least} to {SPAN_MS_MAX}")))
}

#[cfg(test)]
mod tests;
