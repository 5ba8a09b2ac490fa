//! What is wrong with a value that was pasted: it is of another service, cut off, or has more
//! around it than the credential. No complaint says anything of the value but its kind and its
//! length.

use super::{Check, Kind, begins_as, find, kind_of, of_service};
use crate::placeholder::looks_like_example;

/// Why a value is not what it was said to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Complaint {
    /// It is of a kind that another service issues.
    #[error("the value is a {title} of {found}, not of {said}")]
    OtherService {
        /// What it is.
        title: &'static str,
        /// Whose it is.
        found: &'static str,
        /// Whose it was said to be.
        said: String,
    },
    /// It is public, so no secret.
    #[error(
        "the value is a publishable key of stripe, which is no secret: its secret key begins \
             with sk_ or rk_"
    )]
    Publishable,
    /// It begins as one, and its length or its characters are not those of one.
    #[error(
        "the value begins as a {title} of {service}, and is none: {bytes} characters, where \
             one is written {shape}"
    )]
    Malformed {
        /// What it begins as.
        title: &'static str,
        /// Whose.
        service: &'static str,
        /// How many characters it has.
        bytes: usize,
        /// The shape, in the notation of [`super::shape`].
        shape: &'static str,
    },
    /// Its length is right, and its checksum is not.
    #[error("the checksum of the {title} of {service} is wrong: a character is missing or another")]
    Checksum {
        /// What it is.
        title: &'static str,
        /// Whose.
        service: &'static str,
    },
    /// It is one with something around it.
    #[error("the value is a {title} of {service} with {around} around it")]
    Wrapped {
        /// What is inside.
        title: &'static str,
        /// Whose.
        service: &'static str,
        /// What is around it.
        around: &'static str,
    },
}

/// What is wrong with a value that is said to be of a service; nothing where nothing is known.
/// Examples are none of its business: they are warned of.
#[must_use]
pub fn complaint(value: &[u8], said: Option<&str>) -> Option<Complaint> {
    let value = value.trim_ascii_end();
    if looks_like_example(value) {
        return None;
    }
    if value.starts_with(b"pk_live_") || value.starts_with(b"pk_test_") {
        let stripe = said.is_none_or(|said| said.eq_ignore_ascii_case("stripe"));
        return (stripe && value.len() >= PUBLISHABLE_BYTES_MIN).then_some(Complaint::Publishable);
    }
    if let Some(kind) = kind_of(value) {
        return other_service(kind, said);
    }
    if let Some(wrapped) = wrapped(value) {
        return Some(wrapped);
    }
    let kind = begins_as(value).filter(|kind| !MANY_FORMS.contains(&kind.check))?;
    if let Some(other) = other_service(kind, said) {
        return Some(other);
    }
    let (title, service) = (kind.title, kind.service);
    let shape = kind.shapes.iter().find(|text| value.starts_with(literal(text)));
    let shape = shape.or(kind.shapes.first())?;
    let right = super::shape::Shape::parse(shape).is(value);
    Some(match right {
        true => Complaint::Checksum { title, service },
        false => Complaint::Malformed { title, service, bytes: value.len(), shape },
    })
}

/// Only where both are known: a service of one's own may give out what it likes. What belongs to no
/// one service, such as a URL, fits each.
fn other_service(kind: &Kind, said: Option<&str>) -> Option<Complaint> {
    let said = said?;
    let general = MANY_FORMS.contains(&kind.check);
    let known = of_service(said).next().is_some();
    let same = of_service(said).any(|of| of.service == kind.service);
    (known && !same && !general).then(|| Complaint::OtherService {
        title: kind.title,
        found: kind.service,
        said: said.to_owned(),
    })
}

/// Quotes, or the name that it stood under.
fn wrapped(value: &[u8]) -> Option<Complaint> {
    let inside = match value {
        [first @ (b'"' | b'\'' | b'`'), inner @ .., last] if first == last => (inner, "quotes"),
        _ => {
            let equals = value.iter().position(|byte| *byte == b'=')?;
            let name = &value[..equals];
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ');
            if name.is_empty() || !name.iter().all(plain) {
                return None;
            }
            (&value[equals + 1..], "the name of its variable")
        }
    };
    let (inner, around) = inside;
    let inner = inner.trim_ascii();
    let places = find(inner);
    let kind = places.first().map(|place| place.kind).or_else(|| begins_as(inner))?;
    Some(Complaint::Wrapped { title: kind.title, service: kind.service, around })
}

/// What a shape begins with.
fn literal(shape: &str) -> &[u8] {
    shape.split('<').next().unwrap_or_default().as_bytes()
}

/// What comes in more forms than the table has, and belongs to no one service.
const MANY_FORMS: [Check; 3] = [Check::Url, Check::Jwt, Check::PrivateKey];
const PUBLISHABLE_BYTES_MIN: usize = 20;

#[cfg(test)]
mod tests;
