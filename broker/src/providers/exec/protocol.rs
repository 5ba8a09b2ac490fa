//! What is asked and answered. Nothing of an answer ever gets into an error: it may be a value.

use super::settings::Settings;
use crate::providers::{Found, Place, ProviderError, record};
use secretref_domain::{
    exec_protocol, fault::Fault, limit::RESOLVE_ID_BYTES_MAX, name::ProviderAlias,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A value, or why there is none.
type Outcome = Result<Zeroizing<String>, ProviderError>;

/// Outcomes by id.
pub(super) struct Answers(pub(super) BTreeMap<String, Outcome>);

impl Answers {
    /// What an id was answered with.
    pub(super) fn of(&self, id: &str) -> Result<Found, ProviderError> {
        match self.0.get(id) {
            Some(Ok(text)) => {
                record::plain(text.as_bytes().to_vec(), &shown(id), VERSION.to_owned())
            }
            Some(Err(error)) => Err(error.clone()),
            None => Err(ProviderError::new(
                Fault::Unreachable,
                "was not asked: it failed before that",
                "see what it says of the other refs",
            )),
        }
    }

    /// Notes that all of these ids failed.
    pub(super) fn fail(&mut self, ids: &[&str], error: &ProviderError) {
        self.0.extend(ids.iter().map(|id| ((*id).to_owned(), Err(error.clone()))));
    }
}

/// The id of a place, which `OpenClaw` would take too.
pub(super) fn id(place: &Place) -> Result<String, ProviderError> {
    let said = place.path.as_deref().or(place.target.as_deref());
    let id = said.unwrap_or_else(|| place.reference.as_str());
    if exec_protocol::is_id(id) {
        return Ok(id.to_owned());
    }
    Err(ProviderError::new(
        Fault::Misconfigured,
        format!("cannot be asked for {id:?}"),
        format!(
            "write the ref's `target` with letters, digits and `._:/#-`, a letter or digit first, \
             no part `.` or `..`, at most {RESOLVE_ID_BYTES_MAX} characters"
        ),
    ))
}

pub(super) fn request(alias: &ProviderAlias, ids: &[&str]) -> Vec<u8> {
    let request = json!({"protocolVersion": 1, "provider": alias.as_str(), "ids": ids});
    request.to_string().into_bytes()
}

/// Reads an answer: an outcome for each id, or that it is none at all.
pub(super) fn answers(
    output: &[u8],
    ids: &[&str],
    settings: &Settings,
) -> Result<Answers, ProviderError> {
    let output = output.trim_ascii();
    let malformed = |what: &str| {
        ProviderError::new(
            Fault::Malformed,
            format!("{what} ({} bytes)", output.len()),
            format!(
                "let {} answer {{\"protocolVersion\":1,\"values\":{{…}},\"errors\":{{…}}}}",
                settings.program.command.display()
            ),
        )
    };
    if output.is_empty() {
        return Err(malformed("printed nothing"));
    }
    let bare = match ids {
        [id] if !settings.json_only => Some(*id),
        _ => None,
    };
    let mut members = match (serde_json::from_slice(output), bare) {
        (Ok(Value::Object(members)), _) => members,
        (Ok(Value::String(text)), Some(id)) => return Ok(only(id, text)),
        (_, Some(id)) => {
            let text = std::str::from_utf8(output).map_err(|_| malformed("printed no UTF-8"))?;
            return Ok(only(id, text.to_owned()));
        }
        (Ok(_), None) => return Err(malformed("printed JSON that is no object")),
        (Err(_), None) => return Err(malformed("printed no JSON")),
    };
    if members.get("protocolVersion").and_then(Value::as_f64) != Some(1.0) {
        return Err(malformed("answered in another protocol version than 1"));
    }
    let Some(Value::Object(mut values)) = members.remove("values") else {
        return Err(malformed("answered without an object `values`"));
    };
    let errors = match members.remove("errors") {
        None => Map::new(),
        Some(Value::Object(errors)) => errors,
        Some(_) => return Err(malformed("answered with `errors` that are no object")),
    };
    let mut outcome = |id: &str| match (errors.get(id), values.remove(id)) {
        (Some(error), _) => Err(refused(id, error)),
        (None, Some(Value::String(text))) => Ok(Zeroizing::new(text)),
        (None, Some(_)) => Err(malformed(&format!("answered {id:?} with what is no text"))),
        (None, None) => {
            Err(malformed(&format!("answered neither a value nor an error for {id:?}")))
        }
    };
    Ok(Answers(ids.iter().map(|id| ((*id).to_owned(), outcome(id))).collect()))
}

fn only(id: &str, text: String) -> Answers {
    Answers(BTreeMap::from([(id.to_owned(), Ok(Zeroizing::new(text)))]))
}

/// What an error of an id means. Its words are the program's own, which may repeat a value: not
/// even a code that is not known is shown.
fn refused(id: &str, error: &Value) -> ProviderError {
    let shown = shown(id);
    let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
    let (fault, message) = match code {
        "NOT_FOUND" => (Fault::NotFound, format!("has no value for {shown}")),
        "AMBIGUOUS_DUPLICATE_KEY" => {
            (Fault::Malformed, format!("has more than one value for {shown}"))
        }
        "DENIED" | "FORBIDDEN" | "PERMISSION_DENIED" | "UNAUTHORIZED" | "UNAUTHENTICATED" => {
            (Fault::Denied, format!("may not have {shown}"))
        }
        "SEALED" | "LOCKED" => (Fault::Sealed, format!("is locked, and has not {shown}")),
        "TIMEOUT" | "TIMED_OUT" => (Fault::TimedOut, format!("got no {shown} in time")),
        _ => (Fault::Unreachable, format!("failed for {shown}")),
    };
    ProviderError::new(fault, message, "look at where the program gets it from")
}

fn shown(id: &str) -> String {
    format!("the id {id:?}")
}

/// The protocol knows no versions, and nothing of a value may stand for one.
const VERSION: &str = "as answered";

#[cfg(test)]
mod tests;
