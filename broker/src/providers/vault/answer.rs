//! What a Vault answered. Nothing of a body ever gets into an error: it may be a value.

use super::settings::Settings;
use crate::providers::ProviderError;
use secretref_domain::fault::Fault;
use serde_json::Value;

/// An answer that is Vault's: its status, and a JSON object or nothing.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Value,
}

impl Answer {
    /// Takes the body of an answer.
    pub(super) fn read(status: u16, body: &[u8]) -> Result<Self, ProviderError> {
        if (300..400).contains(&status) {
            return Err(ProviderError::new(
                Fault::Malformed,
                "answers with a redirect to another address",
                "set its `address` to the server itself: the token is sent nowhere else",
            ));
        }
        let json = match body {
            [] => Value::Null,
            body => serde_json::from_slice(body).unwrap_or_default(),
        };
        // Who refuses may do it in his own words; what is believed has to be Vault's.
        let believed = matches!(status, 200 | 404);
        if believed && !json.is_object() {
            return Err(Self::malformed(&format!("{status}, and what is no JSON object")));
        }
        Ok(Self { status, json })
    }

    /// A part of it.
    pub(super) fn take(&mut self, pointer: &str) -> Result<Value, ProviderError> {
        let part = self.json.pointer_mut(pointer).map(Value::take).filter(|it| !it.is_null());
        part.ok_or_else(|| Self::malformed(&format!("{}, without its {pointer}", self.status)))
    }

    /// What a status means that is no answer to what was asked.
    pub(super) fn refusal(&self, settings: &Settings) -> ProviderError {
        let fault = match self.status {
            401 | 403 => Fault::Denied,
            // 412: not yet there; 472 and 473: a standby.
            412 | 429 | 472 | 473 | 500.. => Fault::Unreachable,
            _ => Fault::Malformed,
        };
        let message = format!("answered {}", self.status);
        ProviderError::new(fault, message, settings.check_command())
    }

    /// Something that no Vault answers.
    pub(super) fn malformed(what: &str) -> ProviderError {
        ProviderError::new(
            Fault::Malformed,
            format!("answered {what}"),
            "look whether its `address` is that of a Vault or an OpenBao",
        )
    }
}
