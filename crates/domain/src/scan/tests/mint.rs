//! Makes up keys of a kind, by its shape and its check, always the same ones from the same seed.

use crate::service::{
    Check, Kind,
    check::crc62_digits,
    shape::{Part, Shape, holds},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Numbers that look drawn by lot: SplitMix64.
pub(super) struct Lot(u64);

impl Lot {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    /// Characters of a class.
    pub(super) fn run(&mut self, class: u8, count: usize) -> String {
        let all: Vec<u8> = (b' '..=b'~').filter(|byte| holds(class, *byte)).collect();
        (0..count).map(|_| char::from(all[self.below(all.len())])).collect()
    }
}

/// A key of the kind, in the numbered one of its shapes.
pub(super) fn key(kind: &Kind, shape: usize, lot: &mut Lot) -> String {
    loop {
        let key = checked(kind, &drawn(&Shape::parse(kind.shapes[shape]), lot), lot);
        if kind.check.passes(key.as_bytes()) {
            return key;
        }
    }
}

fn drawn(shape: &Shape, lot: &mut Lot) -> String {
    let mut key = String::new();
    for part in shape.parts() {
        match part {
            Part::Literal(text) => key.push_str(str::from_utf8(text).unwrap()),
            Part::Run { class, least, most } => {
                // No key has all the length that its shape leaves room for.
                let count = least + lot.below((most - least).min(60) + 1);
                let last = key.len() + count;
                key.push_str(&lot.run(*class, count));
                // What ends in a hyphen or begins with one cannot be told from the text around it.
                let edge = |byte: u8| byte.is_ascii_alphanumeric() || b"=".contains(&byte);
                if count > 0 && !edge(key.as_bytes()[last - 1]) {
                    key.pop();
                    key.push('7');
                }
            }
        }
    }
    key
}

/// The same with what the check asks for.
fn checked(kind: &Kind, key: &str, lot: &mut Lot) -> String {
    match kind.check {
        Check::Crc62 => {
            let begins = key.find('_').unwrap() + 1;
            let body = &key[begins..key.len() - 6];
            let digits = crc62_digits(body.as_bytes());
            format!("{}{}", &key[..key.len() - 6], str::from_utf8(&digits).unwrap())
        }
        Check::Jwt => {
            let header = URL_SAFE_NO_PAD.encode("{\"alg\":\"HS256\",\"typ\":\"JWT\"}");
            format!("{header}{}", &key[key.find('.').unwrap()..])
        }
        Check::Snowflake => {
            let first = key.find('.').unwrap();
            let number = URL_SAFE_NO_PAD.encode(format!("1{}", lot.run(b'd', first * 3 / 4 - 1)));
            format!("{number}{}", &key[first..])
        }
        Check::Url => {
            let scheme = key.find("://").unwrap() + 3;
            let (user, password) = (lot.run(b't', 6), lot.run(b'b', 14));
            format!("{}{user}:{password}@db.internal:5432/app", &key[..scheme])
        }
        _ => key.to_owned(),
    }
}
