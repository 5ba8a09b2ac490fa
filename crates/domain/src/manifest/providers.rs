//! Providers, each checked against the settings of its type, and alert channels. What a provider
//! needs to be let in is a ref or a file, never a value.

use super::{
    Draft, literal,
    problems::{Problems, shown},
    scalar,
    tables::{self, Table},
    walk::{Fields, Node},
};
use crate::{
    alert::{AlertChannel, CHANNELS_MAX, ChannelKind, ChannelName},
    name::{EnvVar, ProviderAlias, SecretName},
    reference::{ProviderKind, ProviderSpec},
};

pub(super) const SETTING_BYTES_MAX: usize = 1024;
pub(super) const ITEMS_MAX: usize = 64;
pub(super) const TIMEOUT_MS_MAX: u64 = 120_000;
pub(super) const OUTPUT_BYTES_MAX: u64 = 20 * 1024 * 1024;
const AUTH_METHODS: [(&str, AuthMethod); 2] =
    [("token", AuthMethod::Token), ("approle", AuthMethod::AppRole)];

/// How Vault knows a client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AuthMethod {
    Token,
    AppRole,
}

/// Reads `secrets.providers`.
pub(super) fn all(node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) {
    for (alias, node) in node.entries("providers by alias", ProviderAlias::parse, problems) {
        let Some(kind) = kind(&alias, &node, problems) else {
            continue;
        };
        let Some(fields) = node.fields(table(kind), problems) else {
            continue;
        };
        match kind {
            ProviderKind::Store | ProviderKind::Env => {}
            ProviderKind::File => texts(&fields, &["path"], problems),
            ProviderKind::Vault => vault(&fields, draft, problems),
            ProviderKind::Exec => exec(&fields, problems),
            ProviderKind::AwsSecretsmanager => {
                texts(&fields, &["region", "endpoint", "caFile", "accessKeyId"], problems);
                url(&fields, "endpoint", problems);
                for key in ["secretAccessKey", "sessionToken"] {
                    secret(&fields, key, draft, problems);
                }
            }
        }
        let mut settings = fields.members().clone();
        settings.retain(|key, _| key != "type" && key != "source");
        draft.providers.insert(alias, ProviderSpec { kind, settings });
    }
}

/// The keys of a type of provider.
pub(super) fn table(kind: ProviderKind) -> &'static Table {
    match kind {
        ProviderKind::Store => &tables::STORE,
        ProviderKind::File => &tables::FILES,
        ProviderKind::Env => &tables::ENV,
        ProviderKind::Vault => &tables::VAULT,
        ProviderKind::Exec => &tables::EXEC,
        ProviderKind::AwsSecretsmanager => &tables::AWS,
    }
}

/// The type of a provider: what it says, else what its alias says.
fn kind(alias: &ProviderAlias, node: &Node<'_>, problems: &mut Problems) -> Option<ProviderKind> {
    let own = ProviderKind::parse(alias.as_str());
    if !node.value.is_object() {
        node.wrong_type("an object (the settings of a provider)", problems);
        return None;
    }
    let member = |key: &str| {
        let value = node.value.get(key)?;
        Some(Node { at: node.at.key(key), value })
    };
    // `OpenClaw` says `source` where a manifest says `type`.
    let said = match (member("type"), member("source")) {
        (Some(said), _) => Some(scalar::word(&said, &ProviderKind::ALL, problems)?),
        (None, Some(source)) if own.is_none_or(|own| own == ProviderKind::Exec) => {
            Some(scalar::word(&source, &[("exec", ProviderKind::Exec)], problems)?)
        }
        (None, _) => None,
    };
    match (said, own) {
        (Some(said), Some(own)) if said != own => {
            let name = own.as_str();
            let problem = format!("the alias `{name}` is the name of a type, and of another one");
            problems.add(&node.at, problem, "give the provider an alias of its own");
            None
        }
        (Some(kind), _) | (None, Some(kind)) => Some(kind),
        (None, None) => {
            let kinds = ProviderKind::ALL.map(|(name, _)| name);
            let known = (&tables::PROVIDER, &kinds[..]);
            untyped(("provider", alias.as_str()), known, node, problems);
            None
        }
    }
}

/// Reports a provider, or a rotator, without a type, and the key that was perhaps to be it.
pub(super) fn untyped(
    (what, alias): (&str, &str),
    (table, kinds): (&Table, &[&'static str]),
    node: &Node<'_>,
    problems: &mut Problems,
) {
    let members = node.value.as_object().into_iter().flatten();
    for (key, _) in members.filter(|(key, _)| table.like(key)) {
        let problem = format!("the key {} is unknown", shown(key));
        problems.add(&node.at.key(key), problem, table.advice(key));
    }
    let near = tables::nearest(alias, kinds).unwrap_or_default();
    let problem = format!("the {what} {alias:?} has no `type`");
    let kinds = kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
    let fix = format!("add a `type`, one of {kinds}; the nearest to its alias is `{near}`");
    problems.add(&node.at, problem, fix);
}

fn vault(fields: &Fields<'_>, draft: &mut Draft, problems: &mut Problems) {
    texts(fields, &["address", "mount", "namespace", "caFile"], problems);
    url(fields, "address", problems);
    let Some(node) = fields.at("auth") else {
        return;
    };
    if node.value.is_string() {
        literal::refuse_setting(&node, "vault-token", problems);
        return;
    }
    let Some(auth) = node.fields(&tables::VAULT_AUTH, problems) else {
        return;
    };
    texts(&auth, &["mount", "roleId"], problems);
    for key in ["token", "secretId"] {
        secret(&auth, key, draft, problems);
    }
    let Some(node) = auth.at("method") else {
        let fix = "add `\"method\": \"token\"` or `\"method\": \"approle\"`";
        problems.add(auth.place(), "the `auth` has no `method`", fix);
        return;
    };
    let (needed, foreign): (&[&str], &[&str]) = match scalar::word(&node, &AUTH_METHODS, problems) {
        Some(AuthMethod::Token) => (&["token"], &["roleId", "secretId", "mount"]),
        Some(AuthMethod::AppRole) => (&["roleId", "secretId"], &["token"]),
        None => return,
    };
    for key in needed.iter().filter(|key| auth.at(key).is_none()) {
        let problem = format!("the `auth` of this method has no `{key}`");
        problems.add(auth.place(), problem, format!("add `{key}`"));
    }
    for node in foreign.iter().filter_map(|key| auth.at(key)) {
        let fix = "remove it, or choose the other `method`";
        problems.add(&node.at, "the key belongs to another method of `auth`", fix);
    }
}

fn exec(fields: &Fields<'_>, problems: &mut Problems) {
    texts(fields, &["command"], problems);
    if let Some(node) = fields.at("source") {
        scalar::word(&node, &[("exec", ())], problems);
    }
    for key in ["jsonOnly", "allowSymlinkCommand"] {
        if let Some(node) = fields.at(key) {
            scalar::flag(&node, problems);
        }
    }
    let numbers = [
        ("timeoutMs", TIMEOUT_MS_MAX),
        ("noOutputTimeoutMs", TIMEOUT_MS_MAX),
        ("maxOutputBytes", OUTPUT_BYTES_MAX),
    ];
    for (key, most) in numbers {
        if let Some(node) = fields.at(key) {
            scalar::number(&node, 1, most, problems);
        }
    }
    for key in ["args", "trustedDirs", "passEnv"] {
        let Some(node) = fields.at(key) else { continue };
        for item in node.items("texts", ITEMS_MAX, problems).unwrap_or_default() {
            if key == "passEnv" {
                scalar::name(&item, EnvVar::parse, problems);
            } else if scalar::prose(&item, SETTING_BYTES_MAX, problems)
                .is_some_and(literal::like_credential)
            {
                literal::refuse_setting(&item, key, problems);
            }
        }
    }
    let Some(node) = fields.at("env") else { return };
    for (name, node) in node.entries("variables by name", EnvVar::parse, problems) {
        let given = scalar::prose(&node, SETTING_BYTES_MAX, problems);
        if literal::names_secret(name.as_str()) || given.is_some_and(literal::like_credential) {
            problems.add(
                &node.at,
                "a value stands in a variable that is for a secret; a manifest holds no values",
                "let the program read it from a file on the broker's host, or name the variable \
                 in `passEnv`, and rotate the credential: it was in a file",
            );
        }
    }
}

/// Settings that are texts, and hold no value.
pub(super) fn texts(fields: &Fields<'_>, keys: &[&str], problems: &mut Problems) {
    for (key, node) in keys.iter().filter_map(|key| fields.at(key).map(|node| (*key, node))) {
        let public = ["accessKeyId", "roleId"].contains(&key);
        if scalar::text(&node, SETTING_BYTES_MAX, problems)
            .is_some_and(|given| !public && literal::like_credential(given))
        {
            literal::refuse_setting(&node, key, problems);
        }
    }
}

fn url(fields: &Fields<'_>, key: &str, problems: &mut Problems) {
    let Some(node) = fields.at(key) else { return };
    let Some(given) = node.value.as_str().filter(|given| !literal::has_password(given)) else {
        return;
    };
    let host = given.strip_prefix("https://").or_else(|| given.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
        let fix = "write it as `https://HOST:PORT`";
        problems.add(&node.at, "it is not an address", fix);
    }
}

/// A secret that a provider needs: `{secretRef: NAME}` or `{file: PATH}`.
fn secret(fields: &Fields<'_>, key: &str, draft: &mut Draft, problems: &mut Problems) {
    let Some(node) = fields.at(key) else { return };
    let literal = node.value.is_string() || node.value.is_number() || node.value.is_boolean();
    if literal || node.value.get("value").is_some() {
        literal::refuse_setting(&node, &format!("provider-{key}"), problems);
        return;
    }
    let Some(source) = node.fields(&tables::PROVIDER_SECRET, problems) else {
        return;
    };
    match (source.at("secretRef"), source.at("file")) {
        (Some(node), None) => draft.used.extend(scalar::secret_name(&node, problems)),
        (None, Some(_)) => texts(&source, &["file"], problems),
        _ => {
            let fix = "write `{\"secretRef\": \"NAME\"}` or `{\"file\": \"PATH\"}`";
            problems.add(&node.at, "it needs one of `secretRef` and `file`", fix);
        }
    }
}

/// Reads `alerts.channels`.
pub(super) fn channels(node: &Node<'_>, draft: &mut Draft, problems: &mut Problems) {
    let entries = node.entries("alert channels by name", ChannelName::parse, problems);
    if entries.len() > CHANNELS_MAX {
        let problem = format!("{} channels are too many: {CHANNELS_MAX} at most", entries.len());
        problems.add(&node.at, problem, "remove those that nobody reads");
    }
    for (name, node) in entries {
        if let Some(channel) = channel(&node, problems) {
            draft.used.extend(channel.secret_ref.clone());
            draft.channels.insert(name, channel);
        }
    }
}

fn channel(node: &Node<'_>, problems: &mut Problems) -> Option<AlertChannel> {
    let literal = ["url", "value", "webhook"].iter().any(|key| node.value.get(key).is_some());
    if node.value.is_string() || literal {
        literal::refuse_setting(node, "alert-webhook", problems);
        return None;
    }
    let fields = node.fields(&tables::CHANNEL, problems)?;
    let secret_ref: Option<SecretName> =
        fields.at("secretRef").and_then(|node| scalar::secret_name(&node, problems));
    let Some(said) = fields.at("type") else {
        let fix = "add a `type`, one of `slack`, `webhook`, `log`";
        problems.add(&node.at, "the channel has no `type`", fix);
        return None;
    };
    let kind = scalar::word(&said, &ChannelKind::ALL, problems)?;
    match (kind, fields.at("secretRef")) {
        (ChannelKind::Log, Some(node)) => {
            problems.add(&node.at, "a log has no address", "remove the `secretRef`");
        }
        (ChannelKind::Slack | ChannelKind::Webhook, None) => {
            let fix = "store the webhook's URL with `secretref put NAME` and add `\"secretRef\": \
                       \"NAME\"`";
            problems.add(&node.at, "the channel has no `secretRef` for its address", fix);
        }
        _ => {}
    }
    Some(AlertChannel { kind, secret_ref })
}
