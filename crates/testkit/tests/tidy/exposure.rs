//! Where a value may be laid open, and where the environment may be read.

use super::source::{Finding, Source};

/// Files that may call `expose`, each with its reason. A new line here is a decision.
const EXPOSED: [(&str, &str); 46] = [
    ("broker/src/authority/export.rs", "seals the authority's keys for the store"),
    ("broker/src/authority/root.rs", "signs with the authority's keys"),
    ("broker/src/custody/bodies.rs", "shares one body among all who are sent it"),
    ("broker/src/custody/expiry.rs", "reads when a token or a certificate ends"),
    ("broker/src/grpc/admin/agents.rs", "answers with a new join token, once"),
    (
        "broker/src/grpc/admin/secrets.rs",
        "break-glass: the one way for a value to an administrator",
    ),
    ("broker/src/grpc/agent/watch/frame.rs", "puts the body into the frame"),
    ("broker/src/aws/settings.rs", "signs with the broker's own secret access key"),
    ("broker/src/providers/aws_secrets_manager/write.rs", "writes a value back to AWS"),
    ("broker/src/providers/json.rs", "writes a value back into JSON"),
    ("broker/src/rotators/aws_secrets_manager.rs", "compares what AWS has"),
    ("broker/src/providers/file/write.rs", "writes a value back to its file"),
    ("broker/src/providers/vault/write.rs", "writes a value back to Vault"),
    ("broker/src/providers/vault/session.rs", "shows Vault the broker's own token or SecretID"),
    ("broker/src/init.rs", "writes the first administrator's key"),
    ("broker/src/notifiers.rs", "asks at an alert channel's address, which is a secret"),
    ("broker/src/providers/environment.rs", "takes a value out of the broker's environment"),
    ("broker/src/permits/programs/run.rs", "hands a program the variables that it may have"),
    ("broker/src/rotators/exec/protocol.rs", "tells a program what it rotates"),
    ("broker/src/rotators/http.rs", "sees that no value is taken for its handle"),
    (
        "broker/src/rotators/http/template/text.rs",
        "gives credentials to the requests that replace them",
    ),
    ("broker/src/rotators/postgres_role.rs", "reads which role a credential is of"),
    ("broker/src/rotators/postgres_role/link.rs", "connects as who may alter roles"),
    ("broker/src/rotators/vault.rs", "compares what a Vault has, and writes to it"),
    ("broker/src/rotators/vault/link.rs", "shows a Vault the rotator's own token"),
    ("cli/src/profile/files.rs", "writes an administrator's own new key"),
    ("cli/src/cmd/put.rs", "sends what the operator gave"),
    ("crates/domain/src/value.rs", "defines it"),
    ("crates/envelope/src/keyring.rs", "seals it"),
    ("crates/identity/src/credentials/private_key.rs", "defines it for private keys"),
    ("crates/identity/src/join_token.rs", "defines it for join tokens"),
    ("crates/identity/src/request.rs", "signs a certificate request"),
    ("crates/testkit/src/parsers.rs", "prints what the fuzzer made, to read it again"),
    ("sidecar/src/link/enrol.rs", "sends the join token"),
    ("sidecar/src/sinks/files/content.rs", "defines it for files"),
    ("sidecar/src/sinks/files/dotenv.rs", "writes the agent's dotenv file"),
    ("sidecar/src/sinks/files/set_folder.rs", "writes the agent's files"),
    ("sidecar/src/sinks/hooks/openclaw/gateway.rs", "shows OpenClaw's gateway its token"),
    ("sidecar/src/sinks/process/environment.rs", "hands the program its environment"),
    ("sidecar/src/sinks/socket/body.rs", "sends a value to whoever may read it"),
    ("broker/src/custody/matches.rs", "makes the digest that a value is known by"),
    ("broker/src/grpc/agent/resolve.rs", "answers an agent's own program"),
    ("sidecar/src/sinks/socket/resolve.rs", "answers by the exec protocol"),
    ("sidecar/src/sinks/socket/list.rs", "writes the whole set for whoever may read it"),
    ("sidecar/src/sinks/templates/names.rs", "gives values to templates"),
    ("sidecar/src/state/slot.rs", "keeps the sidecar's own key"),
];

pub(crate) fn exposures(tree: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in tree.iter().filter(|source| source.is_rust() && !source.is_test()) {
        if EXPOSED.iter().all(|(path, _)| source.path != *path) {
            let problem = "this file is not in the list of those that may lay a secret open";
            for word in ["expose", "expose_der", "expose_pem"] {
                found.extend(source.findings(word, problem));
            }
        }
    }
    for (path, _) in EXPOSED {
        let used = tree.iter().any(|source| source.path == path && source.code.contains("expose"));
        if !used && tree.len() > 1 {
            let problem = "is in the list of those that may lay a secret open, and does not";
            found.push(Finding { path: path.to_owned(), line: 0, problem: problem.to_owned() });
        }
    }
    found
}

/// Ways to the environment's variables. Arguments and the program's own path are not among them.
const ENVIRONMENT: [&str; 6] =
    ["env::var", "env::var_os", "env::vars", "env::vars_os", "env::set_var", "env::remove_var"];

pub(crate) fn environment(tree: &[Source]) -> Vec<Finding> {
    tree.iter()
        .filter(|source| source.is_rust() && !source.is_test())
        .filter(|source| !source.path.ends_with("/build.rs"))
        .filter(|source| {
            let file = source.path.rsplit('/').next().unwrap_or_default();
            file != "config.rs" && !source.path.contains("/config/")
        })
        // The command line's profile is its configuration.
        .filter(|source| source.path != "cli/src/profile.rs")
        .flat_map(|source| {
            let words = ENVIRONMENT.iter();
            words.flat_map(|word| source.findings(word, "the environment is read in `config`"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposure_that_is_not_listed_is_found() {
        let text = "log(value.expose());\nlet exposed = 1;\nkey.expose_pem(); // expose";
        assert_eq!(exposures(&[Source::new("broker/src/grpc/status.rs", text)]).len(), 2);
        assert!(exposures(&[Source::new("crates/domain/src/value.rs", text)]).is_empty());
        assert!(exposures(&[Source::new("broker/src/grpc/tests.rs", text)]).is_empty());
    }

    #[test]
    fn a_listed_file_that_exposes_nothing_is_found() {
        let quiet = Source::new("crates/domain/src/value.rs", "");
        let other = Source::new("crates/domain/src/name.rs", "");
        assert_eq!(exposures(&[quiet, other]).len(), EXPOSED.len());
    }

    #[test]
    fn reading_the_environment_elsewhere_is_found() {
        let text = "let home = std::env::var(\"HOME\");\nlet own = std::env::current_exe();";
        assert_eq!(environment(&[Source::new("sidecar/src/link.rs", text)]).len(), 1);
        for path in ["sidecar/src/config.rs", "proto/build.rs", "cli/tests/it.rs"] {
            assert!(environment(&[Source::new(path, text)]).is_empty());
        }
    }
}
