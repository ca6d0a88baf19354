//! Writes what probes would have found of a product in 90 days, so that its pages have something to show.
//!
//! `history DIR FORK PROBE [steady|rough]`, before `forkable up DIR`.

use std::{path::Path, time::Duration};

use forkable_core::{
    monitoring::{History, Sample, Series, Spell, Verdict},
    store::ObjectRef,
};
use forkable_providers::journal::SqliteJournal;
use jiff::{SignedDuration, Timestamp};

/// Days before now, and minutes, of each time that it was down.
const OUTAGES: [(i64, i64); 4] = [(74, 131), (41, 3), (12, 47), (2, 6)];

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, name, probe, kind] = &arguments[..] else { panic!("history DIR FORK PROBE steady|rough") };
    let state = Path::new(folder).join(".forkable");
    std::fs::create_dir_all(&state).expect("the folder can be made");
    let journal = SqliteJournal::open(&state.join("journal.db")).await.expect("a journal");
    let fork = ObjectRef::new("Fork", "default", name.clone());
    let now = Timestamp::now();
    let ago = |duration: SignedDuration| now.checked_sub(duration).expect("a time");

    let outages = if kind == "rough" { &OUTAGES[..] } else { &[] };
    let mut spells = Vec::new();
    let mut from = ago(SignedDuration::from_hours(24 * 89 + 5));
    let mut spell = |to: Timestamp, is_down| {
        spells.push(Spell { fork: fork.clone(), from, to, is_down });
        from = to;
    };
    for (days, minutes) in outages {
        let began = ago(SignedDuration::from_hours(24 * days));
        spell(began, false);
        spell(began.checked_add(SignedDuration::from_mins(*minutes)).expect("a time"), true);
    }
    spell(now, false);
    journal.add_spells(&spells).await.expect("spells are kept");

    let series = Series { fork: fork.clone(), probe: probe.clone() };
    let samples: Vec<_> = (0..24 * 60 * 2)
        .map(|n: i64| {
            let at = ago(SignedDuration::from_secs(n * 30));
            // A day has its waves, and answers differ.
            let wave = 30.0 * (std::f64::consts::TAU * as_f64(n) / 2880.0).sin();
            let noise = as_f64((n * 7919) % 53);
            let spike = if kind == "rough" && (900..960).contains(&n) { 240.0 } else { 0.0 };
            let latency = Duration::from_secs_f64((110.0 + wave + noise + spike) / 1000.0);
            (series.clone(), Sample { at, verdict: Verdict::Up, latency: Some(latency) })
        })
        .collect();
    journal.add(&samples).await.expect("samples are kept");
    journal.close().await;
}

fn as_f64(n: i64) -> f64 {
    f64::from(i32::try_from(n).expect("a small number"))
}
