//! Progress in a terminal: what was done, and under it one line for each Fork that is not at rest, with its facets and
//! what happens now.

use std::{collections::BTreeMap, time::Duration};

use forkable_core::store::ObjectRef;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{label, lines::Lines};
use crate::{
    cli::logging,
    progress::{Mark, Progress, Standing},
};

/// Forks that have a line at the same time; more of them only show up when something is told of them.
const MOST: usize = 20;

/// Progress in a terminal.
pub(in crate::cli) struct Live {
    bars: MultiProgress,
    forks: BTreeMap<ObjectRef, Line>,
    /// What stays on the screen goes above the bars.
    pub(super) lines: Lines,
}

struct Line {
    bar: ProgressBar,
    facets: String,
    running: BTreeMap<&'static str, String>,
}

impl Live {
    pub(super) fn new() -> Self {
        let bars = MultiProgress::new();
        logging::share_with(bars.clone());
        Self { lines: Lines::above(bars.clone()), bars, forks: BTreeMap::new() }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        self.lines.show(progress);
        match progress {
            Progress::StepBegan { object, facet, step } => {
                let Some(line) = self.line(object) else { return };
                line.running.insert(facet, step.clone());
                line.draw();
            }
            Progress::StepEnded { object, facet, .. } => {
                if let Some(line) = self.forks.get_mut(object) {
                    line.running.remove(facet);
                    line.draw();
                }
            }
            Progress::PassEnded { object, standing, facets, reason, message, .. } => {
                if *standing == Standing::Working {
                    let Some(line) = self.line(object) else { return };
                    let facets: Vec<_> =
                        facets.iter().map(|(facet, mark)| format!("{} {}", sign(*mark), facet.name())).collect();
                    line.facets = facets.join("  ");
                    line.running.clear();
                    line.running.insert("", format!("{reason}: {message}"));
                    line.draw();
                } else if let Some(line) = self.forks.remove(object) {
                    line.bar.finish_and_clear();
                }
            }
        }
    }

    fn line(&mut self, object: &ObjectRef) -> Option<&mut Line> {
        if !self.forks.contains_key(object) && self.forks.len() >= MOST {
            return None;
        }
        let bars = &self.bars;
        Some(self.forks.entry(object.clone()).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new_spinner());
            bar.set_style(ProgressStyle::default_spinner().tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:<12} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(label(object));
            bar.enable_steady_tick(Duration::from_millis(100));
            Line { bar, facets: String::new(), running: BTreeMap::new() }
        }))
    }

    pub(super) fn finish(&mut self) {
        for line in std::mem::take(&mut self.forks).into_values() {
            line.bar.finish_and_clear();
        }
    }
}

impl Line {
    fn draw(&self) {
        let running: Vec<_> =
            self.running.values().map(|step| step.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        self.bar.set_message(format!("{}  {}", self.facets, running.join(" · ")));
    }
}

fn sign(mark: Mark) -> char {
    match mark {
        Mark::Done => '✓',
        Mark::Working => '…',
        Mark::Failed => '✗',
    }
}
