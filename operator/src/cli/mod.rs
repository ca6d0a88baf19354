//! The command line: one file for each command.

mod adopt;
mod alert;
mod colour;
mod completions;
mod confirm;
mod controller;
mod crds;
mod delete;
mod environment;
mod get;
mod history;
mod logging;
mod measurements;
mod place;
mod plan;
mod preview;
mod release;
mod resume;
#[cfg_attr(not(feature = "sandbox"), path = "no_sandbox.rs")]
mod sandbox;
mod state;
mod suspend;
mod target;
mod up;
mod view;
mod why;
mod wish;
mod world;

use std::{path::Path, process::ExitCode, time::Duration};

use clap::{Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use jiff::SignedDuration;

pub use environment::{Connection, Endpoints};
use logging::LogFormat;

/// One manifest becomes a running product on GitHub and Vercel, and stays as the manifest says.
#[derive(Debug, Parser)]
#[command(
    name = "forkable",
    version,
    arg_required_else_help = true,
    after_help = "\
Try it without any account:
  forkable up deploy/examples/quickstart --sandbox

Exit codes: 0 done, 1 something failed or waits for a person, 2 `plan` found changes."
)]
struct Cli {
    /// Form of the log on standard error [default: text; json for controller].
    #[arg(long, global = true, value_enum)]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Arguments),
    Controller(controller::Arguments),
    Plan(plan::Arguments),
    Get(get::Arguments),
    Why(why::Arguments),
    Alert(alert::Arguments),
    Suspend(suspend::Arguments),
    Resume(resume::Arguments),
    Adopt(adopt::Arguments),
    Approve(wish::Approve),
    Abort(wish::Abort),
    Rollback(wish::Rollback),
    Release(release::Arguments),
    History(history::Arguments),
    Delete(delete::Arguments),
    #[cfg_attr(not(feature = "sandbox"), command(hide = true))]
    Sandbox(sandbox::Arguments),
    Crds(crds::Arguments),
    /// Print every metric with its type, labels and meaning, as Markdown.
    Metrics,
    Completions(completions::Arguments),
    #[command(name = "__complete", hide = true)]
    Complete(completions::Complete),
}

/// Nothing left to do.
const DONE: u8 = 0;
/// Something failed, or waits for a person.
const FAILED: u8 = 1;
/// `plan` found changes.
const CHANGES: u8 = 2;

/// Name of the binary that kubectl runs for `kubectl forkable`.
const PLUGIN: &str = "kubectl-forkable";

/// The command line as kubectl's users know it: called as they call it, in a cluster unless a folder is named, and with
/// the place before the command too. Commands that have nothing to do with a cluster work and are not shown.
fn plugin(command: clap::Command) -> clap::Command {
    fn has_place(command: &clap::Command) -> bool {
        command.get_arguments().any(|arg| arg.get_id() == "cluster") || command.get_subcommands().any(has_place)
    }
    fn in_cluster(command: clap::Command) -> clap::Command {
        let command = match command.get_name() {
            "completions" => return command,
            _ if !has_place(&command) => return command.hide(true),
            _ => command.mut_subcommands(in_cluster),
        };
        match command.has_subcommands() {
            true => command,
            false => command.mut_arg("cluster", |arg| arg.default_value("true").hide(true)),
        }
    }
    let command = command
        .name(PLUGIN)
        .bin_name("kubectl forkable")
        .after_help("Exit codes: 0 done, 1 something failed or waits for a person, 2 `plan` found changes.");
    let command = command.mut_subcommands(in_cluster);
    place::Place::augment_args(command).mut_args(|arg| match arg.get_id().as_str() {
        "cluster" => arg.global(true).default_value("true").hide(true),
        _ => arg.global(true),
    })
}

fn parse() -> Result<Cli, clap::Error> {
    let name = std::env::args_os().next().unwrap_or_default();
    let is_plugin = Path::new(&name).file_stem().is_some_and(|name| name == PLUGIN);
    let command = if is_plugin { plugin(Cli::command()) } else { Cli::command() };
    Cli::from_arg_matches(&command.try_get_matches()?)
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no failures; a wrong usage is 1, because 2 says that there are changes.
            let code = if error.use_stderr() { FAILED } else { DONE };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say_error(&format!("cannot start: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(cli.run()).unwrap_or_else(|error| {
        say_error(&format!("{error:#}"));
        FAILED
    });
    logging::finish();
    // What still runs (a held connection, a watcher) must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ExitCode::from(code)
}

impl Cli {
    async fn run(self) -> anyhow::Result<u8> {
        let Self { log_format, command } = self;
        let is_controller = matches!(command, Command::Controller(_));
        let log_format = log_format.unwrap_or(if is_controller { LogFormat::Json } else { LogFormat::Text });
        match command {
            Command::Controller(arguments) => {
                // What watches say is said once by those who watch.
                logging::start(log_format, "info,kube_runtime::watcher=off");
                Box::pin(arguments.run()).await.or_else(|error| {
                    tracing::error!("{error:#}");
                    Ok(FAILED)
                })
            }
            Command::Up(arguments) => arguments.run(log_format).await,
            Command::Plan(arguments) => {
                logging::start(log_format, "warn");
                arguments.run().await
            }
            Command::Sandbox(arguments) => {
                logging::start(log_format, "info");
                arguments.run().await
            }
            Command::Adopt(arguments) => {
                logging::start(log_format, "warn");
                arguments.run().await
            }
            Command::Approve(arguments) => arguments.run().await,
            Command::Abort(arguments) => arguments.run().await,
            Command::Rollback(arguments) => arguments.run().await,
            Command::Release(arguments) => arguments.run().await,
            Command::History(arguments) => arguments.run().await,
            Command::Get(arguments) => arguments.run().await,
            Command::Why(arguments) => arguments.run().await,
            Command::Delete(arguments) => arguments.run().await,
            Command::Alert(arguments) => arguments.run().await,
            Command::Suspend(arguments) => arguments.run().await,
            Command::Resume(arguments) => arguments.run().await,
            Command::Crds(arguments) => Ok(arguments.run()),
            Command::Metrics => {
                say(crate::metrics::document().trim_end());
                Ok(DONE)
            }
            Command::Completions(arguments) => Ok(arguments.run()),
            Command::Complete(arguments) => Ok(arguments.run().await),
        }
    }
}

/// A duration such as `200ms`, `30s` or `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|error| format!("{error}; write it as 200ms, 30s or 5m"))?;
    Duration::try_from(duration).map_err(|_| "a duration is not negative".into())
}

/// Writes a line for people or machines to standard output. A closed pipe ends the output, not the work.
fn say(line: impl std::fmt::Display) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// Tells on standard error what is good to know beside the answer.
fn say_note(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Tells on standard error what went wrong.
fn say_error(line: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stderr().lock(), "error: {line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_command_lines_are_consistent() {
        Cli::command().debug_assert();
        plugin(Cli::command()).debug_assert();
    }

    #[test]
    fn kubectl_means_a_cluster_and_takes_the_place_before_the_command_too() {
        let place = |words: &[&str]| {
            let matches = plugin(Cli::command()).try_get_matches_from(words).expect("arguments");
            match Cli::from_arg_matches(&matches).expect("a command").command {
                Command::Why(why) => format!("{why:?}"),
                other => panic!("{other:?}"),
            }
        };
        for words in [["x", "why", "acme", "-n", "team"], ["x", "-n", "team", "why", "acme"]] {
            let place = place(&words);
            assert!(place.contains("cluster: true") && place.contains("namespace: Some(\"team\")"), "{place}");
        }
        assert!(place(&["x", "why", "acme", "--dir", "d"]).contains("dir: Some(\"d\")"), "a folder if it is named");
    }
}
