//! One thing that is not as it should be.

use crate::failure::Failure;
use serde::Serialize;

/// How much care it needs; the most last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Good to know.
    Note,
    /// Somebody should look.
    Warning,
    /// Something does not work.
    Broken,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// For programs; never changes its meaning.
    pub(super) code: &'static str,
    /// How much care it needs.
    pub(super) severity: Severity,
    /// What it is about: a file, an agent, a secret.
    pub(super) subject: String,
    /// In words.
    pub(super) problem: String,
    /// Command or change that mends it.
    pub(super) fix: String,
}

impl Finding {
    pub(super) fn new(
        code: &'static str,
        severity: Severity,
        subject: impl Into<String>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let (subject, problem, fix) = (subject.into(), problem.into(), fix.into());
        Self { code, severity, subject, problem, fix }
    }

    /// Of what kept us from looking further.
    pub(super) fn of(code: &'static str, subject: &str, failure: &Failure) -> Self {
        let (problem, fix) = failure.first();
        let fix = fix.unwrap_or_else(|| "see the broker's log".to_owned());
        Self::new(code, Severity::Broken, subject, problem, fix)
    }

    /// As people read it.
    pub(super) fn line(&self) -> String {
        let icon = match self.severity {
            Severity::Note => "·",
            Severity::Warning => "⚠️",
            Severity::Broken => "❌",
        };
        let Self { code, subject, problem, fix, .. } = self;
        format!("{icon} {code}: {subject}: {}. Fix: {fix}", problem.trim_end_matches('.'))
    }
}
