//! The escapes of JSON5 strings (ECMAScript 5.1, 7.8.4).

use zeroize::Zeroizing;

/// What stands between quotes, without its escapes. The room is there from the start: a buffer that
/// grows leaves copies behind.
pub(super) fn decoded(raw: &str) -> Result<Zeroizing<String>, &'static str> {
    let mut text = Zeroizing::new(String::with_capacity(raw.len()));
    let mut rest = raw.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match rest.next().ok_or("the string ends in a backslash")? {
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\u{b}'),
            '0' if !rest.as_str().starts_with(|it: char| it.is_ascii_digit()) => text.push('\0'),
            '0'..='9' => return Err("a backslash stands before a digit"),
            'x' => text.push(char::from_u32(hexadecimal(&mut rest, 2)?).ok_or(HALF)?),
            'u' => text.push(unicode(&mut rest)?),
            // A line that goes on: the line end is no part of the string.
            '\r' => {
                if rest.as_str().starts_with('\n') {
                    rest.next();
                }
            }
            '\n' | '\u{2028}' | '\u{2029}' => {}
            other => text.push(other),
        }
    }
    Ok(text)
}

fn unicode(rest: &mut std::str::Chars<'_>) -> Result<char, &'static str> {
    let first = hexadecimal(rest, 4)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).ok_or(HALF);
    }
    if (rest.next(), rest.next()) != (Some('\\'), Some('u')) {
        return Err(HALF);
    }
    let second = hexadecimal(rest, 4)?;
    if !(0xdc00..0xe000).contains(&second) {
        return Err(HALF);
    }
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(HALF)
}

fn hexadecimal(rest: &mut std::str::Chars<'_>, digits: usize) -> Result<u32, &'static str> {
    const WRONG: &str = "an escape lacks a hexadecimal digit";
    (0..digits).try_fold(0, |number, _| {
        let digit = rest.next().and_then(|it| it.to_digit(16)).ok_or(WRONG)?;
        Ok(number * 16 + digit)
    })
}

const HALF: &str = "an escape is half of a surrogate pair";
