//! One line for each event, with what the spans around it know: for people, or as JSON for machines.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::LogFormat;

/// Fields of spans that say more than `object` does only to machines.
const FOR_MACHINES: [&str; 5] = ["kind", "namespace", "name", "generation", "trace_id"];

/// Writes lines.
pub(super) struct Lines {
    format: LogFormat,
    colours: bool,
    write: fn(&str),
}

impl Lines {
    pub(super) fn new(format: LogFormat, colours: bool, write: fn(&str)) -> Self {
        Self { format, colours, write }
    }
}

/// Fields of an event or a span.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        // Those are for traces.
        if !field.name().starts_with("otel.") {
            self.0.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut around = Map::new();
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                around.extend(fields.0.clone());
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        let line = Line::new(event, around, own.0);
        (self.write)(&match self.format {
            LogFormat::Text => line.text(self.colours),
            LogFormat::Json => line.json(),
        });
    }
}

struct Line {
    at: Timestamp,
    level: Level,
    target: String,
    message: String,
    around: Map<String, Value>,
    own: Map<String, Value>,
}

impl Line {
    fn new(event: &Event<'_>, around: Map<String, Value>, mut own: Map<String, Value>) -> Self {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let message = own.remove("message").map(text).unwrap_or_default();
        // What comes from the `log` crate says so in fields.
        let target = own.remove("log.target").map_or_else(|| event.metadata().target().to_owned(), text);
        own.retain(|name, _| !name.starts_with("log."));
        Self { at: Timestamp::now(), level: *event.metadata().level(), target, message, around, own }
    }

    fn json(mut self) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let mut line = format!(
            r#"{{"timestamp":"{:.6}","level":"{}","target":{},"message":{}"#,
            self.at,
            self.level,
            text(&self.target),
            text(&self.message)
        );
        self.around.extend(self.own);
        for (name, value) in &self.around {
            // Writing to a String cannot fail.
            let _ = write!(line, ",{}:{value}", text(name));
        }
        line += "}\n";
        line
    }

    /// `TIME LEVEL OBJECT: MESSAGE key=value …`
    fn text(mut self, colours: bool) -> String {
        let object = self.around.remove("object").or_else(|| self.own.remove("object"));
        self.own.remove("object");
        self.around.retain(|name, _| {
            !FOR_MACHINES.contains(&name.as_str()) && !name.contains('.') && !self.own.contains_key(name)
        });
        let (colour, dim, plain) = match (colours, self.level) {
            (false, _) => ("", "", ""),
            (true, Level::ERROR) => ("\x1b[31m", "\x1b[2m", "\x1b[0m"),
            (true, Level::WARN) => ("\x1b[33m", "\x1b[2m", "\x1b[0m"),
            (true, _) => ("\x1b[32m", "\x1b[2m", "\x1b[0m"),
        };
        let mut line = format!("{dim}{:.3}{plain} {colour}{:>5}{plain} ", self.at, self.level);
        if let Some(object) = object {
            line += &shown(&object);
            line += ": ";
        } else if !self.target.starts_with("forkable") {
            line += &self.target;
            line += ": ";
        }
        line.extend(self.message.chars().map(|c| if c.is_control() { ' ' } else { c }));
        for (name, value) in self.around.iter().chain(&self.own) {
            // Writing to a String cannot fail.
            let _ = write!(line, " {dim}{name}={plain}{}", shown(value));
        }
        line.push('\n');
        line
    }
}

/// Text without blanks as it is, everything else in quotes, so that a value is one word and one line.
fn shown(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') => {
            text.to_owned()
        }
        Some(text) => format!("{text:?}"),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    thread_local! {
        static WRITTEN: RefCell<String> = const { RefCell::new(String::new()) };
    }

    fn written(format: LogFormat, work: impl FnOnce()) -> String {
        let lines = Lines::new(format, false, |line| WRITTEN.with_borrow_mut(|written| written.push_str(line)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
        WRITTEN.take()
    }

    fn step_of_a_pass() {
        let object = forkable_core::store::ObjectRef::new("Fork", "team", "acme");
        crate::spans::pass(&object).in_scope(|| {
            crate::spans::generation(7);
            let step = crate::spans::step("env", "~ env set A");
            crate::spans::ended(&step, Some("GitHub says \"no\"\nand more"), std::time::Duration::from_millis(12));
        });
    }

    #[test]
    fn machines_find_everything_that_the_spans_know_in_every_line() {
        let line = written(LogFormat::Json, step_of_a_pass);
        let line: Value = serde_json::from_str(&line).expect("one line of JSON");
        for (field, value) in [
            ("level", Value::from("WARN")),
            ("message", "failed".into()),
            ("object", "team/fork/acme".into()),
            ("kind", "Fork".into()),
            ("namespace", "team".into()),
            ("name", "acme".into()),
            ("generation", 7.into()),
            ("facet", "env".into()),
            ("step", "~ env set A".into()),
            ("duration_ms", 12.into()),
            ("error", "GitHub says \"no\"\nand more".into()),
        ] {
            assert_eq!(line[field], value, "{field} in {line:#}");
        }
        assert!(line.get("otel.name").is_none() && line.get("trace_id").is_none(), "{line:#}");
    }

    #[test]
    fn people_read_one_line_and_no_more_than_it_takes() {
        let line = written(LogFormat::Text, step_of_a_pass);
        let (_, rest) = line.split_once(' ').expect("a time");
        assert_eq!(
            rest,
            " WARN team/fork/acme: failed facet=env step=\"~ env set A\" duration_ms=12 \
             error=\"GitHub says \\\"no\\\"\\nand more\"\n"
        );
    }
}
