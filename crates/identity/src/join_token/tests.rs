use super::*;

fn token() -> JoinToken {
    JoinToken::new(Zeroizing::new(std::array::from_fn(|at| at as u8 * 7 + 3)), [0xa5; 32])
}

fn refused(text: &str) -> TokenError {
    match JoinToken::parse(text) {
        Ok(_) => panic!("was taken: {text}"),
        Err(error) => error,
    }
}

#[test]
fn a_token_is_read_as_it_was_written() {
    let text = token().expose();
    assert_eq!(text.len(), TOKEN_CHARS);
    let read = JoinToken::parse(&text).unwrap();
    assert_eq!(*read.secret, *token().secret);
    assert_eq!(read.fingerprint(), [0xa5; 32]);
    assert_eq!(read.hash(), token().hash());
    assert_eq!(*read.expose(), *text);
}

#[test]
fn the_format_stays_as_it_is() {
    let text = JoinToken::new(Zeroizing::new([0; 32]), [0xff; 32]).expose();
    // Written by another program: base64.b32encode(...).decode().lower().rstrip("=").
    assert_eq!(*text, FIXED);
}

#[test]
fn every_single_changed_character_is_refused() {
    let text = token().expose();
    for at in 0..text.len() {
        for other in (0..=0x7f_u8).map(char::from).chain(['é', '\u{0661}']) {
            if text[at..].starts_with(other) {
                continue;
            }
            refused(&format!("{}{other}{}", &text[..at], &text[at + 1..]));
        }
    }
}

#[test]
fn a_token_has_one_spelling() {
    let text = token().expose();
    assert_eq!(refused(""), TokenError::Prefix);
    assert_eq!(refused(&text.to_uppercase()), TokenError::Prefix);
    assert_eq!(refused(&format!(" {}", *text)), TokenError::Prefix);
    assert_eq!(refused(&format!("{}\n", *text)), TokenError::Length(TOKEN_CHARS + 1));
    assert_eq!(refused(&format!("{}=", *text)), TokenError::Length(TOKEN_CHARS + 1));
    assert_eq!(refused(&text[..text.len() - 1]), TokenError::Length(TOKEN_CHARS - 1));
    let upper = format!("srj_{}", text[4..].to_uppercase());
    assert!(matches!(refused(&upper), TokenError::Character { at: 5.. }));
}

#[test]
fn another_version_is_named() {
    let mut bytes = [0; TOKEN_BYTES];
    bytes[0] = 2;
    let sum = sha256(&bytes[..BODY_BYTES]);
    bytes[BODY_BYTES..].copy_from_slice(&sum[..CHECKSUM_BYTES]);
    assert_eq!(refused(&encode(&bytes)), TokenError::Version(2));
}

#[test]
fn the_hash_depends_on_the_secret_alone() {
    let secret = || Zeroizing::new([7; 32]);
    let here = JoinToken::new(secret(), [1; 32]).hash();
    assert_eq!(here, JoinToken::new(secret(), [2; 32]).hash());
    assert_ne!(here, JoinToken::new(Zeroizing::new([8; 32]), [1; 32]).hash());
    assert_ne!(here, sha256(&[7; 32]));
}

#[test]
fn no_error_quotes_the_token() {
    let text = token().expose();
    let mut changed = text.as_bytes().to_vec();
    for at in 0..changed.len() {
        changed[at] ^= 1;
        if let Ok(given) = std::str::from_utf8(&changed) {
            let said = refused(given).to_string();
            assert!(
                !text.as_bytes()[4..]
                    .windows(8)
                    .any(|part| { said.contains(std::str::from_utf8(part).unwrap()) })
            );
        }
        changed[at] ^= 1;
    }
}

const FIXED: &str = "srj_aeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab777\
    777777777777777777777777777777777777777777777777xrvzioy";
