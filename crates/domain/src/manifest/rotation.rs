//! How refs are rotated, and the rotators that know how.

use super::{
    Draft, literal,
    problems::Problems,
    providers::{ITEMS_MAX, SETTING_BYTES_MAX, texts, untyped},
    scalar,
    tables::{self, Table},
    walk::{Fields, Node},
};
use crate::{
    limit::{ROTATION_SECONDS_MAX, SCHEDULE_BYTES_MAX, TIME_ZONE_BYTES_MAX},
    name::{EnvVar, RotatorAlias, SecretName},
    rotation::{RotationPolicy, RotatorKind, RotatorSpec},
    schedule::{Schedule, is_zone_name},
};

/// Longest random value, in characters.
pub(super) const LENGTH_MAX: u64 = 4096;
/// Longest time that a step may take, in milliseconds: less than it is waited for as a whole.
pub(super) const STEP_MS_MAX: u64 = 55_000;
/// Settings that are texts.
const TEXTS: [&str; 14] = [
    "alphabet",
    "prefix",
    "address",
    "mount",
    "namespace",
    "caFile",
    "path",
    "role",
    "file",
    "command",
    "secretId",
    "region",
    "endpoint",
    "accessKeyId",
];
/// Most agents that are restarted at a time.
pub(super) const RESTARTS_MAX: u64 = 10_000;
/// How the value of a database role is written.
pub(super) const FORMS: [(&str, ()); 3] = [("password", ()), ("url", ()), ("json", ())];

/// Reads the `rotation` of a ref.
pub(super) fn policy(node: &Node<'_>, problems: &mut Problems) -> Option<RotationPolicy> {
    let fields = node.fields(&tables::ROTATION, problems)?;
    let at = |key| fields.at(key);
    let alias = match at("rotator") {
        Some(node) => scalar::name(&node, RotatorAlias::parse, problems),
        None => {
            let fix = "add `\"rotator\": \"ALIAS\"`, one of `secrets.rotators`";
            problems.add(fields.place(), "the rotation names no `rotator`", fix);
            None
        }
    };
    let mut seconds = |key, default| match at(key) {
        Some(node) => scalar::span_ms(&node, 0, ROTATION_SECONDS_MAX * 1000, problems)
            .map_or(default, |ms| ms / 1000),
        None => default,
    };
    let silent = RotationPolicy::of(alias.clone().unwrap_or_else(placeholder));
    let before_expiry_seconds = seconds("beforeExpiry", silent.before_expiry_seconds);
    let jitter_seconds = seconds("jitter", silent.jitter_seconds);
    let overlap_seconds = seconds("overlap", silent.overlap_seconds);
    let schedule = at("schedule").and_then(|node| cron(&node, problems));
    let window = at("window").and_then(|node| cron(&node, problems));
    let time_zone = at("timeZone").and_then(|node| zone(&node, problems));
    let restarts = at("restartsAtOnce").and_then(|node| {
        scalar::number(&node, 1, RESTARTS_MAX, problems);
        usize::try_from(node.value.as_u64()?).ok()
    });
    Some(RotationPolicy {
        rotator: alias?,
        before_expiry_seconds,
        schedule,
        jitter_seconds,
        window,
        time_zone: time_zone.unwrap_or(silent.time_zone),
        overlap_seconds,
        restarts_at_once: restarts.unwrap_or(silent.restarts_at_once),
    })
}

/// Only for the defaults of a policy that is refused.
fn placeholder() -> RotatorAlias {
    RotatorAlias::parse("none").unwrap_or_else(|_| unreachable!("a constant"))
}

fn cron(node: &Node<'_>, problems: &mut Problems) -> Option<String> {
    let given = scalar::text(node, SCHEDULE_BYTES_MAX, problems)?;
    match Schedule::parse(given) {
        Ok(schedule) => Some(schedule.as_str().to_owned()),
        Err(error) => {
            let fix = "write five fields, as \"0 3 1 */3 *\" for three o'clock on the first day \
                       of every third month";
            problems.add(&node.at, format!("it is no schedule: {}", error.why), fix);
            None
        }
    }
}

fn zone(node: &Node<'_>, problems: &mut Problems) -> Option<String> {
    let given = scalar::text(node, TIME_ZONE_BYTES_MAX, problems)?;
    if is_zone_name(given) && jiff::tz::TimeZone::get(given).is_ok() {
        return Some(given.to_owned());
    }
    problems.add(
        &node.at,
        "there is no such time zone",
        "write `UTC`, `Europe/Berlin` or the like",
    );
    None
}

/// Reads `secrets.rotators`.
pub(super) fn rotators(node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) {
    for (alias, node) in node.entries("rotators by alias", RotatorAlias::parse, problems) {
        let Some(kind) = kind(&alias, &node, problems) else { continue };
        let Some(fields) = node.fields(table(kind), problems) else { continue };
        settings(kind, &fields, draft, problems);
        let mut settings = fields.members().clone();
        settings.retain(|key, _| key != "type");
        draft.rotators.insert(alias, RotatorSpec { kind, settings });
    }
}

/// The keys of a type of rotator.
pub(super) fn table(kind: RotatorKind) -> &'static Table {
    match kind {
        RotatorKind::Random => &tables::RANDOM_ROTATOR,
        RotatorKind::PostgresRole => &tables::POSTGRES_ROTATOR,
        RotatorKind::Vault => &tables::VAULT_ROTATOR,
        RotatorKind::AwsSecretsmanager => &tables::AWS_ROTATOR,
        RotatorKind::Http => &tables::HTTP_ROTATOR,
        RotatorKind::Exec => &tables::EXEC_ROTATOR,
    }
}

/// The type of a rotator: what it says, else what its alias says.
fn kind(alias: &RotatorAlias, node: &Node<'_>, problems: &mut Problems) -> Option<RotatorKind> {
    if !node.value.is_object() {
        node.wrong_type("an object (the settings of a rotator)", problems);
        return None;
    }
    let own = RotatorKind::parse(alias.as_str());
    let Some(value) = node.value.get("type") else {
        if own.is_none() {
            let kinds = RotatorKind::ALL.map(|(name, _)| name);
            let known = (&tables::ROTATOR, &kinds[..]);
            untyped(("rotator", alias.as_str()), known, node, problems);
        }
        return own;
    };
    let said = Node { at: node.at.key("type"), value };
    let said = scalar::word(&said, &RotatorKind::ALL, problems)?;
    if own.is_some_and(|own| own != said) {
        let problem = format!("the alias `{alias}` is the name of a type, and of another one");
        problems.add(&node.at, problem, "give the rotator an alias of its own");
        return None;
    }
    Some(said)
}

fn settings(kind: RotatorKind, fields: &Fields<'_>, draft: &mut Draft, problems: &mut Problems) {
    texts(fields, &TEXTS, problems);
    if let Some(node) = fields.at("overlaps") {
        scalar::flag(&node, problems);
    }
    for (key, most) in [("length", LENGTH_MAX), ("timeoutMs", STEP_MS_MAX)] {
        if let Some(node) = fields.at(key) {
            scalar::number(&node, 1, most, problems);
        }
    }
    if let Some(node) = fields.at("form") {
        scalar::word(&node, &FORMS, problems);
    }
    for key in ["users", "args"] {
        let Some(node) = fields.at(key) else { continue };
        let most = if key == "users" { 2 } else { ITEMS_MAX };
        for item in node.items("texts", most, problems).unwrap_or_default() {
            let given = scalar::prose(&item, SETTING_BYTES_MAX, problems);
            if given.is_some_and(literal::like_credential) {
                literal::refuse_setting(&item, key, problems);
            }
        }
    }
    if let Some(node) = fields.at("passEnv") {
        for item in node.items("names of variables", ITEMS_MAX, problems).unwrap_or_default() {
            scalar::name(&item, EnvVar::parse, problems);
        }
    }
    if let Some(node) = fields.at("secrets") {
        for (name, node) in node.entries("secrets by name", own_name, problems) {
            own_secret(&name, &node, draft, problems);
        }
    }
    let needed: &[&str] = match kind {
        RotatorKind::Random => &[],
        RotatorKind::PostgresRole => &["address", "users", "secrets"],
        RotatorKind::Vault => &["address", "secrets"],
        RotatorKind::AwsSecretsmanager => &["secretId", "region", "accessKeyId", "secrets"],
        RotatorKind::Http => &["file"],
        RotatorKind::Exec => &["command"],
    };
    let (path, role) = (fields.at("path"), fields.at("role"));
    if kind == RotatorKind::Vault && path.is_some() == role.is_some() {
        let problem = "a rotator of type `vault` has either a `path` or a `role`";
        problems.add(fields.place(), problem, "keep the one that it is to replace");
    }
    for key in needed.iter().filter(|key| fields.at(key).is_none()) {
        let problem = format!("a rotator of type `{}` needs `{key}`", kind.as_str());
        problems.add(fields.place(), problem, format!("add `{key}`"));
    }
}

/// A name by which a rotator calls a secret of its own: that of a ref, so that it is no value.
fn own_name(given: &str) -> Result<SecretName, crate::name::NameError> {
    SecretName::parse(given)
}

fn own_secret(name: &SecretName, node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) {
    if !node.value.is_object() || node.value.get("value").is_some() {
        literal::refuse_setting(node, &format!("rotator-{name}"), problems);
        return;
    }
    let Some(fields) = node.fields(&tables::ROTATOR_SECRET, problems) else { return };
    match fields.at("secretRef") {
        Some(node) => draft.used.extend(scalar::secret_name(&node, problems)),
        None => {
            let fix = "write `{\"secretRef\": \"NAME\"}`";
            problems.add(&node.at, "it has no `secretRef`", fix);
        }
    }
}
