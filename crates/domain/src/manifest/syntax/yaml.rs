//! YAML 1.2, as far as a manifest needs it: mappings with text for keys, lists, and scalars of the
//! core schema, so that `no` and `on` stay texts. What lets one thing be written at two places or
//! mean something else than it looks like is refused: anchors and aliases, tags, several documents.
//!
//! The parser gives events; the value is built here, so that every limit is ours and aliases are
//! never followed.

mod scalar;

use super::{Stopped, SyntaxError, build::Build, build::Refused};
use crate::manifest::problems::{At, shown};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use serde_json::{Map, Value};

/// Reads YAML; nothing where there is no document.
pub(super) fn parse(at: &At, text: &str, build: &mut Build<'_>) -> Result<Option<Value>, Stopped> {
    let mut reader = Reader { events: Parser::new_from_str(text), build };
    let mut found = None;
    loop {
        let (event, mark) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(found),
            Event::DocumentStart(_) if found.is_some() => {
                let problem = format!("a second document begins{}", place(&mark));
                let fix = "keep one document a file; several files can be applied together";
                return Err(reader.build.refuse(at, problem, fix).into());
            }
            Event::DocumentStart(_) => {
                let event = reader.next()?;
                found = Some(reader.value(event, at, 0)?);
            }
            _ => {}
        }
    }
}

struct Reader<'t, 'b, 'p> {
    events: Parser<'t, StrInput<'t>>,
    build: &'b mut Build<'p>,
}

impl<'t> Reader<'t, '_, '_> {
    fn next(&mut self) -> Result<(Event<'t>, Marker), Stopped> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(error)) => Err(Stopped::Syntax(explain(&error))),
            None => Ok((Event::StreamEnd, Marker::default())),
        }
    }

    /// The value that begins with an event.
    fn value(
        &mut self,
        (event, mark): (Event<'t>, Marker),
        at: &At,
        depth: usize,
    ) -> Result<Value, Stopped> {
        self.plain(&event, &mark, at)?;
        self.build.count(at)?;
        match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => match scalar::resolve(&text) {
                Some(value) => Ok(value),
                None => Ok(self.build.fraction(at, f64::NAN)?),
            },
            Event::Scalar(text, ..) => Ok(text.into_owned().into()),
            Event::SequenceStart(..) => self.list(at, depth),
            Event::MappingStart(..) => self.object(at, depth),
            _ => Ok(Value::Null),
        }
    }

    fn list(&mut self, at: &At, depth: usize) -> Result<Value, Stopped> {
        self.build.open(at, depth)?;
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.0, Event::SequenceEnd | Event::StreamEnd) {
                return Ok(items.into());
            }
            let item = self.value(event, &at.index(items.len()), depth + 1)?;
            items.push(item);
        }
    }

    fn object(&mut self, at: &At, depth: usize) -> Result<Value, Stopped> {
        self.build.open(at, depth)?;
        let mut members = Map::new();
        loop {
            let (event, mark) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(members.into());
            }
            let key = self.key(&event, &mark, at)?;
            let at = at.key(&key);
            self.build.check_new(&at, &members, &key);
            let event = self.next()?;
            let value = self.value(event, &at, depth + 1)?;
            members.insert(key, value);
        }
    }

    fn key(&mut self, event: &Event<'t>, mark: &Marker, at: &At) -> Result<String, Stopped> {
        self.plain(event, mark, at)?;
        let place = place(mark);
        match event {
            Event::Scalar(text, style, ..) => {
                let text_key = *style != ScalarStyle::Plain
                    || scalar::resolve(text).is_some_and(|value| value.is_string());
                if text_key {
                    return Ok(text.clone().into_owned());
                }
                let problem = match text.is_empty() {
                    true => format!("a key is missing{place}"),
                    false => format!("the key {}{place} is no text", shown(text)),
                };
                Err(self.build.refuse(at, problem, "put the key in quotes").into())
            }
            _ => {
                let problem = format!("a list or a mapping stands as a key{place}");
                Err(self.build.refuse(at, problem, "write a text as the key").into())
            }
        }
    }

    /// Refuses what makes a value more than it looks like.
    fn plain(&mut self, event: &Event<'t>, mark: &Marker, at: &At) -> Result<(), Refused> {
        let (anchor, tag) = match event {
            Event::Alias(_) => (true, false),
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => (*anchor != 0, tag.is_some()),
            _ => (false, false),
        };
        let place = place(mark);
        if anchor {
            let problem = format!("an anchor or an alias (`&` or `*`){place} is not taken");
            let fix = "write it out where it is used, or bind the tools in a group (`groups`) \
                       and name it at each agent; a text that begins with `&` or `*` goes in \
                       quotes";
            return Err(self.build.refuse(at, problem, fix));
        }
        if tag {
            let problem = format!("a tag (`!`){place} is not taken");
            let fix = "remove it; a text that looks like a number, or begins with `!`, goes in \
                       quotes";
            return Err(self.build.refuse(at, problem, fix));
        }
        Ok(())
    }
}

impl From<Refused> for Stopped {
    fn from(_: Refused) -> Self {
        Self::Refused
    }
}

fn place(mark: &Marker) -> String {
    format!(" at line {}, column {}", mark.line(), mark.col() + 1)
}

/// Says what a syntax error is. The parser's words are about what it expected; one of them ends in
/// the character that it found, which is cut off.
fn explain(error: &ScanError) -> SyntaxError {
    let said = match error.info().split(": `").next().unwrap_or_default() {
        // The parser looks ahead, and counts brackets before we do.
        "recursion limit exceeded" => "it is nested more than 32 deep",
        said => said,
    };
    let problem = format!("the file is not YAML{}: {said}", place(error.marker()));
    let fix = "write it as YAML 1.2: spaces for indentation, a space after each `:`, and quotes \
               around texts that begin with a sign";
    SyntaxError { problem, fix }
}
