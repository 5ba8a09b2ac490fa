//! Whether characters look drawn by lot: a second opinion, where a name says "secret" already.

/// Whether a value looks drawn by lot. One that a person may have chosen needs less.
pub(super) fn drawn(value: &str, chosen: bool) -> bool {
    let bytes = value.as_bytes();
    let (bytes_min, bits_min) = if chosen { (8, 2.5) } else { (16, 3.0) };
    if bytes.len() < bytes_min || bytes.len() > BYTES_MAX || !value.is_ascii() {
        return false;
    }
    if bytes.iter().any(u8::is_ascii_whitespace) || bits(bytes) < bits_min {
        return false;
    }
    let has = |class: fn(&u8) -> bool| usize::from(bytes.iter().any(class));
    let digits = has(u8::is_ascii_digit);
    let letters = has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase);
    // Words are joined by hyphens and dots; what is drawn has digits, or changes case in between.
    digits + letters >= 2 && (digits > 0 || changes_case(bytes)) && !is_words(value)
}

/// Shannon entropy in bits a character.
fn bits(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let length = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    let part = |count: &u32| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(part).sum()
}

/// More changes from lower to upper case than camel case has.
fn changes_case(bytes: &[u8]) -> bool {
    let changes =
        bytes.windows(2).filter(|it| it[0].is_ascii_lowercase() != it[1].is_ascii_lowercase());
    changes.count() * 3 > bytes.len()
}

/// `payment-service-token-v2`, `PAYMENT_TOKEN_1`: words and numbers, each whole.
fn is_words(value: &str) -> bool {
    let mut pieces = value.split(['-', '_', '.', '/', ':', ' ']);
    let whole = |piece: &str| {
        let bytes = piece.as_bytes();
        let letters = bytes.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let rest = &bytes[letters..];
        let case = bytes[..letters].iter().skip(1).all(u8::is_ascii_lowercase)
            || bytes[..letters].iter().all(u8::is_ascii_uppercase);
        case && rest.len() <= 2 && rest.iter().all(u8::is_ascii_digit) || letters == 0
    };
    let separated = value.contains(['-', '_', '.', '/', ':']);
    separated && value.bytes().any(|byte| byte.is_ascii_alphabetic()) && pieces.all(whole)
}

const BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests;
