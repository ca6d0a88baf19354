//! `forkable completions`: scripts for shells, and what kubectl asks for while somebody types.

use clap::{Arg, Args as _, Command, CommandFactory as _, FromArgMatches as _, ValueEnum};
use clap_complete::Shell;
use forkable_crds::Fork;

use super::{Cli, PLUGIN, place::Place, world::World};

/// Print a completion script for a shell, or for kubectl.
///
/// Examples:
///   forkable completions bash > /etc/bash_completion.d/forkable
///   kubectl forkable completions kubectl > ~/bin/kubectl_complete-forkable; chmod +x ~/bin/kubectl_complete-forkable
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[arg(value_enum)]
    shell: For,
}

/// Answers to `kubectl_complete-forkable`: candidates for the last word, one a line, and a directive of cobra.
#[derive(Debug, clap::Args)]
pub(super) struct Complete {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
    /// The executable `kubectl_complete-forkable`, which kubectl looks for on the PATH.
    Kubectl,
}

impl Arguments {
    pub(super) fn run(self) -> u8 {
        let shell = match self.shell {
            For::Bash => Shell::Bash,
            For::Elvish => Shell::Elvish,
            For::Fish => Shell::Fish,
            For::Powershell => Shell::PowerShell,
            For::Zsh => Shell::Zsh,
            For::Kubectl => {
                super::say(format_args!("#!/bin/sh\nexec {PLUGIN} __complete -- \"$@\""));
                return super::DONE;
            }
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "forkable", &mut script);
        super::say(String::from_utf8_lossy(&script).trim_end());
        super::DONE
    }
}

impl Complete {
    pub(super) async fn run(self) -> u8 {
        let command = super::plugin(Cli::command());
        let (begun, before) = self.words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
        let Candidates { words, names } = candidates(&command, before, begun);
        let mut found: Vec<String> = words;
        if names && let Ok(World::Cluster(cluster)) = place(before).open().await {
            let forks = World::Cluster(cluster).list::<Fork>().await.unwrap_or_default();
            found.extend(forks.iter().filter_map(|fork| fork.metadata.name.clone()));
        }
        found.iter().filter(|word| word.starts_with(begun)).for_each(super::say);
        // ShellCompDirectiveNoFileComp.
        super::say(":4");
        super::DONE
    }
}

/// What may come next.
#[derive(Debug, Default, PartialEq, Eq)]
struct Candidates {
    words: Vec<String>,
    /// And names of Forks.
    names: bool,
}

fn candidates(command: &Command, before: &[String], begun: &str) -> Candidates {
    let mut current = command;
    let mut value_of: Option<&Arg> = None;
    for word in before {
        let option = current.get_arguments().find(|arg| is_option(arg, word));
        match value_of.take() {
            Some(_) => {}
            None if word.starts_with('-') => value_of = option.filter(|arg| arg.get_action().takes_values()),
            None => current = current.find_subcommand(word).unwrap_or(current),
        }
    }
    let values = |arg: &Arg| arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if let Some(arg) = value_of {
        return Candidates { words: values(arg), names: false };
    }
    if begun.starts_with('-') {
        let options = current.get_arguments().filter(|arg| !arg.is_hide_set());
        let words = options.filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        return Candidates { words, names: false };
    }
    if current.has_subcommands() {
        let commands = current.get_subcommands().filter(|command| !command.is_hide_set());
        return Candidates { words: commands.map(|command| command.get_name().to_owned()).collect(), names: false };
    }
    let positionals = || current.get_positionals();
    let names = positionals().any(|arg| matches!(arg.get_id().as_str(), "name" | "names" | "what"));
    Candidates { words: positionals().flat_map(values as fn(&Arg) -> Vec<String>).collect(), names }
}

fn is_option(arg: &Arg, word: &str) -> bool {
    let long = word.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name));
    long || word.strip_prefix('-').is_some_and(|name| arg.get_short().is_some_and(|short| name == short.to_string()))
}

/// Where the words before say that the objects are; the rest of them does not matter here.
fn place(words: &[String]) -> Place {
    let command = Place::augment_args(Command::new(PLUGIN).no_binary_name(true));
    let mut own = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let name = word.split('=').next().unwrap_or_default();
        let Some(arg) = command.get_arguments().find(|arg| is_option(arg, name)) else { continue };
        own.push(word);
        if arg.get_action().takes_values() && name == word {
            own.extend(rest.next());
        }
    }
    let mut command = command.mut_arg("cluster", |arg| arg.default_value("true"));
    let matches = command.try_get_matches_from_mut(own);
    matches.ok().and_then(|matches| Place::from_arg_matches(&matches).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_is_told_what_may_come_next() {
        let command = crate::cli::plugin(Cli::command());
        let next = |before: &[&str], begun: &str| {
            let before: Vec<_> = before.iter().map(|word| (*word).to_owned()).collect();
            candidates(&command, &before, begun)
        };
        let has = |found: &Candidates, word: &str| found.words.iter().any(|it| it == word);
        assert!(has(&next(&[], ""), "why") && !has(&next(&[], ""), "up"), "only what reads a cluster");
        assert!(has(&next(&["-n", "why"], ""), "get"), "the value of an option is no command");
        let why = next(&["why"], "");
        assert_eq!(why, Candidates { words: Vec::new(), names: true });
        assert!(has(&next(&["why"], "--"), "--namespace") && !has(&next(&["why"], "--"), "--cluster"));
        assert!(has(&next(&["get", "-o"], ""), "yaml"));
        assert_eq!(next(&["get", "-n"], ""), Candidates::default());
    }
}
