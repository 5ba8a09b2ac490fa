//! `?wait=30s&version=7`: which version the client has, and how long it waits for another.

use secretref_domain::version::Version;
use std::time::Duration;

/// Longest wait of one request.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What was asked for beyond the name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// What the client has; `Some(None)` is nothing, written as 0.
    pub(super) has: Option<Option<Version>>,
    /// How long it waits.
    pub(super) wait: Duration,
}

impl Query {
    /// # Errors
    /// What is wrong.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, String> {
        let mut query = Self::default();
        let mut seen = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if seen.contains(&key) {
                return Err(format!("{key:?} is given twice"));
            }
            seen.push(key);
            match key {
                "version" => query.has = Some(version(value)?),
                "wait" => query.wait = wait(value)?,
                _ => return Err("there is no such parameter".to_owned()),
            }
        }
        if !query.wait.is_zero() && query.has.is_none() {
            return Err("`wait` needs `version`, the one that you have (0 for none)".to_owned());
        }
        Ok(query)
    }

    /// Whether the client has this version already.
    pub(super) fn knows(&self, version: Version) -> bool {
        self.has == Some(Some(version))
    }
}

fn version(given: &str) -> Result<Option<Version>, String> {
    let wrong = || "`version` is a number from 0 on".to_owned();
    if given.is_empty() || !given.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    match given.parse::<i64>() {
        Ok(number) => Ok(Version::new(number)),
        Err(_) => Err(wrong()),
    }
}

fn wait(given: &str) -> Result<Duration, String> {
    let digits = given.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = given.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let parsed = number.parse::<u64>().ok().zip(unit_ms).and_then(|(n, ms)| n.checked_mul(ms));
    let wait = parsed.map(Duration::from_millis).filter(|wait| *wait <= WAIT_MAX);
    wait.ok_or_else(|| "`wait` is a number with ms, s or m, 60s at most".to_owned())
}

#[cfg(test)]
mod tests;
