//! Every key that a manifest may have, as tables; and the nearest of them to one that it may not.

/// The keys of one kind of object.
#[derive(Debug)]
pub(super) struct Table {
    /// What the object is, in words: `a credential`.
    pub(super) of: &'static str,
    /// Its keys, in the order in which people write them.
    pub(super) keys: &'static [&'static str],
}

pub(super) const FILE: Table = Table {
    of: "a manifest",
    keys: &["agents", "agent", "groups", "refMap", "environments", "openclaw", "secrets", "alerts"],
};
pub(super) const AGENT: Table = Table {
    of: "an agent",
    keys: &[
        "name",
        "description",
        "runtime",
        "groups",
        "capabilities",
        "command",
        "process",
        "dotenv",
        "auth-profiles",
        "tool-bindings",
    ],
};
/// The single form, `agent: {id: …}`: the keys of [`AGENT`] after its name.
pub(super) const SINGLE_AGENT: Table = Table {
    of: "an agent",
    keys: &[
        "id",
        "name",
        "description",
        "runtime",
        "groups",
        "capabilities",
        "command",
        "process",
        "dotenv",
        "auth-profiles",
        "tool-bindings",
    ],
};
pub(super) const GROUP: Table = Table {
    of: "a group",
    keys: &["description", "capabilities", "auth-profiles", "tool-bindings"],
};
pub(super) const PROCESS: Table = Table {
    of: "the `process` of an agent",
    keys: &["inherit", "stopTimeout", "gate", "handOver"],
};
pub(super) const GATE: Table =
    Table { of: "the `gate` of a process", keys: &["alive", "http", "command", "timeout"] };
pub(super) const PROFILE: Table =
    Table { of: "an auth-profile", keys: &["required", "on-failure"] };
pub(super) const BINDING: Table =
    Table { of: "a tool binding", keys: &["required", "credentials"] };
pub(super) const CREDENTIAL: Table = Table {
    of: "a credential",
    keys: &[
        "secretRef",
        "envVar",
        "file",
        "mode",
        "owner",
        "template",
        "onRotate",
        "maxStale",
        "evidence",
        "deprecationDate",
    ],
};
pub(super) const OPENCLAW: Table = Table { of: "`openclaw`", keys: &["gateway"] };
pub(super) const GATEWAY: Table =
    Table { of: "`openclaw.gateway`", keys: &["environment", "secrets"] };
pub(super) const GATEWAY_SECRETS: Table =
    Table { of: "`openclaw.gateway.secrets`", keys: &["refMap", "active-provider"] };
pub(super) const REFERENCE: Table = Table {
    of: "a ref",
    keys: &[
        "provider",
        "target",
        "required",
        "fallback",
        "expiresAt",
        "service",
        "deprecationDate",
        "rotation",
    ],
};
/// What an environment may say of a ref: the keys of [`REFERENCE`], and a path.
pub(super) const OVERRIDE: Table = Table {
    of: "a ref of an environment",
    keys: &[
        "provider",
        "path",
        "target",
        "required",
        "fallback",
        "expiresAt",
        "service",
        "deprecationDate",
        "rotation",
    ],
};
pub(super) const FALLBACK: Table = Table { of: "a fallback", keys: &["provider", "target"] };
pub(super) const ENVIRONMENT: Table = Table { of: "an environment", keys: &["secrets"] };
pub(super) const SECRETS: Table = Table { of: "`secrets`", keys: &["providers", "rotators"] };
pub(super) const ALERTS: Table = Table { of: "`alerts`", keys: &["channels"] };
pub(super) const CHANNEL: Table = Table { of: "an alert channel", keys: &["type", "secretRef"] };

/// Where the type of a provider is not known yet.
pub(super) const PROVIDER: Table = Table { of: "a provider", keys: &["type", "source"] };
pub(super) const STORE: Table = Table { of: "a provider of type `store`", keys: &["type"] };
pub(super) const FILES: Table = Table { of: "a provider of type `file`", keys: &["type", "path"] };
pub(super) const ENV: Table = Table { of: "a provider of type `env`", keys: &["type"] };
pub(super) const VAULT: Table = Table {
    of: "a provider of type `vault`",
    keys: &["type", "address", "mount", "namespace", "caFile", "auth"],
};
pub(super) const VAULT_AUTH: Table = Table {
    of: "the `auth` of a Vault",
    keys: &["method", "mount", "token", "roleId", "secretId"],
};
/// `OpenClaw`'s keys of an exec provider.
pub(super) const EXEC: Table = Table {
    of: "a provider of type `exec`",
    keys: &[
        "type",
        "source",
        "command",
        "args",
        "env",
        "passEnv",
        "timeoutMs",
        "noOutputTimeoutMs",
        "maxOutputBytes",
        "jsonOnly",
        "allowSymlinkCommand",
        "trustedDirs",
    ],
};
pub(super) const AWS: Table = Table {
    of: "a provider of type `aws-secretsmanager`",
    keys: &[
        "type",
        "region",
        "endpoint",
        "caFile",
        "accessKeyId",
        "secretAccessKey",
        "sessionToken",
    ],
};
/// A secret that a provider needs for itself.
pub(super) const PROVIDER_SECRET: Table =
    Table { of: "a provider's own secret", keys: &["secretRef", "file"] };

/// How a ref is rotated.
pub(super) const ROTATION: Table = Table {
    of: "the `rotation` of a ref",
    keys: &[
        "rotator",
        "beforeExpiry",
        "schedule",
        "jitter",
        "window",
        "timeZone",
        "overlap",
        "restartsAtOnce",
    ],
};
/// Where the type of a rotator is not known yet.
pub(super) const ROTATOR: Table = Table { of: "a rotator", keys: &["type"] };
pub(super) const RANDOM_ROTATOR: Table =
    Table { of: "a rotator of type `random`", keys: &["type", "length", "alphabet", "prefix"] };
pub(super) const POSTGRES_ROTATOR: Table = Table {
    of: "a rotator of type `postgres-role`",
    keys: &["type", "address", "users", "form", "length", "secrets"],
};
pub(super) const VAULT_ROTATOR: Table = Table {
    of: "a rotator of type `vault`",
    keys: &[
        "type",
        "address",
        "mount",
        "namespace",
        "caFile",
        "path",
        "role",
        "form",
        "length",
        "alphabet",
        "prefix",
        "secrets",
    ],
};
pub(super) const AWS_ROTATOR: Table = Table {
    of: "a rotator of type `aws-secretsmanager`",
    keys: &[
        "type",
        "secretId",
        "region",
        "endpoint",
        "caFile",
        "accessKeyId",
        "overlaps",
        "secrets",
    ],
};
pub(super) const HTTP_ROTATOR: Table =
    Table { of: "a rotator of type `http`", keys: &["type", "file", "secrets"] };
pub(super) const EXEC_ROTATOR: Table = Table {
    of: "a rotator of type `exec`",
    keys: &["type", "command", "args", "passEnv", "timeoutMs", "overlaps", "secrets"],
};
/// A secret that a rotator needs for itself.
pub(super) const ROTATOR_SECRET: Table =
    Table { of: "a rotator's own secret", keys: &["secretRef"] };

/// Keys that others have and that are never taken here, by table, with the reason.
const NEVER: [(&str, &str, &str); 2] = [
    (
        AWS.of,
        "roleArn",
        "remove it: roles are not assumed. Give a session of the role: `accessKeyId`, \
         `secretAccessKey` and `sessionToken`",
    ),
    (
        AWS.of,
        "profile",
        "remove it: nothing is taken from the broker's host unasked. Give `accessKeyId` and \
         `secretAccessKey`",
    ),
];

/// Every table but those of the providers' settings, to say where a misplaced key belongs.
const PLACES: [&Table; 16] = [
    &FILE,
    &AGENT,
    &GROUP,
    &PROCESS,
    &GATE,
    &PROFILE,
    &BINDING,
    &CREDENTIAL,
    &GATEWAY,
    &GATEWAY_SECRETS,
    &REFERENCE,
    &OVERRIDE,
    &ROTATION,
    &SECRETS,
    &ALERTS,
    &CHANNEL,
];

impl Table {
    /// Whether a key is probably one of this table, misspelt.
    pub(super) fn like(&self, key: &str) -> bool {
        !self.keys.contains(&key) && self.keys.iter().any(|known| alike(key, known))
    }

    /// What to do about a key that is not in this table.
    pub(super) fn advice(&self, key: &str) -> String {
        let never = NEVER.iter().find(|(of, it, _)| *of == self.of && folded(it) == folded(key));
        if let Some((_, _, why)) = never {
            return (*why).to_owned();
        }
        let known = self.keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let Some(near) = nearest(key, self.keys) else {
            return "remove it".into();
        };
        let elsewhere = PLACES.iter().find(|table| table.keys.contains(&key));
        if let Some(place) = elsewhere
            && !alike(key, near)
        {
            return format!("move it: `{key}` is a key of {}; {} has {known}", place.of, self.of);
        }
        let asks = if alike(key, near) { "did you mean" } else { "the nearest known key is" };
        let end = if alike(key, near) { "?" } else { ";" };
        format!("{asks} `{near}`{end} {} has {known}", self.of)
    }
}

/// The word that is nearest to what was given: by its letters first, so that `secret_ref` is
/// `secretRef`, and then as it is written.
pub(super) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let key = |word: &str| (distance(&folded(given), &folded(word)), distance(given, word));
    known.iter().copied().min_by_key(|word| key(word))
}

fn alike(given: &str, known: &str) -> bool {
    distance(&folded(given), &folded(known)) <= known.len().div_ceil(3)
}

fn folded(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours. Keys
/// of more than 64 characters are cut: none that is known is half as long.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(64).collect();
    let other: Vec<char> = other.chars().take(64).collect();
    let width = other.len() + 1;
    let mut cost: Vec<usize> = vec![0; (one.len() + 1) * width];
    for i in 0..=one.len() {
        for j in 0..width {
            let at = i * width + j;
            if i == 0 || j == 0 {
                cost[at] = i + j;
                continue;
            }
            let differs = usize::from(one[i - 1] != other[j - 1]);
            let mut least =
                (cost[at - width] + 1).min(cost[at - 1] + 1).min(cost[at - width - 1] + differs);
            let swapped =
                i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
            if swapped {
                least = least.min(cost[at - 2 * width - 2] + 1);
            }
            cost[at] = least;
        }
    }
    cost.last().copied().unwrap_or_default()
}
