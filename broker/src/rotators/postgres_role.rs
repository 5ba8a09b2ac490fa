//! The password of a role of a Postgres; or of two roles that take turns, so that the one which is
//! in use is never touched.
//!
//! | setting | default | |
//! | --- | --- | --- |
//! | `address` | required | `HOST:PORT/DATABASE`, where the credential is used |
//! | `users` | required | the role, or the two that take turns |
//! | `form` | `url` for two, `password` for one | how it is written: `password`, `url`, `json` |
//! | `length` | 32 | characters of the password, 12 to 128 |
//! | `secrets.admin` | required | URL of a role that may alter these |
//! | `secrets.ca` | the host's authorities | PEM of the authority of the server's certificate |
//!
//! The server is given a SCRAM verifier, so the password is in none of its logs.

mod link;
mod value;
mod verifier;

use super::{Credential, Minted, OwnSecrets, RotatorError, Task, random::Random};
use link::{Link, Refusal};
use secretref_domain::{name::RotatorAlias, rotation::RotatorSpec, value::SecretValue};
use serde_json::{Value, json};
use value::{Form, Login};
use zeroize::Zeroizing;

/// A role, or two.
pub struct PostgresRole {
    alias: RotatorAlias,
    link: Link,
    users: Users,
    form: Form,
    passwords: Random,
}

enum Users {
    One(String),
    Two([String; 2]),
}

impl PostgresRole {
    pub(super) fn open(
        alias: &RotatorAlias,
        spec: &RotatorSpec,
        own: &OwnSecrets,
    ) -> Result<Self, RotatorError> {
        let wrong = |key: &str, why: &str| {
            let fix = format!("set `secrets.rotators.{alias}.{key}` and apply again");
            RotatorError::lasting(alias, format!("has a `{key}` that {why}"), fix)
        };
        let text = |key: &str| spec.settings.get(key).and_then(Value::as_str);
        let named = spec.settings.get("users").and_then(Value::as_array);
        let named: Vec<String> =
            named.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        // Longer ones are cut by the server, to what may be another role.
        let is_role =
            |name: &String| (1..=ROLE_BYTES_MAX).contains(&name.len()) && !name.contains('\0');
        let users = match named.as_slice() {
            [one] if is_role(one) => Users::One(one.clone()),
            [one, other] if is_role(one) && is_role(other) && one != other => {
                Users::Two([one.clone(), other.clone()])
            }
            _ => return Err(wrong("users", "names no role, one twice, or more than two")),
        };
        let form = match (text("form"), &users) {
            (None, Users::One(_)) | (Some("password"), Users::One(_)) => Form::Password,
            (Some("password"), Users::Two(_)) => {
                return Err(wrong("form", "has no room for which of two roles it is"));
            }
            (None, Users::Two(_)) | (Some("url"), _) => Form::Url,
            (Some("json"), _) => Form::Json,
            (Some(_), _) => return Err(wrong("form", "is none of password, url and json")),
        };
        let length = spec.settings.get("length").and_then(Value::as_u64).unwrap_or(LENGTH_DEFAULT);
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            return Err(wrong("length", "is not between 12 and 128"));
        }
        let passwords = json!({"length": length});
        let passwords = Random::of(alias, passwords.as_object().unwrap_or(&spec.settings))?;
        let address = text("address").unwrap_or_default();
        let link = Link::open(alias, address, own)?;
        Ok(Self { alias: alias.clone(), link, users, form, passwords })
    }

    pub(super) fn overlaps(&self) -> bool {
        matches!(self.users, Users::Two(_))
    }

    pub(super) fn mint(&self, task: &Task) -> Result<Minted, RotatorError> {
        let user = self.next(&task.old)?;
        let password = self.passwords.draw()?;
        let login = Login { user: user.clone(), password };
        let value = self.form.written(&login, self.link.place());
        let value = SecretValue::new(value.as_bytes().to_vec()).map_err(|error| {
            let fix = format!("shorten `secrets.rotators.{}.address`", self.alias);
            RotatorError::lasting(&self.alias, format!("made a value that is none: {error}"), fix)
        })?;
        Ok(Minted { value, expires_at: None, handle: Some(user) })
    }

    pub(super) async fn set(&self, new: &Credential) -> Result<(), RotatorError> {
        let login = self.login(new)?;
        self.alter(&login.user, &with_password(&login.password)?).await
    }

    pub(super) async fn test(&self, credential: &Credential) -> Result<(), RotatorError> {
        let login = self.login(credential)?;
        self.link.try_login(&login).await.map_err(|refusal| match refusal {
            Refusal::NotLetIn => {
                let (alias, user) = (&self.alias, &login.user);
                let message = format!("was refused with the credential of role {user:?}");
                RotatorError::refusal(alias, message, format!("look at pg_hba.conf for {user}"))
            }
            other => self.link.told(other, &login.user),
        })
    }

    pub(super) async fn revoke(&self, task: &Task) -> Result<(), RotatorError> {
        match &self.users {
            // It ended when the new one was set.
            Users::One(_) => Ok(()),
            Users::Two(_) => {
                let login = self.login(&task.old)?;
                self.alter(&login.user, NO_LOGIN).await
            }
        }
    }

    pub(super) async fn withdraw(
        &self,
        task: &Task,
        new: Option<&Credential>,
    ) -> Result<(), RotatorError> {
        // What was minted and not sealed nobody has set.
        let Some(new) = new else { return Ok(()) };
        match &self.users {
            Users::One(user) => {
                let old = self.login(&task.old)?;
                self.alter(user, &with_password(&old.password)?).await
            }
            Users::Two(_) => self.alter(&self.login(new)?.user, NO_LOGIN).await,
        }
    }

    /// The role that is to have the new credential: of two, the one that does not have the old.
    fn next(&self, old: &Credential) -> Result<String, RotatorError> {
        match &self.users {
            Users::One(user) => Ok(user.clone()),
            Users::Two([one, other]) => match self.login(old)?.user {
                user if user == *one => Ok(other.clone()),
                _ => Ok(one.clone()),
            },
        }
    }

    /// Role and password of a value.
    fn login(&self, credential: &Credential) -> Result<Login, RotatorError> {
        let sole = match &self.users {
            Users::One(user) => Some(user.as_str()),
            Users::Two(_) => None,
        };
        let known = |login: &Login| match &self.users {
            Users::One(user) => login.user == *user,
            Users::Two(users) => users.contains(&login.user),
        };
        let found = self.form.read(credential.value.expose(), sole).filter(known);
        found.ok_or_else(|| {
            let form = self.form.as_str();
            let message = format!("cannot read the value as `{form}` of one of its `users`");
            let fix = format!(
                "put the first value in that form, or correct `secrets.rotators.{}`",
                self.alias
            );
            RotatorError::lasting(&self.alias, message, fix)
        })
    }

    async fn alter(&self, role: &str, how: &str) -> Result<(), RotatorError> {
        let statement = Zeroizing::new(format!("ALTER ROLE {} WITH {how}", quoted(role)));
        let altered = self.link.run(&statement).await;
        altered.map_err(|refusal| self.link.told(refusal, role))
    }
}

/// A clause that lets a role in with a password.
fn with_password(password: &str) -> Result<Zeroizing<String>, RotatorError> {
    let verifier = verifier::of(password);
    Ok(Zeroizing::new(format!("LOGIN PASSWORD {}", literal(&verifier).as_str())))
}

/// A name as SQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL quotes it, whatever `standard_conforming_strings` says.
fn literal(text: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")))
}

const NO_LOGIN: &str = "NOLOGIN PASSWORD NULL";
const ROLE_BYTES_MAX: usize = 63;
const LENGTH_DEFAULT: u64 = 32;
const LENGTH_MIN: u64 = 12;
const LENGTH_MAX: u64 = 128;

#[cfg(test)]
mod tests;
