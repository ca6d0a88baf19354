use std::collections::BTreeSet;

use super::*;

#[test]
fn every_event_has_one_meaning_in_a_phase_and_every_line_leads_where_it_says() {
    let keys: BTreeSet<_> = TABLE.iter().map(|row| (row.phase, row.event)).collect();
    assert_eq!(keys.len(), TABLE.len());
    for row in TABLE {
        let marks = reach(row.phase);
        assert_eq!(marks.after(row).phase(), row.to, "{row:?}");
    }
}

/// Marks of a release that came to a phase by the shortest way.
fn reach(phase: Phase) -> Marks {
    let mut ways = vec![Marks::default()];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        if let Some(found) = ways.iter().find(|marks| marks.phase() == phase) {
            return *found;
        }
        let from = |marks: &Marks| {
            let (marks, phase) = (*marks, marks.phase());
            TABLE.iter().filter(move |row| row.phase == phase).map(move |row| marks.after(row))
        };
        ways = ways.iter().flat_map(from).filter(|marks| seen.insert(marks.phase())).collect();
    }
    panic!("{phase:?} cannot be reached");
}

#[test]
fn every_phase_can_be_reached_and_left_unless_it_is_the_end() {
    for phase in Phase::ALL {
        reach(phase);
        let can_be_left = TABLE.iter().any(|row| row.phase == phase);
        assert_eq!(can_be_left, !phase.is_over() || phase == Phase::Healthy, "{phase:?}");
    }
}

#[test]
fn a_person_is_heard_in_every_phase_that_is_not_over() {
    for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_over() && *phase != Phase::RollingBack) {
        assert!(next(phase, Event::Abort).is_some(), "{phase:?}");
    }
    for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_over() && !phase.moves_production()) {
        assert!(next(phase, Event::Superseded).is_some(), "{phase:?}");
    }
}

#[test]
fn the_documentation_has_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/releases.md");
    let text = std::fs::read_to_string(path).expect("docs/releases.md can be read");
    let (begin, end) = ("<!-- begin: made from the table -->\n", "<!-- end -->");
    let made = document();
    if std::env::var_os("UPDATE").is_some() {
        let (before, rest) = text.split_once(begin).expect("a beginning");
        let (_, after) = rest.split_once(end).expect("an end");
        std::fs::write(path, format!("{before}{begin}{made}{end}{after}")).expect("docs/releases.md can be written");
        return;
    }
    assert!(
        text.contains(&format!("{begin}{made}{end}")),
        "docs/releases.md is out of date: run the test with UPDATE=1"
    );
}

/// Why, the phases, and whose turn it is with Queue and with Replace.
type Turns = (&'static str, &'static [Phase], [Turn; 3], [Turn; 3]);

#[test]
fn releases_of_an_environment_take_turns() {
    use Phase::{Baking, Building, Failed, Healthy, Pending, Promoting, RollingBack};
    let cases: [Turns; 5] = [
        (
            "the oldest that is under way",
            &[Healthy, Building, Pending],
            [Turn::Ours, Turn::Ours, Turn::Waits],
            [Turn::Superseded, Turn::Superseded, Turn::Waits],
        ),
        (
            "after the others",
            &[Healthy, Failed, Pending],
            [Turn::Ours; 3],
            [Turn::Superseded, Turn::Superseded, Turn::Ours],
        ),
        (
            "what moves production is let end",
            &[Healthy, Baking, Pending],
            [Turn::Waits, Turn::Ours, Turn::Waits],
            [Turn::Waits, Turn::Ours, Turn::Waits],
        ),
        (
            "nothing is rolled back while a newer one is promoted",
            &[Healthy, Healthy, Promoting],
            [Turn::Waits, Turn::Waits, Turn::Ours],
            [Turn::Waits, Turn::Waits, Turn::Ours],
        ),
        (
            "nothing is promoted while an older one is rolled back",
            &[Healthy, RollingBack, Pending],
            [Turn::Waits, Turn::Ours, Turn::Waits],
            [Turn::Waits, Turn::Ours, Turn::Waits],
        ),
    ];
    for (why, phases, queue, replace) in cases {
        let turns = |replace| [0, 1, 2].map(|index| turn(phases, index, replace));
        assert_eq!((turns(false), turns(true)), (queue, replace), "{why}");
    }
}
