//! Crates: a wall must not be breached.

use super::source::{Finding, Source};

/// A crate and what it may name under `[dependencies]`.
struct Wall {
    manifest: &'static str,
    /// Crates of this workspace that it may depend on.
    own: &'static [&'static str],
    /// Crates of others: all but these are refused where the list is not empty.
    others: &'static [&'static str],
}

const WALLS: [Wall; 10] = [
    Wall {
        manifest: "crates/domain/Cargo.toml",
        own: &[],
        // `json5` and `saphyr-parser` read manifests: text in, events or values out. `croner` reads
        // schedules: an expression and a time in, the next time out. `aws-lc-rs` hashes the audit
        // trail: bytes in, a hash out.
        others: &[
            "aws-lc-rs",
            "aho-corasick",
            "serde",
            "serde_json",
            "json5",
            "saphyr-parser",
            "uuid",
            "croner",
            "jiff",
            "thiserror",
            "zeroize",
            "base64",
        ],
    },
    Wall {
        manifest: "crates/envelope/Cargo.toml",
        own: &["secretref-domain"],
        others: &[
            "serde",
            "serde_json",
            "uuid",
            "thiserror",
            "zeroize",
            "base64",
            "aws-lc-rs",
            "argon2",
        ],
    },
    // Who is speaking, never of what: not even the domain.
    Wall { manifest: "crates/identity/Cargo.toml", own: &[], others: &[] },
    Wall { manifest: "proto/Cargo.toml", own: &["secretref-domain"], others: &[] },
    // Names and numbers of what happens: of values it knows nothing.
    Wall { manifest: "crates/spans/Cargo.toml", own: &["secretref-domain"], others: &[] },
    Wall {
        manifest: "broker/Cargo.toml",
        own: &[
            "secretref-spans",
            "secretref-domain",
            "secretref-envelope",
            "secretref-identity",
            "secretref-proto",
        ],
        others: &[],
    },
    Wall {
        manifest: "sidecar/Cargo.toml",
        own: &["secretref-spans", "secretref-domain", "secretref-identity", "secretref-proto"],
        others: &[],
    },
    Wall {
        manifest: "cli/Cargo.toml",
        own: &["secretref-spans", "secretref-domain", "secretref-identity", "secretref-proto"],
        others: &[],
    },
    // The parsers alone, so that the fuzzer links no server.
    Wall {
        manifest: "crates/testkit/fuzz/Cargo.toml",
        own: &[
            "secretref-domain",
            "secretref-envelope",
            "secretref-identity",
            "secretref-proto",
            "secretref-sidecar",
        ],
        others: &[
            "libfuzzer-sys",
            "prost",
            "prost-types",
            "rustls-pki-types",
            "tokio",
            "tokio-util",
            "uuid",
            "zeroize",
        ],
    },
    Wall {
        manifest: "crates/testkit/Cargo.toml",
        own: &[
            "secretref-domain",
            "secretref-envelope",
            "secretref-identity",
            "secretref-proto",
            "secretref-broker",
            "secretref-sidecar",
        ],
        others: &[],
    },
];

/// Crates that only these manifests may name.
const RESERVED: [(&str, &[&str]); 1] =
    [("sqlx", &["broker/Cargo.toml", "crates/testkit/Cargo.toml"])];

pub(crate) fn dependencies(tree: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in tree.iter().filter(|source| source.path.ends_with("/Cargo.toml")) {
        let Some(wall) = WALLS.iter().find(|wall| wall.manifest == source.path) else {
            found.push(source.finding(0, "this crate has no wall: add it to WALLS"));
            continue;
        };
        for (line, name) in depends_on(&source.text) {
            let own = name.starts_with("secretref");
            let allowed = if own {
                wall.own.contains(&name)
            } else {
                wall.others.is_empty() || wall.others.contains(&name)
            };
            let reserved = RESERVED.iter().any(|(reserved, manifests)| {
                *reserved == name && !manifests.contains(&source.path.as_str())
            });
            if !allowed || reserved {
                let problem = format!("may not depend on `{name}`");
                found.push(Finding { path: source.path.clone(), line, problem });
            }
        }
    }
    found
}

/// Names under `[dependencies]` (not the dev- and build-dependencies), with their lines.
fn depends_on(manifest: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut names = Vec::new();
    for (at, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
        } else if inside && let Some((name, _)) = line.split_once(['.', ' ', '=']) {
            names.push((at + 1, name));
        }
    }
    names
}

/// What the pure crates may not do.
const IMPURE: [&str; 11] = [
    "async fn",
    "tokio",
    "tracing",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "SystemTime",
    "Instant",
    "println",
];

pub(crate) fn purity(tree: &[Source]) -> Vec<Finding> {
    let pure = |source: &&Source| {
        ["crates/domain/src/", "crates/envelope/src/"].iter().any(|at| source.path.starts_with(at))
            && source.is_rust()
            && !source.is_test()
    };
    tree.iter()
        .filter(pure)
        .flat_map(|source| {
            IMPURE.iter().flat_map(|word| {
                source.findings(word, "this crate is pure: no I/O, no clock, nothing to wait for")
            })
        })
        .collect()
}

/// The rooms that speak SQL: the store; and who changes roles of a Postgres of others.
const SPEAK_SQL: [&str; 2] = ["broker/src/store", "broker/src/rotators/postgres_role"];

pub(crate) fn sqlx(tree: &[Source]) -> Vec<Finding> {
    tree.iter()
        .filter(|source| source.is_rust() && !source.path.starts_with("crates/testkit/"))
        .filter(|source| !SPEAK_SQL.iter().any(|room| source.path.starts_with(room)))
        .flat_map(|source| {
            source.findings("sqlx", "SQL is spoken in the store, and to whose roles are rotated")
        })
        .collect()
}

/// The rooms of the broker whose errors go to `main` and nowhere else: nobody tells them apart.
const TOP: [&str; 4] =
    ["broker/src/app", "broker/src/config.rs", "broker/src/health.rs", "broker/src/init"];

pub(crate) fn anyhow(tree: &[Source]) -> Vec<Finding> {
    tree.iter()
        .filter(|source| source.is_rust() && !source.is_test())
        .filter(|source| !source.path.ends_with("/main.rs") && !source.path.starts_with("cli/"))
        .filter(|source| !TOP.iter().any(|room| source.path.starts_with(room)))
        .flat_map(|source| {
            source.findings("anyhow", "errors are enums below `main` and the command line")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breached_wall_is_found() {
        let manifest = "[dependencies]\nsqlx.workspace = true\nsecretref-broker = { path = \"\" }\n\
                        tonic.workspace = true\n[dev-dependencies]\nsecretref-testkit = \"1\"\n";
        let found = dependencies(&[Source::new("sidecar/Cargo.toml", manifest)]);
        let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 3], "{found:?}");
        let found = dependencies(&[Source::new("crates/domain/Cargo.toml", manifest)]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(dependencies(&[Source::new("crates/new/Cargo.toml", "")]).len(), 1);
    }

    #[test]
    fn impure_code_is_found_but_not_in_tests_or_comments() {
        let text = "// tokio\nuse std::fs;\nlet at = Instant::now();\nlet instant = InstantX;";
        let found = purity(&[Source::new("crates/domain/src/x.rs", text)]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(purity(&[Source::new("crates/domain/src/x/tests.rs", text)]).is_empty());
        assert!(purity(&[Source::new("broker/src/x.rs", text)]).is_empty());
    }

    #[test]
    fn sql_and_anyhow_in_the_wrong_place_are_found() {
        let text = "use sqlx::Row;\nuse anyhow::Result;";
        for path in ["broker/src/custody.rs", "sidecar/src/link.rs"] {
            assert_eq!(sqlx(&[Source::new(path, text)]).len(), 1);
            assert_eq!(anyhow(&[Source::new(path, text)]).len(), 1);
        }
        for path in ["broker/src/store.rs", "broker/src/rotators/postgres_role/link.rs"] {
            assert!(sqlx(&[Source::new(path, text)]).is_empty());
        }
        for path in ["broker/src/main.rs", "cli/src/cmd/put.rs"] {
            assert!(anyhow(&[Source::new(path, text)]).is_empty());
        }
    }
}
