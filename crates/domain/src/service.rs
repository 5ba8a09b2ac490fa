//! Which service a credential is for, where nobody says so: by its shape, else by its name.

use crate::name::SecretName;

/// How credentials of well-known services begin. Of several that fit, the first one counts.
const SHAPES: [(&[u8], &str); 31] = [
    (b"sk_live_", "stripe"),
    (b"sk_test_", "stripe"),
    (b"rk_live_", "stripe"),
    (b"rk_test_", "stripe"),
    (b"whsec_", "stripe"),
    (b"sk-ant-", "anthropic"),
    (b"sk-or-", "openrouter"),
    (b"sk-proj-", "openai"),
    (b"xoxb-", "slack"),
    (b"xoxp-", "slack"),
    (b"xoxa-", "slack"),
    (b"xoxs-", "slack"),
    (b"xoxe.", "slack"),
    (b"xapp-", "slack"),
    (b"https://hooks.slack.com/", "slack"),
    (b"ghp_", "github"),
    (b"gho_", "github"),
    (b"ghs_", "github"),
    (b"ghu_", "github"),
    (b"ghr_", "github"),
    (b"github_pat_", "github"),
    (b"glpat-", "gitlab"),
    (b"npm_", "npm"),
    (b"AKIA", "aws"),
    (b"ASIA", "aws"),
    (b"AIza", "google"),
    (b"hvs.", "vault"),
    (b"SG.", "sendgrid"),
    (b"postgres://", "postgres"),
    (b"postgresql://", "postgres"),
    (b"hf_", "huggingface"),
];

/// The service that a value of this shape is for.
#[must_use]
pub fn of_shape(value: &[u8]) -> Option<&'static str> {
    SHAPES.iter().find(|(begins, _)| value.starts_with(begins)).map(|(_, service)| *service)
}

/// The service that a name speaks of: its first word.
#[must_use]
pub fn of_name(name: &SecretName) -> &str {
    name.as_str().split(['-', '_', '.', '/', '@']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
