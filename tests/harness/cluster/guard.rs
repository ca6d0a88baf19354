//! Processes and folders that end with the test process, however that ends: a shell waits for the end of its standard
//! input, which only we hold open, and then does away with them.

use std::{
    io,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

/// Runs its arguments; kills them when its standard input ends.
const RUN: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & child=$!
{ cat <&3 >/dev/null; kill -KILL $child 2>/dev/null; } & guard=$!
exec 3<&-
wait $child; code=$?
kill $guard 2>/dev/null
exit $code
"#;

/// Removes its argument when its standard input ends; who writes there is being killed at the same time.
const SWEEP: &str = r#"cat >/dev/null; for _ in 1 2 3 4 5; do rm -rf "$1" 2>/dev/null && exit; sleep 1; done"#;

/// A guarded process. It is killed when dropped.
pub(super) struct Guarded {
    shell: Child,
    life: Option<ChildStdin>,
}

impl Guarded {
    /// Starts a program whose output goes to a file.
    pub(super) fn start(program: &Path, arguments: &[String], log: &Path) -> io::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = shell(RUN);
        command.arg(program).args(arguments).stdout(log.try_clone()?).stderr(log);
        Self::spawn(command)
    }

    /// Removes a folder at the end.
    pub(super) fn sweep(folder: &Path) -> io::Result<Self> {
        let mut command = shell(SWEEP);
        command.arg(folder);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> io::Result<Self> {
        let mut shell = command.stdin(Stdio::piped()).spawn()?;
        let life = shell.stdin.take();
        Ok(Self { shell, life })
    }

    /// Whether it ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.shell.try_wait(), Ok(None))
    }

    /// Kills it and waits until it is gone.
    pub(super) fn kill(&mut self) {
        self.life = None;
        // A shell that cannot be waited for is gone.
        let _ = self.shell.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "guard"]);
    command
}
