//! OpenClaw resolves its secrets when it starts and when it is asked to, and never by itself: a
//! new value is in use only after somebody asked. Its answer says how many warnings there were;
//! none means that every one of its refs is fresh, and only that is taken for a reload.
//!
//! The gateway is asked by its own protocol ([`gateway`]), or by `openclaw secrets reload --json`
//! ([`program`]) where the sidecar may run it.

mod gateway;
mod program;

pub use gateway::Gateway;
pub(super) use gateway::ask;
pub(super) use program::run;

use super::Permits;
use serde_json::Value;

/// What its answer `{"ok": true, "warningCount": 0}` comes to.
fn verdict(answer: &Value) -> Result<(), String> {
    if answer.get("ok") == Some(&Value::Bool(false)) {
        return Err("it says that its reload failed; its log says why".to_owned());
    }
    match answer.get("warningCount").and_then(Value::as_u64) {
        Some(0) => Ok(()),
        Some(count) => Err(format!(
            "it reloaded with warnings ({count}), so not all of its refs are fresh; its log names \
             them. Fix: openclaw secrets audit --check --allow-exec"
        )),
        None => Err("it does not say that all of its refs are fresh (warningCount)".to_owned()),
    }
}

/// What OpenClaw says of a failure, fit for one line of a status.
fn printable(said: &str) -> String {
    let plain = said.chars().map(|it| if it.is_control() { ' ' } else { it });
    plain.take(REASON_CHARS_MAX).collect::<String>().trim().to_owned()
}

const REASON_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests;
