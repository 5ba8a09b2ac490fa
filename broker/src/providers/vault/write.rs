//! Writing a value back: a new version of its path, which differs in that value alone, and only if
//! the version is still the one that was read (`cas`).

use super::{Answer, FIELD, Newest, Spot, Vault};
use crate::providers::{Place, ProviderError, record};
use secretref_domain::{clock::Timestamp, fault::Fault, value::SecretValue};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

impl Vault {
    /// Writes a value to a place that has one.
    pub(in crate::providers) async fn write(
        &self,
        place: &Place,
        value: &SecretValue,
        expires_at: Option<Timestamp>,
    ) -> Result<(), ProviderError> {
        let spot = Spot::of(place)?;
        let Newest { version, mut fields, .. } = self.newest(&spot).await?;
        let what = self.what(&spot);
        let text = record::text(value.expose(), &what)?;
        if !edit(&mut fields, spot.field.as_deref(), text, expires_at, &what)? {
            return Ok(());
        }
        let body = json!({"options": {"cas": version}, "data": fields});
        let body = Zeroizing::new(body.to_string().into_bytes());
        let path = self.path(&spot);
        let mut answer = self.session.post(&path, &body).await?;
        match answer.status {
            200 => match answer.take("/data/version")?.as_u64() {
                Some(_) => Ok(()),
                None => Err(self.not_kv2()),
            },
            400 if is_mismatch(&answer) => Err(ProviderError::new(
                Fault::Unreachable,
                format!("has {}, which somebody changed at the same time", self.shown(&spot)),
                "try again",
            )),
            401 | 403 => Err(ProviderError::new(
                Fault::Denied,
                format!("answered {} to a write of {}", answer.status, self.shown(&spot)),
                format!(
                    "give the token's policy `update` on {}: bao policy read NAME",
                    path.join("/")
                ),
            )),
            404 => Err(self.no_mount()),
            _ => Err(answer.refusal(&self.settings)),
        }
    }
}

/// Puts a text into its field, or into the record that it is in; whether anything differs then.
fn edit(
    fields: &mut Map<String, Value>,
    field: Option<&str>,
    text: &str,
    expires_at: Option<Timestamp>,
    what: &str,
) -> Result<bool, ProviderError> {
    match (fields.get_mut(field.unwrap_or(FIELD)), field) {
        (Some(Value::Object(inner)), _) if inner.get("value").is_some_and(Value::is_string) => {
            Ok(edit_record(inner, text, expires_at))
        }
        (Some(Value::String(_)), None) => Ok(edit_record(fields, text, expires_at)),
        (Some(Value::String(old)), Some(_)) => {
            let differs = old != text;
            text.clone_into(old);
            Ok(differs)
        }
        _ => Err(record::malformed(what, "neither a text nor a record with a `value`")),
    }
}

/// A record keeps what else it has. When it was made the version says; only where the record says
/// it too, it is said anew.
fn edit_record(record: &mut Map<String, Value>, text: &str, expires_at: Option<Timestamp>) -> bool {
    let end = record.get("expiresAt").and_then(Value::as_str).and_then(Timestamp::parse);
    if record.get("value").and_then(Value::as_str) == Some(text) && end == expires_at {
        return false;
    }
    record.insert("value".to_owned(), text.into());
    if let Some(created_at) = record.get_mut("createdAt") {
        *created_at = record::now().to_string().into();
    }
    match expires_at {
        Some(end) => drop(record.insert("expiresAt".to_owned(), end.to_string().into())),
        None => drop(record.remove("expiresAt")),
    }
    true
}

/// Whether a write was refused since the version is another by now.
fn is_mismatch(answer: &Answer) -> bool {
    let said = answer.json.get("errors").and_then(Value::as_array);
    said.is_some_and(|said| said.iter().any(|it| it.as_str().is_some_and(|it| it.contains(CAS))))
}

/// What both servers say of it.
const CAS: &str = "check-and-set parameter did not match";
