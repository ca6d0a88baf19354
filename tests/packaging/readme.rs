//! The table of values in the chart's README is made from the comments in `values.yaml`.

use serde_json::Value;

use super::{documents, read, root};

const README: &str = "charts/forkable/README.md";
const BEGIN: &str = "<!-- values: made by `make chart` -->\n";
const END: &str = "<!-- /values -->";

/// A value that has a comment `# -- …`.
struct Row {
    path: Vec<String>,
    about: String,
}

fn rows(text: &str) -> Vec<Row> {
    let (mut rows, mut stack, mut about) = (Vec::new(), Vec::<(usize, String)>::new(), None::<String>);
    for line in text.lines() {
        let rest = line.trim_start();
        let indent = line.len() - rest.len();
        if let Some(first) = rest.strip_prefix("# -- ") {
            about = Some(first.to_owned());
        } else if let Some(more) = rest.strip_prefix("# ") {
            if let Some(about) = &mut about {
                *about = format!("{about} {more}");
            }
        } else if let Some((key, _)) = rest.split_once(':') {
            stack.retain(|(depth, _)| *depth < indent);
            stack.push((indent, key.to_owned()));
            if let Some(about) = about.take() {
                rows.push(Row { path: stack.iter().map(|(_, key)| key.clone()).collect(), about });
            }
        }
    }
    rows
}

fn table(text: &str) -> String {
    let values = documents(text).remove(0);
    let row = |Row { path, about }: &Row| {
        let default = path.iter().fold(&values, |value, key| &value[key]);
        format!("| `{}` | {about} | `{default}` |\n", path.join("."))
    };
    let rows: String = rows(text).iter().map(row).collect();
    format!("| value | what it does | default |\n|---|---|---|\n{rows}")
}

#[test]
fn the_readme_describes_every_value() {
    let values = read("charts/forkable/values.yaml");
    let readme = read(README);
    let (before, rest) = readme.split_once(BEGIN).expect("the README says where the table begins");
    let (_, after) = rest.split_once(END).expect("the README says where the table ends");
    let fresh = format!("{before}{BEGIN}{}{END}{after}", table(&values));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(root().join(README), &fresh).expect("the README can be written");
        return;
    }
    assert!(fresh == readme, "{README} is out of date: run `make chart` and commit it");
    let described: Vec<_> = rows(&values).into_iter().map(|row| row.path).collect();
    let undescribed = undescribed(&documents(&values).remove(0), &mut Vec::new(), &described);
    assert_eq!(undescribed, Vec::<String>::new(), "these values have no comment `# -- …`");
}

/// Paths of values that neither have a comment nor lie in one that has.
fn undescribed(value: &Value, path: &mut Vec<String>, described: &[Vec<String>]) -> Vec<String> {
    if described.contains(path) {
        return Vec::new();
    }
    let Some(fields) = value.as_object() else { return vec![path.join(".")] };
    let mut found = Vec::new();
    for (key, value) in fields {
        path.push(key.clone());
        found.extend(undescribed(value, path, described));
        path.pop();
    }
    found
}
