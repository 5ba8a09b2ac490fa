//! `user:group` to numbers.

use std::{fs::File, io::Read};

/// Who a file is given to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

impl Owner {
    /// Takes `user`, `user:group` or their numbers. Digits are always a number, so that no
    /// account can take the place of one.
    ///
    /// # Errors
    /// What is wrong with it, for a message that names the file and the owner.
    pub(super) fn parse(given: &str, accounts: &mut Accounts) -> Result<Self, &'static str> {
        let (user, group) = match given.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (given, None),
        };
        if user.is_empty() || group == Some("") {
            return Err("it must be `user`, `user:group`, or numbers such as 1000:1000");
        }
        let uid = match number(user)? {
            Some(uid) => uid,
            None => accounts.user(user)?,
        };
        let gid =
            match group.map(|group| Ok::<_, &'static str>((group, number(group)?))).transpose()? {
                None => None,
                Some((_, Some(gid))) => Some(gid),
                Some((group, None)) => Some(accounts.group(group)?),
            };
        Ok(Self { uid: Some(uid), gid })
    }
}

/// The system's accounts, read when first asked for and at most once for a set.
#[derive(Default)]
pub(super) struct Accounts {
    passwd: Option<String>,
    group: Option<String>,
}

impl Accounts {
    fn user(&mut self, name: &str) -> Result<u32, &'static str> {
        find(load(&mut self.passwd, "/etc/passwd")?, name).ok_or(
            "/etc/passwd has no such user; make it, or give a number (accounts of a directory \
             service are not looked up)",
        )
    }

    fn group(&mut self, name: &str) -> Result<u32, &'static str> {
        find(load(&mut self.group, "/etc/group")?, name).ok_or(
            "/etc/group has no such group; make it, or give a number (groups of a directory \
             service are not looked up)",
        )
    }
}

/// A number where all are digits. The highest is refused: to chown(2) it means "unchanged".
fn number(given: &str) -> Result<Option<u32>, &'static str> {
    if !given.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match given.parse() {
        Ok(u32::MAX) | Err(_) => Err("a number must be from 0 to 4294967294"),
        Ok(number) => Ok(Some(number)),
    }
}

fn load<'a>(cache: &'a mut Option<String>, path: &str) -> Result<&'a str, &'static str> {
    if cache.is_none() {
        let mut text = String::new();
        let read = File::open(path)
            .and_then(|file| file.take(ACCOUNTS_BYTES_MAX).read_to_string(&mut text));
        if read.is_err() {
            return Err("the system's list of accounts cannot be read; give a number");
        }
        *cache = Some(text);
    }
    Ok(cache.as_deref().unwrap_or_default())
}

/// The number of a name. A line of passwd(5) and of group(5) starts with
/// `name:password:number:`; the first line of a name counts.
fn find(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let id = fields.nth(1)?.parse().ok()?;
        (found && id != u32::MAX).then_some(id)
    })
}

const ACCOUNTS_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
