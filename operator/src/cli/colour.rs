//! Colour for people: only on a terminal, and only if they did not switch it off (https://no-color.org).

use std::{fmt::Display, io::IsTerminal as _, sync::LazyLock};

/// What a piece of text is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Working,
    Bad,
}

static ON: LazyLock<bool> = LazyLock::new(|| {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    std::io::stdout().is_terminal() && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
});

/// The text in its colour on standard output, if there is any.
pub(super) fn paint(text: impl Display, tone: Tone) -> String {
    if *ON { painted(text, tone) } else { text.to_string() }
}

fn painted(text: impl Display, tone: Tone) -> String {
    let code = match tone {
        Tone::Good => 32,
        Tone::Working => 33,
        Tone::Bad => 31,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_not_on_a_terminal_and_get_plain_text() {
        assert_eq!(painted("no", Tone::Bad), "\x1b[31mno\x1b[0m");
        if !std::io::stdout().is_terminal() {
            assert_eq!(paint("no", Tone::Bad), "no");
        }
    }
}
