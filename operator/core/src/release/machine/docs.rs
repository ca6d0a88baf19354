//! The table for people: a diagram and its lines, as `docs/releases.md` has them.

use std::fmt::Write as _;

use super::{Phase, TABLE};

/// A Mermaid diagram of the table and the table itself, in Markdown.
pub fn document() -> String {
    let mut text = String::from("```mermaid\nstateDiagram-v2\n    [*] --> Pending\n");
    for row in TABLE {
        let _ = writeln!(text, "    {} --> {}: {}", row.phase.name(), row.to.name(), row.event.name());
    }
    for phase in Phase::ALL.into_iter().filter(|phase| phase.is_over()) {
        let _ = writeln!(text, "    {} --> [*]", phase.name());
    }
    text.push_str("```\n\n| in phase | when | Forkable calls | next phase |\n|---|---|---|---|\n");
    for row in TABLE {
        let calls: Vec<_> = row.first.into_iter().chain(row.to.call()).map(super::Call::name).collect();
        let calls = if calls.is_empty() { "–".to_owned() } else { calls.join(", ") };
        let _ = writeln!(text, "| {} | {} | {calls} | {} |", row.phase.name(), row.event.name(), row.to.name());
    }
    text
}
