//! What the reader makes of YAML and JSON. The tables are what `sigs.k8s.io/yaml` 1.6 answered for the same texts.

use serde_json::{Value, json};

use super::{Document, Position, SyntaxError, read, read_json, read_yaml};

/// Scalars after `a: ` and what they mean.
const SCALARS: &[(&str, &str)] = &[
    ("y", "true"),
    ("Y", "true"),
    ("yes", "true"),
    ("Yes", "true"),
    ("YES", "true"),
    ("yEs", r#""yEs""#),
    ("on", "true"),
    ("On", "true"),
    ("ON", "true"),
    ("true", "true"),
    ("True", "true"),
    ("TRUE", "true"),
    ("tRUE", r#""tRUE""#),
    ("n", "false"),
    ("N", "false"),
    ("no", "false"),
    ("No", "false"),
    ("NO", "false"),
    ("off", "false"),
    ("Off", "false"),
    ("OFF", "false"),
    ("false", "false"),
    ("False", "false"),
    ("FALSE", "false"),
    (r#""y""#, r#""y""#),
    ("'no'", r#""no""#),
    ("|\n  yes", r#""yes""#),
    ("!!str yes", r#""yes""#),
    (r#"!!bool "yes""#, "true"),
    ("! yes", r#""yes""#),
    ("!foo 12", r#""12""#),
    ("", "null"),
    ("~", "null"),
    ("null", "null"),
    ("Null", "null"),
    ("NULL", "null"),
    ("nUll", r#""nUll""#),
    (r#""""#, r#""""#),
    ("0", "0"),
    ("12", "12"),
    ("+12", "12"),
    ("-12", "-12"),
    ("010", "8"),
    ("0o10", "8"),
    ("0O10", "8"),
    ("08", "8"),
    ("09.5", "9.5"),
    ("0x1F", "31"),
    ("0X1f", "31"),
    ("0xZZ", r#""0xZZ""#),
    ("0x", r#""0x""#),
    ("0b101", "5"),
    ("-0b101", "-5"),
    ("0b102", r#""0b102""#),
    ("1_000", "1000"),
    ("1__0", "10"),
    ("_1", r#""_1""#),
    ("1_", "1"),
    ("-0", "0"),
    ("+", r#""+""#),
    ("1.0", "1"),
    ("1.5", "1.5"),
    ("1.", "1"),
    (".5", "0.5"),
    (".5_0", "0.5"),
    (".", r#"".""#),
    ("..", r#""..""#),
    ("+.5", "0.5"),
    ("1e3", "1000"),
    ("1E3", "1000"),
    ("1e-3", "0.001"),
    ("1.5e3", "1500"),
    ("1e+3", "1000"),
    ("1e", r#""1e""#),
    ("12e03", "12000"),
    ("1e999", r#""1e999""#),
    ("1e21", "1e+21"),
    ("1e20", "1e+20"),
    ("123456789012345678901234567890", "1.2345678901234568e+29"),
    ("9223372036854775807", "9223372036854775807"),
    ("9223372036854775808", "9.223372036854776e+18"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("-9223372036854775809", "-9.223372036854776e+18"),
    ("18446744073709551615", "1.8446744073709552e+19"),
    ("18446744073709551616", "1.8446744073709552e+19"),
    ("0x7fffffffffffffff", "9223372036854775807"),
    ("0xffffffffffffffff", "1.8446744073709552e+19"),
    ("1:30", r#""1:30""#),
    ("190:20:30", r#""190:20:30""#),
    ("2001-01-01", r#""2001-01-01""#),
    ("2001-12-14t21:59:43.10-05:00", r#""2001-12-14t21:59:43.10-05:00""#),
    ("2001-12-14 21:59:43", r#""2001-12-14 21:59:43""#),
    ("1.2.3", r#""1.2.3""#),
    ("1,000", r#""1,000""#),
    ("inf", r#""inf""#),
    ("nan", r#""nan""#),
    ("=", r#""=""#),
    ("<<", r#""<<""#),
    (r#"!!int "12""#, "12"),
    ("!!float 12", "12"),
    ("!!float 1.5", "1.5"),
    (r#"!!null """#, "null"),
    ("!!binary aGVsbG8=", r#""hello""#),
    ("!!timestamp 2001-01-01", r#""2001-01-01""#),
    (r#""\u00e9\x41""#, r#""éA""#),
    ("'it''s'", r#""it's""#),
    ("|-\n  x\n  y\n", r#""x\ny""#),
    ("[1, 2,]", "[1,2]"),
    ("[a, b: c]", r#"["a",{"b":"c"}]"#),
    ("b # c", r#""b""#),
    ("b#c", r#""b#c""#),
    ("0.1", "0.1"),
    ("0.1e-10", "1e-11"),
    ("100000000000000000000.5", "1e+20"),
    ("1e300", "1e+300"),
    ("0o", r#""0o""#),
    ("00", "0"),
    ("0_7", "7"),
    ("07_7", "63"),
    ("0.0", "0"),
    ("-0.0", "0"),
    ("1e0", "1"),
    ("+0x10", "16"),
    ("-0x10", "-16"),
    ("0b", r#""0b""#),
    ("4.0e0", "4"),
];

/// Whole documents and what they mean.
const DOCUMENTS: &[(&str, &str)] = &[
    ("y: 1", r#"{"true":1}"#),
    ("on: 1", r#"{"true":1}"#),
    ("12: a", r#"{"12":"a"}"#),
    ("1.5: a", r#"{"1.5":"a"}"#),
    ("0x10: a", r#"{"16":"a"}"#),
    ("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
    ("a: &x b\n*x : c", r#"{"a":"b","b":"c"}"#),
    ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}", r#"{"a":{"b":1,"c":2},"d":{"b":3,"c":2}}"#),
    ("a: &x {b: 1, c: 2}\nd: {b: 3, <<: *x}", r#"{"a":{"b":1,"c":2},"d":{"b":1,"c":2}}"#),
    ("a: &x {b: 1}\ne: &y {b: 2, c: 3}\nd: {<<: [*x, *y]}", r#"{"a":{"b":1},"d":{"b":1,"c":3},"e":{"b":2,"c":3}}"#),
    (r#"d: {"<<": {a: 1}}"#, r#"{"d":{"<<":{"a":1}}}"#),
    ("a: >\n  x\n  y\n\n  z", r#"{"a":"x y\nz"}"#),
    ("a: |+\n  x\n\n", r#"{"a":"x\n\n"}"#),
    ("a: {b, c: d}", r#"{"a":{"b":null,"c":"d"}}"#),
    ("[1, y]", "[1,true]"),
    ("yes", "true"),
    ("- a\n- b", r#"["a","b"]"#),
    ("a: !!set {x}", r#"{"a":{"x":null}}"#),
    ("true: 1", r#"{"true":1}"#),
];

/// Texts that are refused; the first word or two of why, where the reader has a message of its own.
const REFUSED: &[(&str, &str)] = &[
    ("a: -", ""),
    ("a: .inf", "unsupported value"),
    ("a: -.inf", "unsupported value"),
    ("a: .nan", "unsupported value"),
    ("a: !!int 1.5", "cannot decode !!float as a !!int"),
    ("a: !!int abc", "cannot decode !!str as a !!int"),
    (r#"a: !!binary "%""#, "!!binary value contains invalid base64 data"),
    ("null: a", "unsupported map key of type"),
    ("~: a", "unsupported map key of type"),
    ("? [a]\n: b", "invalid map key"),
    ("{a: b}: c", "invalid map key"),
    ("d: {<<: 5}", "map merge requires map or sequence of maps as the value"),
    ("d: {<<: [5]}", "map merge requires map or sequence of maps as the value"),
    ("a: *x", ""),
    ("a: &x [*x]", "value contains itself"),
    ("a: b: c", ""),
    ("a:\n\t- b", ""),
    (r#"a: "b"#, ""),
    ("a: [b", ""),
    ("a: 'b", ""),
    ("a: }", ""),
    ("a: @x", ""),
    ("a: `x", ""),
    ("a: %x", ""),
    ("a: x\n b: c", ""),
];

fn one(text: &str) -> Value {
    let documents = read_yaml(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert!(documents.len() <= 1, "{text:?}");
    documents.into_iter().next().map_or(Value::Null, |document| document.value)
}

#[test]
fn yaml_means_what_kubectl_takes_it_for() {
    for (text, meaning) in SCALARS {
        let meaning: Value = serde_json::from_str(meaning).expect("the table is JSON");
        assert_eq!(one(&format!("a: {text}"))["a"], meaning, "{text:?}");
    }
    for (text, meaning) in DOCUMENTS {
        let meaning: Value = serde_json::from_str(meaning).expect("the table is JSON");
        assert_eq!(one(text), meaning, "{text:?}");
    }
}

#[test]
fn yaml_that_kubectl_refuses_is_refused() {
    for (text, reason) in REFUSED {
        match read_yaml(text) {
            Ok(documents) => panic!("{text:?} was read as {documents:?}"),
            Err(error) => assert!(error.message.contains(reason) && !error.message.is_empty(), "{text:?}: {error}"),
        }
    }
}

#[test]
fn a_key_that_occurs_twice_is_refused_with_its_place() {
    let error = read_yaml("a:\n  b: 1\n  c: 2\n  b: 3\n").expect_err("b is there twice");
    assert_eq!(error.to_string(), "line 4, column 3: key \"b\" already set in map");
    let error = read_yaml("yes: 1\ntrue: 2\n").expect_err("both are true");
    assert_eq!(error.position, Position { line: 2, column: 1 });
    let error = read_json("{\"a\": 1,\n \"a\": 2}").expect_err("a is there twice");
    assert_eq!((error.position.line, error.message.as_str()), (2, "key \"a\" already set in map"));
}

#[test]
fn syntax_errors_say_where() {
    for (text, line, column) in
        [("a: b: c", 1, 5), ("a:\n  b: [1, 2\nc: d\n", 3, 2), ("a: 1\n  b: 2\n", 2, 4), ("a:\n\t- b\n", 2, 2)]
    {
        let error = read_yaml(text).expect_err("no YAML");
        assert_eq!((error.position.line, error.position.column), (line, column), "{text:?}: {error}");
    }
    for (text, line, column) in [("{\"a\": 1,}", 1, 9), ("{\"a\":\n  b}", 2, 3), ("{\"a\": 1", 1, 7), ("{}\n {]", 2, 3)]
    {
        let error = read_json(text).expect_err("no JSON");
        assert_eq!((error.position.line, error.position.column), (line, column), "{text:?}: {error}");
        assert!(!error.message.contains(" at line "), "{error}");
    }
}

#[test]
fn documents_know_their_place_and_empty_ones_count() {
    let text = "# head\n---\n---\na: 1\nb:\n  - c: 2\n...\n---\n# nothing\n---\nd: 1\n";
    let documents = read_yaml(text).expect("YAML");
    let starts: Vec<_> = documents.iter().map(|d: &Document| (d.index, d.start.line, d.value.clone())).collect();
    assert_eq!(starts, [(1, 4, json!({"a": 1, "b": [{"c": 2}]})), (3, 11, json!({"d": 1}))]);
    let at = |field: &str| documents[0].position(field);
    assert_eq!(at("b[0].c"), Position { line: 6, column: 5 });
    assert_eq!(at("b[0].missing"), Position { line: 6, column: 5 }, "the object that lacks it");
    assert_eq!(at("b[7]"), Position { line: 5, column: 1 });
    assert_eq!(at("<nil>"), Position { line: 4, column: 1 });
}

#[test]
fn json_is_read_strictly_and_its_numbers_as_the_server_reads_them() {
    let documents = read_json(
        "{\"a\": \"yes\", \"b\": 30.0, \"c\": 1.5, \"d\": 9223372036854775808}\n{\"e\": \"\\ud83d\\ude00\\/\"}\nnull\n",
    )
    .expect("JSON");
    let values: Vec<_> = documents.iter().map(|d| d.value.clone()).collect();
    assert_eq!(
        values,
        [json!({"a": "yes", "b": 30, "c": 1.5, "d": 9_223_372_036_854_775_808.0_f64}), json!({"e": "😀/"})]
    );
    assert_eq!(documents[1].start, Position { line: 2, column: 1 });
    assert!(read_json("a: b").is_err());
}

#[test]
fn documents_that_explode_are_refused() {
    let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned()];
    for i in 1..12 {
        let alias = format!("*a{}", i - 1);
        lines.push(format!("a{i}: &a{i} [{}]", vec![alias; 10].join(", ")));
    }
    let SyntaxError { message, .. } = read_yaml(&lines.join("\n")).expect_err("a billion laughs");
    assert_eq!(message, "document contains excessive aliasing");
}

#[test]
fn a_list_is_its_items_at_their_places() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- kind: Fork\n  spec:\n    a: 1\n- kind: Secret\n";
    let objects = read("list.yaml", text).expect("YAML");
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0].position("spec.a"), Position { line: 6, column: 5 });
    assert_eq!(objects[1].start, Position { line: 7, column: 3 });
    assert_eq!(objects[1].value, json!({"kind": "Secret"}));
}
