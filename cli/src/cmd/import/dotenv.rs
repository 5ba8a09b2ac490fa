//! The syntax of `.env` files, as most programs agree on it.
//!
//! ```text
//! # a comment                       until the end of the line, after white space too
//! export NAME=value                 `export` is optional; white space around both sides goes
//! NAME='as it stands'               or in backquotes; may span lines
//! NAME="\n \r \t \\ \" \$ \`"       any other backslash stays; may span lines
//! ```
//! Nothing is expanded: `$OTHER` stays as it is. No error repeats anything but the name of a
//! variable: a value may stand anywhere in a file that is wrong.

use secretref_domain::{
    limit::VALUE_BYTES_MAX,
    name::EnvVar,
    value::{SecretValue, ValueError},
};
use zeroize::Zeroizing;

/// Variables of one file.
pub(in crate::cmd) const VARIABLES_MAX: usize = 1_000;
/// Problems that one answer lists.
const PROBLEMS_MAX: usize = 32;

/// One variable.
pub(in crate::cmd) struct Variable {
    /// Its name.
    pub(in crate::cmd) name: EnvVar,
    /// Its value.
    pub(in crate::cmd) value: SecretValue,
    /// Whether the value ends with a line end, which is seldom meant.
    pub(in crate::cmd) ends_with_newline: bool,
    /// Line that it begins at, from 1.
    pub(in crate::cmd) line: usize,
}

/// What is wrong, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cmd) struct Problem {
    /// Line that it is at, from 1.
    pub(in crate::cmd) line: usize,
    /// What is wrong.
    pub(in crate::cmd) what: String,
    /// What to do.
    pub(in crate::cmd) fix: &'static str,
}

/// Reads a file; all that is wrong with it, where anything is.
pub(in crate::cmd) fn parse(text: &str) -> Result<Vec<Variable>, Vec<Problem>> {
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let (mut variables, mut problems): (Vec<Variable>, Vec<Problem>) = Default::default();
    while problems.len() < PROBLEMS_MAX {
        match reader.next() {
            Some(Ok(variable)) if variables.len() < VARIABLES_MAX => {
                problems.extend(twice(&variables, &variable));
                variables.push(variable);
            }
            Some(Ok(Variable { line, .. })) => {
                let what = format!("the file has more than {VARIABLES_MAX} variables");
                problems.push(Problem { line, what, fix: "split it into several files" });
                break;
            }
            Some(Err(problem)) => problems.push(problem),
            None => break,
        }
    }
    if problems.is_empty() { Ok(variables) } else { Err(problems) }
}

fn twice(variables: &[Variable], variable: &Variable) -> Option<Problem> {
    let Variable { name, line, .. } = variable;
    let first = variables.iter().find(|other| other.name == *name)?;
    let what = format!("{name} stands at line {} too", first.line);
    Some(Problem { line: *line, what, fix: "keep one of the two" })
}

/// What is left of a file.
struct Reader<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Reader<'t> {
    /// The next variable, over blank lines and comments.
    fn next(&mut self) -> Option<Result<Variable, Problem>> {
        loop {
            self.skip_blank();
            if self.rest.is_empty() {
                return None;
            }
            if !self.rest.starts_with(['#', '\n']) {
                return Some(self.variable());
            }
            self.skip_line();
        }
    }

    fn variable(&mut self) -> Result<Variable, Problem> {
        let line = self.line;
        let read = self.assignment(line);
        if read.is_err() {
            // What follows is read on its own, so that its problems are told too.
            self.skip_line();
        }
        let (name, value) = read?;
        let ends_with_newline = value.ends_with(b"\n");
        let mut value = value;
        let value = SecretValue::new(std::mem::take(&mut *value)).map_err(|error| match error {
            ValueError::Empty => Problem {
                line,
                what: format!("{name} has no value"),
                fix: "give it one, or put a # before the line",
            },
            ValueError::TooLong(_) => Problem {
                line,
                what: format!("{name} has more than {VALUE_BYTES_MAX} bytes"),
                fix: "keep the large thing elsewhere, and its key here",
            },
        })?;
        Ok(Variable { name, value, ends_with_newline, line })
    }

    fn assignment(&mut self, line: usize) -> Result<(EnvVar, Zeroizing<Vec<u8>>), Problem> {
        const FORM: &str = "write it as NAME=value";
        let problem = |what: &str, fix| Problem { line, what: what.to_owned(), fix };
        let own = self.rest.split('\n').next().unwrap_or_default();
        let Some((before, _)) = own.split_once('=') else {
            return Err(problem("the line is no variable: it has no `=`", FORM));
        };
        let name = before.trim();
        let exported = name.strip_prefix("export").filter(|it| it.starts_with([' ', '\t']));
        let name = EnvVar::parse(exported.unwrap_or(name).trim());
        let name = name.map_err(|_| {
            let fix = "a name has letters, digits and `_`, and begins with no digit";
            problem("what stands before the `=` is no name of a variable", fix)
        })?;
        self.rest = &self.rest[before.len() + 1..];
        self.skip_blank();
        let value = match self.rest.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => self.quoted(&name, quote, line)?,
            _ => self.plain(),
        };
        Ok((name, value))
    }

    /// A value without quotes: the rest of the line, up to a comment.
    fn plain(&mut self) -> Zeroizing<Vec<u8>> {
        let own = self.rest.split('\n').next().unwrap_or_default();
        let mut end = own.len();
        let mut blank = true;
        for (at, character) in own.char_indices() {
            if character == '#' && blank {
                end = at;
                break;
            }
            blank = character == ' ' || character == '\t';
        }
        let value = Zeroizing::new(own[..end].trim().as_bytes().to_vec());
        self.skip_line();
        value
    }

    fn quoted(
        &mut self,
        name: &EnvVar,
        quote: char,
        line: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let body = &self.rest[1..];
        let Some(length) = closing(body, quote) else {
            let what = format!("the quote that {name} begins with is not closed");
            return Err(Problem {
                line,
                what,
                fix: "close it, or put the value into other quotes",
            });
        };
        let value = match quote {
            '"' => unescaped(&body[..length]),
            _ => Zeroizing::new(body.as_bytes()[..length].to_vec()),
        };
        self.line += body[..length].matches('\n').count();
        self.rest = &body[length + 1..];
        self.skip_blank();
        if !self.rest.is_empty() && !self.rest.starts_with(['#', '\n']) {
            let what = format!("something follows the closing quote of {name}");
            let fix = "put the whole value into quotes, and a \\ before quotes inside";
            return Err(Problem { line: self.line, what, fix });
        }
        self.skip_line();
        Ok(value)
    }

    /// Skips white space within the line.
    fn skip_blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
    }

    /// Skips the rest of the line and its end.
    fn skip_line(&mut self) {
        match self.rest.split_once('\n') {
            Some((_, rest)) => {
                self.line += 1;
                self.rest = rest;
            }
            None => self.rest = "",
        }
    }
}

/// Where the closing quote stands; in double quotes a backslash takes the next character along.
fn closing(body: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' && quote == '"' {
            escaped = true;
        } else if character == quote {
            return Some(at);
        }
    }
    None
}

/// The room is there from the start: a buffer that grows leaves copies behind.
fn unescaped(body: &str) -> Zeroizing<Vec<u8>> {
    let mut value = Zeroizing::new(Vec::with_capacity(body.len()));
    let mut bytes = body.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => value.push(b'\n'),
            Some(b'r') => value.push(b'\r'),
            Some(b't') => value.push(b'\t'),
            Some(other @ (b'\\' | b'"' | b'$' | b'`')) => value.push(other),
            Some(other) => value.extend([b'\\', other]),
            None => value.push(b'\\'),
        }
    }
    value
}

#[cfg(test)]
mod tests;
