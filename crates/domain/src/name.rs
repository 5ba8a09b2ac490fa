//! Names. A name is refused unless it is in its grammar already: nothing is normalised, so two
//! spellings are never one thing.

mod copy;

use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {given:?} is not a valid name: {why}. A {kind} is {grammar}")]
pub struct NameError {
    /// What kind of name it was to be.
    pub kind: &'static str,
    /// What was given, cut to 128 characters.
    pub given: String,
    /// What is wrong with it.
    pub why: &'static str,
    /// What is right.
    pub grammar: &'static str,
}

/// Which characters may stand where.
struct Grammar {
    bytes_max: usize,
    first: fn(u8) -> bool,
    rest: fn(u8) -> bool,
}

impl Grammar {
    fn check(&self, given: &str) -> Result<(), &'static str> {
        let bytes = given.as_bytes();
        let Some((first, rest)) = bytes.split_first() else {
            return Err("it is empty");
        };
        if bytes.len() > self.bytes_max {
            return Err("it is too long");
        }
        if !(self.first)(*first) {
            return Err("its first character is not allowed there");
        }
        if !rest.iter().all(|byte| (self.rest)(*byte)) {
            return Err("it has a character that is not allowed");
        }
        if given.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err("it has an empty, `.` or `..` segment");
        }
        Ok(())
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $grammar:literal, $rule:expr) => {
        name!($(#[$doc])* $type, $kind, $grammar, $rule, parse);
    };
    // With how it is read back from where only the broker has written it.
    ($(#[$doc:meta])* $type:ident, $kind:literal, $grammar:literal, $rule:expr, $kept:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// The grammar: a regular expression, perhaps with words after it.
            pub const GRAMMAR: &'static str = $grammar;

            /// Takes a name that is in the grammar.
            ///
            /// # Errors
            /// [`NameError`] where it is not.
            pub fn parse(given: &str) -> Result<Self, NameError> {
                match $rule.check(given) {
                    Ok(()) => Ok(Self(given.into())),
                    Err(why) => Err(NameError {
                        kind: $kind,
                        given: given.chars().take(128).collect(),
                        why,
                        grammar: Self::GRAMMAR,
                    }),
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(given: &str) -> Result<Self, NameError> {
                Self::parse(given)
            }
        }
        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(given: String) -> Result<Self, NameError> {
                Self::$kept(&given)
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }
        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

name!(
    /// Name of a secret or of a ref.
    SecretName,
    "secret name",
    "[a-z0-9][a-z0-9._/-]{0,127} without an empty, `.` or `..` segment",
    Grammar {
        bytes_max: 128,
        first: lower_or_digit,
        rest: |byte| lower_or_digit(byte) || b"._/-".contains(&byte)
    },
    parse_kept
);
name!(
    /// Name of an agent.
    AgentName,
    "agent name",
    "[a-z0-9][a-z0-9._-]{0,63}",
    Grammar {
        bytes_max: 64,
        first: lower_or_digit,
        rest: |byte| lower_or_digit(byte) || b"._-".contains(&byte)
    }
);
name!(
    /// Name of a group of agents.
    GroupName,
    "group name",
    "[a-z0-9][a-z0-9._-]{0,63}",
    Grammar {
        bytes_max: 64,
        first: lower_or_digit,
        rest: |byte| lower_or_digit(byte) || b"._-".contains(&byte)
    }
);
name!(
    /// Name of an administrator.
    AdminName,
    "administrator's name",
    "[a-z0-9][a-z0-9._-]{0,63}",
    Grammar {
        bytes_max: 64,
        first: lower_or_digit,
        rest: |byte| lower_or_digit(byte) || b"._-".contains(&byte)
    }
);
name!(
    /// Name of an environment.
    EnvironmentName,
    "environment name",
    "[a-z0-9][a-z0-9._-]{0,63}",
    Grammar {
        bytes_max: 64,
        first: lower_or_digit,
        rest: |byte| lower_or_digit(byte) || b"._-".contains(&byte)
    }
);
name!(
    /// Alias of a provider.
    ProviderAlias,
    "provider alias",
    "[a-z][a-z0-9_-]{0,63}",
    Grammar {
        bytes_max: 64,
        first: |byte| byte.is_ascii_lowercase(),
        rest: |byte| lower_or_digit(byte) || b"_-".contains(&byte)
    }
);
name!(
    /// Alias of a rotator.
    RotatorAlias,
    "rotator alias",
    "[a-z][a-z0-9_-]{0,63}",
    Grammar {
        bytes_max: 64,
        first: |byte| byte.is_ascii_lowercase(),
        rest: |byte| lower_or_digit(byte) || b"_-".contains(&byte)
    }
);
name!(
    /// Name of a tool.
    ToolName,
    "tool name",
    "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    Grammar {
        bytes_max: 64,
        first: |byte| byte.is_ascii_alphanumeric(),
        rest: |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
    }
);
name!(
    /// Key of a credential inside a tool.
    CredentialKey,
    "credential key",
    "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}",
    Grammar {
        bytes_max: 64,
        first: |byte| byte.is_ascii_alphanumeric() || byte == b'_',
        rest: |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
    }
);
name!(
    /// Name of a file in the secrets folder. Starts with no dot, so it can hide nothing and be no
    /// part of the folder's own machinery; has no slash, so it can lead nowhere.
    FileName,
    "file name",
    "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}",
    Grammar {
        bytes_max: 128,
        first: |byte| byte.is_ascii_alphanumeric() || byte == b'_',
        rest: |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
    }
);
name!(
    /// Name of an environment variable.
    EnvVar,
    "environment variable",
    "[A-Za-z_][A-Za-z0-9_]{0,127}",
    Grammar {
        bytes_max: 128,
        first: |byte| byte.is_ascii_alphabetic() || byte == b'_',
        rest: |byte| byte.is_ascii_alphanumeric() || byte == b'_'
    }
);

#[cfg(test)]
mod tests;
