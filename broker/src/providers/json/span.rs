//! Where a value stands in JSON text. The text has been parsed before: what is no JSON has no
//! spans.

use std::ops::Range;

/// A member of an object: its key, and where its value stands.
pub(super) type Member = (String, Range<usize>);

/// Where a target's value stands: a key of the whole, or a pointer (RFC 6901); the whole where
/// there is none.
pub(super) fn find(json: &str, target: Option<&str>) -> Option<Range<usize>> {
    let whole = Scan { json, at: 0 }.value()?;
    let Some(target) = target else { return Some(whole) };
    let Some(pointer) = target.strip_prefix('/') else {
        return last(&members(json, whole)?, target);
    };
    pointer.split('/').try_fold(whole, |at, token| {
        let token = token.replace("~1", "/").replace("~0", "~");
        match json.as_bytes().get(at.start)? {
            b'{' => last(&members(json, at)?, &token),
            b'[' => elements(json, at)?.get(index(&token)?).cloned(),
            _ => None,
        }
    })
}

/// The value of a key. Where it stands twice the last one counts, as it does for whoever reads it.
pub(super) fn last(members: &[Member], key: &str) -> Option<Range<usize>> {
    members.iter().rev().find(|(name, _)| name == key).map(|(_, span)| span.clone())
}

/// The members of the object that stands there.
pub(super) fn members(json: &str, object: Range<usize>) -> Option<Vec<Member>> {
    let mut scan = Scan { json, at: object.start };
    scan.take(b'{')?;
    let mut members = Vec::new();
    while scan.peek()? != b'}' {
        let key = scan.value()?;
        let key = serde_json::from_str(json.get(key)?).ok()?;
        scan.take(b':')?;
        members.push((key, scan.value()?));
        if scan.peek()? == b',' {
            scan.at += 1;
        }
    }
    Some(members)
}

fn elements(json: &str, array: Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut scan = Scan { json, at: array.start };
    scan.take(b'[')?;
    let mut elements = Vec::new();
    while scan.peek()? != b']' {
        elements.push(scan.value()?);
        if scan.peek()? == b',' {
            scan.at += 1;
        }
    }
    Some(elements)
}

/// The number of an element, which has one spelling.
fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| plain)
}

struct Scan<'j> {
    json: &'j str,
    at: usize,
}

impl Scan<'_> {
    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while self.byte()?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.byte()
    }

    fn byte(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        let found = self.peek()? == wanted;
        self.at += 1;
        found.then_some(())
    }

    /// Passes over a value of any kind, however deep.
    fn value(&mut self) -> Option<Range<usize>> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => self.text()?,
            b'{' | b'[' => self.nested()?,
            _ => {
                let ends = |it: u8| it.is_ascii_whitespace() || b",]}".contains(&it);
                while self.byte().is_some_and(|it| !ends(it)) {
                    self.at += 1;
                }
            }
        }
        Some(start..self.at)
    }

    fn text(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.byte()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }

    fn nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.byte()? {
                b'"' => self.text()?,
                b'{' | b'[' => (depth, self.at) = (depth + 1, self.at + 1),
                b'}' | b']' => (depth, self.at) = (depth - 1, self.at + 1),
                _ => self.at += 1,
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
