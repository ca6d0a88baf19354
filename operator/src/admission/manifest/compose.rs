//! From YAML events to documents with positions.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};

use super::{Document, Position, SyntaxError, scalar};

/// Values that aliases may repeat, over a whole file: a guard against documents that explode.
const MAX_ALIASED_NODES: usize = 100_000;

type Result<T> = std::result::Result<T, SyntaxError>;

pub(super) fn documents(text: &str) -> Result<Vec<Document>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.block_scalar_eof_without_line_feed = true;
    let mut composer = Composer {
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        positions: HashMap::new(),
        aliased: 0,
    };
    let mut documents = Vec::new();
    let mut index = 0;
    loop {
        let (event, span) = composer.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(..) => {
                let (event, span) = composer.next()?;
                let start = position(&span);
                let value = composer.node(event, &span, "")?;
                let positions = std::mem::take(&mut composer.positions);
                composer.anchors.clear();
                if !value.is_null() {
                    documents.push(Document { value, index, start, positions });
                }
                index += 1;
            }
            Event::StreamStart | Event::DocumentEnd => {}
            _ => return Err(error(&span, "unexpected content between documents")),
        }
    }
}

struct Composer<I> {
    events: I,
    anchors: HashMap<usize, Value>,
    positions: HashMap<String, Position>,
    aliased: usize,
}

impl<'input, I> Composer<I>
where
    I: Iterator<Item = std::result::Result<(Event<'input>, Span), ScanError>>,
{
    fn next(&mut self) -> Result<(Event<'input>, Span)> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let at = error.marker();
                let position = Position { line: at.line().max(1), column: at.col() + 1 };
                Err(SyntaxError { position, message: error.info() })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'input>, span: &Span, path: &str) -> Result<Value> {
        self.positions.entry(path.to_owned()).or_insert_with(|| position(span));
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let json = resolve(&text, style, tag.as_deref()).and_then(scalar::Scalar::into_json);
                (anchor, json.map_err(|message| error(span, message))?)
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.sequence(path)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(path)?),
            Event::Alias(anchor) => (0, self.alias(anchor, span)?),
            _ => return Err(error(span, "a value is missing here")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<Value> {
        // The anchor of a collection is known only once the collection has ended.
        let value = self.anchors.get(&anchor).ok_or_else(|| error(span, "anchor value contains itself"))?;
        self.aliased += size(value);
        if self.aliased > MAX_ALIASED_NODES {
            return Err(error(span, "document contains excessive aliasing"));
        }
        Ok(value.clone())
    }

    fn sequence(&mut self, path: &str) -> Result<Value> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(items));
            }
            let item = self.node(event, &span, &format!("{path}[{}]", items.len()))?;
            items.push(item);
        }
    }

    fn mapping(&mut self, path: &str) -> Result<Value> {
        let mut map = Map::new();
        let mut written = std::collections::HashSet::new();
        loop {
            let (event, key_span) = self.next()?;
            let (text, style, anchor, tag) = match event {
                Event::MappingEnd => return Ok(Value::Object(map)),
                Event::Scalar(text, style, anchor, tag) => (text, style, anchor, tag),
                Event::Alias(anchor) => match self.alias(anchor, &key_span)? {
                    Value::String(text) => (text.into(), ScalarStyle::DoubleQuoted, 0, None),
                    _ => return Err(error(&key_span, "invalid map key")),
                },
                _ => return Err(error(&key_span, "invalid map key")),
            };
            if is_merge(&text, style, tag.as_deref()) {
                self.merge(&mut map)?;
                continue;
            }
            let key = resolve(&text, style, tag.as_deref()).map_err(|message| error(&key_span, message))?;
            if anchor != 0 {
                let value = key.clone().into_json().map_err(|message| error(&key_span, message))?;
                self.anchors.insert(anchor, value);
            }
            let key = key.into_key().map_err(|message| error(&key_span, message))?;
            if !written.insert(key.clone()) {
                return Err(error(&key_span, format!("key {key:?} already set in map")));
            }
            let child = super::super::field::child(path, &key);
            self.positions.insert(child.clone(), position(&key_span));
            let (event, span) = self.next()?;
            let value = self.node(event, &span, &child)?;
            map.insert(key, value);
        }
    }

    /// `<<`: the fields of another map, or of several of which earlier ones win. It overwrites what is above it.
    fn merge(&mut self, into: &mut Map<String, Value>) -> Result<()> {
        let (event, span) = self.next()?;
        let wants_map = || error(&span, "map merge requires map or sequence of maps as the value");
        // Under a path of its own, since these fields are not where they are merged to.
        let maps = match self.node(event, &span, "<<")? {
            Value::Object(map) => vec![map],
            Value::Array(items) => items
                .into_iter()
                .rev()
                .map(|item| if let Value::Object(map) = item { Ok(map) } else { Err(wants_map()) })
                .collect::<Result<_>>()?,
            _ => return Err(wants_map()),
        };
        into.extend(maps.into_iter().flatten());
        Ok(())
    }
}

fn is_merge(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    text == "<<"
        && (style == ScalarStyle::Plain && tag.is_none()
            || tag.is_some_and(|t| yaml_tag(t).as_deref() == Some("merge")))
}

/// What a tag of YAML's own is called; `None` for any other.
fn yaml_tag(tag: &Tag) -> Option<std::borrow::Cow<'_, str>> {
    tag.suffix_in_namespace("tag:yaml.org,2002:")
}

fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> std::result::Result<scalar::Scalar, String> {
    let plain_text = || Ok(scalar::Scalar::Text(text.to_owned()));
    match tag {
        None if style == ScalarStyle::Plain => Ok(scalar::resolve(text)),
        None => plain_text(),
        Some(tag) => match yaml_tag(tag).as_deref() {
            Some(tag @ ("str" | "int" | "float" | "bool" | "null")) => scalar::resolve_tagged(tag, text),
            Some("binary") => {
                use base64::Engine as _;
                let bytes = base64::engine::general_purpose::STANDARD.decode(text.replace(['\n', '\r'], ""));
                let bytes = bytes.map_err(|_| "!!binary value contains invalid base64 data".to_owned())?;
                Ok(scalar::Scalar::Text(String::from_utf8_lossy(&bytes).into_owned()))
            }
            _ => plain_text(),
        },
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(map) => map.values().map(size).sum(),
        _ => 0,
    }
}

fn position(span: &Span) -> Position {
    Position { line: span.start.line().max(1), column: span.start.col() + 1 }
}

fn error(span: &Span, message: impl Into<String>) -> SyntaxError {
    SyntaxError { position: position(span), message: message.into() }
}
