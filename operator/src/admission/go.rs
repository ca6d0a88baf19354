//! Values as Go prints them, since the apiserver's messages are compared byte for byte.

use std::fmt::Write as _;

use serde_json::Value;

/// `strconv.Quote`: a Go string literal.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => push(&mut out, format_args!("\\x{:02x}", u32::from(c))),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x1_0000 => push(&mut out, format_args!("\\u{:04x}", u32::from(c))),
            c => push(&mut out, format_args!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Close to `unicode.IsPrint`: not control, not a space other than U+0020, not private or invisible.
fn is_printable(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{f0000}'..='\u{10ffff}'))
}

/// `%v` of a `float64`: the shortest digits, with an exponent below 1e-4 and from 1e6 on.
pub(super) fn float(value: f64) -> String {
    let magnitude = value.abs();
    if value != 0.0 && !(1e-4..1e6).contains(&magnitude) { exponent(value) } else { format!("{value}") }
}

/// `d.ddde±dd`, at least two digits of exponent.
fn exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let (mantissa, power) = text.split_once('e').expect("LowerExp always prints an exponent");
    let (sign, digits) = match power.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', power),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `json.Marshal`: keys sorted, `<`, `>`, `&` and the line separators escaped.
pub(super) fn json(value: &Value) -> String {
    let mut out = String::new();
    write_json(&mut out, value);
    out
}

fn write_json(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, value)) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_json(out, value);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(out, item);
            }
            out.push(']');
        }
        Value::String(text) => write_string(out, text),
        other => push(out, format_args!("{other}")),
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c if u32::from(c) < 0x20 => push(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_are_go_literals() {
        assert_eq!(quote("a\"b\\c\t\u{1}é\u{200b}"), r#""a\"b\\c\t\x01é\u200b""#);
    }

    #[test]
    fn json_escapes_html() {
        assert_eq!(
            json(&json!({"b": "<a&b>", "a": [1, null, 1.5]})),
            r#"{"a":[1,null,1.5],"b":"\u003ca\u0026b\u003e"}"#
        );
    }

    #[test]
    fn floats_print_as_percent_v() {
        for (value, printed) in [
            (1.5, "1.5"),
            (65_536.0, "65536"),
            (1e21, "1e+21"),
            (123_456_789.5, "1.234567895e+08"),
            (0.000_01, "1e-05"),
            (-0.0, "-0"),
        ] {
            assert_eq!(float(value), printed);
        }
    }
}
