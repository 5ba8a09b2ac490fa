//! What holds of a credential besides its shape: checksums, and what is inside.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// What holds besides the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Nothing more.
    None,
    /// The last six characters are the CRC-32 of what follows the first `_`, in base 62: what
    /// GitHub and npm write ("Behind GitHub's new authentication token formats", 2021).
    Crc62,
    /// A JSON Web Token: the header is JSON and names an algorithm (RFC 7519).
    Jwt,
    /// A Discord bot's token: its first part is the bot's number in base64.
    Snowflake,
    /// A URL with a password before its host that is no variable.
    Url,
    /// A private key in PEM, which ends as it begins (RFC 7468).
    PrivateKey,
    /// There is a digit, and a letter: a word alone is none.
    Mixed,
}

impl Check {
    /// Whether it holds of these bytes, whose shape is right.
    #[must_use]
    pub fn passes(self, value: &[u8]) -> bool {
        match self {
            Self::None => true,
            Self::Crc62 => crc62(value),
            Self::Jwt => jwt(value),
            Self::Snowflake => snowflake(value),
            Self::Url => password(value).is_some_and(|it| !stands_for_another(it)),
            Self::PrivateKey => value.windows(5).filter(|it| it == b"-----").count() >= 4,
            Self::Mixed => {
                value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic)
            }
        }
    }
}

/// Base-62 digits of a checksum, six of them, as GitHub orders them.
#[must_use]
pub(crate) fn crc62_digits(body: &[u8]) -> [u8; 6] {
    let mut left = crc32(body);
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(left % 62) as usize];
        left /= 62;
    }
    digits
}

fn crc62(value: &[u8]) -> bool {
    let Some(begins) = value.iter().position(|byte| *byte == b'_') else { return false };
    match value[begins + 1..].split_last_chunk::<6>() {
        Some((body, digits)) => crc62_digits(body) == *digits,
        None => false,
    }
}

/// CRC-32 of ISO-HDLC, bit by bit: the few bytes of a token are worth no table.
fn crc32(bytes: &[u8]) -> u32 {
    let fold = |crc: u32, byte: &u8| {
        let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        (0..8).fold(crc ^ u32::from(*byte), step)
    };
    !bytes.iter().fold(u32::MAX, fold)
}

fn jwt(value: &[u8]) -> bool {
    let header = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).ok();
    let header = header.and_then(|it| serde_json::from_slice::<serde_json::Value>(&it).ok());
    header.is_some_and(|it| it.get("alg").is_some_and(serde_json::Value::is_string))
}

fn snowflake(value: &[u8]) -> bool {
    let first = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    let number = URL_SAFE_NO_PAD.decode(first);
    number.is_ok_and(|it| (17..=20).contains(&it.len()) && it.iter().all(u8::is_ascii_digit))
}

/// The password of a URL.
pub(super) fn password(url: &[u8]) -> Option<&[u8]> {
    let start = url.windows(3).position(|it| it == b"://")? + 3;
    let end = url.iter().position(|byte| *byte == b'@')?;
    let user = url.get(start..end)?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    Some(&user[colon + 1..])
}

/// `$NAME`, `${NAME}`, `{{ name }}`, `<name>`, `%s`, `***`: not a password but its place; and the
/// words that everybody takes.
fn stands_for_another(password: &[u8]) -> bool {
    let text = String::from_utf8_lossy(password).to_ascii_lowercase();
    let begins = ["$", "{", "<", "[", "%s", "%(", "*", "...", "…"];
    let word = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    text.is_empty()
        || begins.iter().any(|it| text.starts_with(it))
        || text.bytes().all(|byte| byte == b'x')
        || TAKEN.contains(&word)
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Passwords of everybody's examples.
const TAKEN: [&str; 16] = [
    "password", "passwd", "pass", "pwd", "pw", "p", "secret", "user", "username", "postgres",
    "root", "admin", "guest", "test", "token", "key",
];

#[cfg(test)]
mod tests;
