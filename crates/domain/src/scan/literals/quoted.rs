//! What stands in quotes.

use super::Format;
use zeroize::Zeroizing;

/// One quoted piece.
pub(super) struct Piece {
    /// What it means.
    pub(super) value: Zeroizing<String>,
    /// Bytes of the opening quote.
    pub(super) quote: usize,
    /// Where its last byte inside the quotes ends.
    pub(super) inner_end: usize,
    /// Where it ends with its quotes.
    pub(super) end: usize,
}

/// Reads from the opening quote; none where it is not closed on its line. Only `\` at the end of a
/// line and threefold quotes go beyond one: a single apostrophe must not swallow the rest.
pub(super) fn read(text: &str, start: usize, format: Format) -> Option<Piece> {
    let quote = text[start..].chars().next()?;
    let threefold: String = [quote; 3].iter().collect();
    let long = format == Format::Json && text[start..].starts_with(&threefold);
    let closing = if long { threefold.as_str() } else { &threefold[..1] };
    let inner = start + closing.len();
    let ansi = format == Format::Shell && text[..start].ends_with('$');
    let raw = quote == '\'' && format != Format::Json && !ansi;
    let mut value = Zeroizing::new(String::with_capacity(64));
    let mut rest = &text[inner..];
    loop {
        let at = text.len() - rest.len();
        if rest.starts_with(closing) {
            if raw && format == Format::Yaml && rest.starts_with("''") {
                value.push('\'');
                rest = &rest[2..];
                continue;
            }
            return Some(Piece {
                value,
                quote: closing.len(),
                inner_end: at,
                end: at + closing.len(),
            });
        }
        let next = rest.chars().next()?;
        if next == '\n' && !long || value.len() > super::LITERAL_BYTES_MAX {
            return None;
        }
        if next == '\\' && !raw {
            rest = escape(&rest[1..], format == Format::Shell && !ansi, &mut value)?;
        } else {
            value.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
}

/// Takes what follows a `\`, and gives back what is left.
fn escape<'t>(rest: &'t str, shell: bool, value: &mut String) -> Option<&'t str> {
    let next = rest.chars().next()?;
    let after = &rest[next.len_utf8()..];
    let plain = |value: &mut String, c: char| {
        value.push(c);
        Some(after)
    };
    match next {
        '\n' if shell => Some(after),
        '\n' => Some(after.trim_start_matches([' ', '\t'])),
        '\r' => Some(after.strip_prefix('\n').unwrap_or(after)),
        'n' => plain(value, '\n'),
        't' => plain(value, '\t'),
        'r' => plain(value, '\r'),
        _ if shell && !matches!(next, '"' | '\\' | '$' | '`') => {
            value.push('\\');
            plain(value, next)
        }
        'x' => number(after, 2, value),
        'u' => number(after, 4, value),
        'U' => number(after, 8, value),
        _ => plain(value, next),
    }
}

/// A character by its number; two halves of a pair stand for one.
fn number<'t>(rest: &'t str, digits: usize, value: &mut String) -> Option<&'t str> {
    let read = |text: &str| text.get(..digits).and_then(|it| u32::from_str_radix(it, 16).ok());
    let Some(first) = read(rest) else { return Some(rest) };
    let after = &rest[digits..];
    if (0xD800..0xDC00).contains(&first)
        && let Some(pair) = after.strip_prefix("\\u")
        && let Some(second) = read(pair).filter(|it| (0xDC00..0xE000).contains(it))
    {
        let both = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        value.push(char::from_u32(both).unwrap_or('\u{fffd}'));
        return Some(&pair[digits..]);
    }
    value.push(char::from_u32(first).unwrap_or('\u{fffd}'));
    Some(after)
}
