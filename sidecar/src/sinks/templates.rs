//! Files that are made from several values, by a template of the agent's manifest.
//!
//! ```text
//! {{ value }}                    the credential that the template stands at
//! {{ secrets.STRIPE_API_KEY }}   any credential of the agent, by its file or its variable
//! {{ tools.stripe.apiKey }}      the same, by tool and key
//! {{ version }} {{ valid_until }} {{ agent }}
//! filters: b64encode, json, shell          tests: defined
//! ```
//! The language is that of minijinja without its own filters and functions, without macros,
//! includes and loaders: a template reaches what stands above and nothing else. A name that
//! nothing has is an error, and no error has a value in it. What a template may cost is limited,
//! because it comes with a manifest.

mod names;
mod text;

use crate::snapshot::{Held, Snapshot};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use names::{Known, Root, Uses};
use secretref_domain::{
    name::{AgentName, SecretName},
    value::SecretValue,
};
use std::{
    collections::BTreeSet,
    io::{self, Write},
    sync::Arc,
};
use zeroize::Zeroizing;

/// Longest template, in bytes.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// Longest file that a template may make, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Steps that a template may take.
pub const FUEL_MAX: u64 = 100_000;
/// Nesting of what a template does.
pub const DEPTH_MAX: usize = 50;

/// Everything that the templates of one set may name.
pub struct Pantry {
    known: Arc<Known>,
}

/// A file that was made.
pub struct Made {
    /// Its bytes; overwritten when dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The secrets that the template looked up.
    pub uses: BTreeSet<SecretName>,
}

/// Why no file was made. Nothing of a value is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is too long.
    #[error("the template has {0} bytes; at most {SOURCE_BYTES_MAX}. Fix: shorten it")]
    TooLong(usize),
    /// Something in it does not work.
    #[error("line {line} of the template, `{source_line}`: {why}")]
    Line {
        /// Where, from 1.
        line: usize,
        /// That line, shortened.
        source_line: String,
        /// What is wrong.
        why: String,
    },
}

impl Pantry {
    /// Takes the values of a set. Those that are not UTF-8 are known, and cannot be used.
    #[must_use]
    pub fn stock(agent: &AgentName, snapshot: &Snapshot) -> Self {
        Self { known: Arc::new(Known::of(agent, snapshot)) }
    }

    /// Makes the file of one credential.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn render(
        &self,
        own: &SecretName,
        held: &Held,
        value: &SecretValue,
        source: &str,
    ) -> Result<Made, TemplateError> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(TemplateError::TooLong(source.len()));
        }
        let uses = Arc::new(Uses::default());
        let environment = environment();
        let failed = |error: &Error, over| explain(error, source, over, &uses);
        let template =
            environment.template_from_str(source).map_err(|error| failed(&error, false))?;
        let root = Root::new(&self.known, &uses, own, held, value);
        let mut output = Output { bytes: Zeroizing::default(), over: false };
        let rendered = template.render_captured_to(Value::from_object(root), &mut output);
        rendered.map_err(|error| failed(&error, output.over))?;
        let mut uses = uses.taken();
        uses.insert(own.clone());
        Ok(Made { bytes: output.bytes, uses })
    }
}

/// The whole language of a template.
fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_keep_trailing_newline(true);
    environment.set_recursion_limit(DEPTH_MAX);
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_formatter(|out, _, value| text::print(out, value));
    environment.add_filter("b64encode", text::b64encode);
    environment.add_filter("json", text::json);
    environment.add_filter("shell", text::shell);
    environment.add_test("defined", |value: &Value| !value.is_undefined());
    environment
}

/// Says what went wrong in words that cannot have a value in them: the kind of the error, the
/// template's own line, and details only of those kinds that speak of the template alone.
fn explain(error: &Error, source: &str, over: bool, uses: &Uses) -> TemplateError {
    let line = error.line().unwrap_or(1);
    let text = source.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
    let source_line = text.chars().take(LINE_CHARS_MAX).collect();
    let unreadable = uses.unreadable();
    let why = match error.kind() {
        _ if over => format!("the file would have more than {OUTPUT_BYTES_MAX} bytes"),
        ErrorKind::UndefinedError => match unreadable {
            Some(name) => format!(
                "{name:?} is not UTF-8, so no template can hold it. Fix: bind it to a file of \
                 its own"
            ),
            None => "it names something that the agent does not have, or not now".to_owned(),
        },
        ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownFunction => {
            error.detail().unwrap_or("it is no template").chars().take(WHY_CHARS_MAX).collect()
        }
        ErrorKind::OutOfFuel => format!("it takes more than {FUEL_MAX} steps"),
        ErrorKind::UnknownMethod => "what it names cannot be called".to_owned(),
        _ => "what it does there cannot be done with what it names".to_owned(),
    };
    TemplateError::Line { line, source_line, why }
}

/// What a template writes: at most so much, and never moved without being overwritten.
struct Output {
    bytes: Zeroizing<Vec<u8>>,
    over: bool,
}

impl Write for Output {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let bytes = self.bytes.len() + more.len();
        if bytes > OUTPUT_BYTES_MAX {
            self.over = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if bytes > self.bytes.capacity() {
            // A buffer that grew by itself would leave a copy behind.
            let room = bytes.next_power_of_two().max(ROOM_BYTES_MIN);
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const LINE_CHARS_MAX: usize = 60;
const WHY_CHARS_MAX: usize = 100;
const ROOM_BYTES_MIN: usize = 1024;

#[cfg(test)]
mod tests;
