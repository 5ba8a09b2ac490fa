//! How a credential of a role is written.
//!
//! | form | looks like |
//! | --- | --- |
//! | `password` | the password alone |
//! | `url` | `postgres://USER:PASSWORD@HOST:PORT/DATABASE` |
//! | `json` | `{"username", "password", "host", "port", "dbname"}`, as AWS writes it |

use reqwest::Url;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// How a credential is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Password,
    Url,
    Json,
}

/// A role and its password.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Where {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
}

impl Form {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Url => "url",
            Self::Json => "json",
        }
    }

    pub(super) fn written(self, login: &Login, place: &Where) -> Zeroizing<String> {
        let Login { user, password } = login;
        let Where { host, port, database } = place;
        match self {
            Self::Password => password.clone(),
            Self::Url => {
                // Passwords of ours are letters and digits; names of roles may be anything.
                let [user, database] = [user, database].map(|part| encoded(part));
                let password = Zeroizing::new(encoded(password));
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let password = password.as_str();
                Zeroizing::new(format!("postgres://{user}:{password}@{host}:{port}/{database}"))
            }
            Self::Json => {
                let password = password.as_str();
                let json = json!({
                    "username": user, "password": password, "host": host, "port": port,
                    "dbname": database, "engine": "postgres",
                });
                Zeroizing::new(json.to_string())
            }
        }
    }

    /// Role and password of a value; `sole` is the role of one that does not say.
    pub(super) fn read(self, value: &[u8], sole: Option<&str>) -> Option<Login> {
        let text = std::str::from_utf8(value).ok()?.trim_end_matches(['\r', '\n']);
        match self {
            Self::Password => {
                let password = Zeroizing::new(text.to_owned());
                Some(Login { user: sole?.to_owned(), password })
            }
            Self::Url => {
                let url = Url::parse(text).ok()?;
                let known = ["postgres", "postgresql"].contains(&url.scheme());
                let password = Zeroizing::new(decoded(url.password().filter(|_| known)?)?);
                Some(Login { user: decoded(url.username())?, password })
            }
            Self::Json => {
                let mut json: Value = serde_json::from_str(text).ok()?;
                let mut take = |key: &str| match json.get_mut(key).map(Value::take) {
                    Some(Value::String(text)) => Some(text),
                    _ => None,
                };
                let password = Zeroizing::new(take("password")?);
                Some(Login { user: take("username")?, password })
            }
        }
    }
}

/// A part of a URL, with everything but letters, digits and `-._~` as `%XX`.
fn encoded(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let byte = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    part.bytes().map(byte).collect()
}

fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let pair = [*high, *low];
                let pair = std::str::from_utf8(&pair).ok()?;
                bytes.push(u8::from_str_radix(pair, 16).ok()?);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}
