//! The binary as a process: started, read line by line, waited for, killed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::eventually;

/// The built binary; built once, if it is not up to date.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // `make bench` builds its own.
        if cfg!(debug_assertions) {
            build();
        }
        // .../target/debug/deps/it-xxxx → .../target/debug/forkable
        let test = std::env::current_exe().expect("a test has a path");
        test.ancestors()
            .skip(1)
            .map(|folder| folder.join("forkable"))
            .find(|path| path.is_file())
            .expect("the binary lies beside the tests")
    })
}

fn build() {
    let status = std::process::Command::new(env!("CARGO"))
        // As `cargo test --workspace` selects features, so that nothing is built twice.
        .args(["build", "--locked", "--quiet", "--workspace", "--all-targets"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "the binary does not build");
}

/// What a finished process printed.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A running process. It is killed when dropped.
pub struct Running {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary can be started");
        let (stdout, of_stdout) = collect(child.stdout.take().expect("stdout is piped"));
        let (stderr, of_stderr) = collect(child.stderr.take().expect("stderr is piped"));
        Self { child, stdout, stderr, readers: vec![of_stdout, of_stderr] }
    }

    /// A figure of its memory as Linux names it, such as `VmRSS`, in MiB.
    pub fn memory(&self, figure: &str) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux tells of processes");
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).expect("a figure");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    /// SIGKILL, and waits until the process is gone.
    pub async fn kill(mut self) -> Output {
        self.child.kill().await.expect("a child can be killed");
        self.output(None)
    }

    /// SIGTERM, as a kubelet and a person at a terminal send it.
    pub fn terminate(&self) {
        let Some(id) = self.child.id() else { return };
        let killed = std::process::Command::new("kill").arg(id.to_string()).status();
        assert!(killed.expect("kill can be started").success(), "the process is there");
    }

    /// Waits for the end.
    pub async fn finish(mut self, within: Duration) -> Output {
        let Ok(status) = tokio::time::timeout(within, self.child.wait()).await else {
            panic!("not finished within {within:?}:\n{:#?}", self.output(None));
        };
        let code = status.expect("a child can be waited for").code();
        for reader in self.readers.drain(..) {
            reader.await.expect("no reader panics");
        }
        self.output(code)
    }

    /// Everything on standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.lock().expect("no reader panics").clone()
    }

    /// Everything on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("no reader panics").clone()
    }

    /// Answers that a process with `-vv` has told of. A call that its budget refuses is told of, too, without a status.
    pub fn answers(&self) -> usize {
        let stderr = self.stderr.lock().expect("no reader panics");
        let told = stderr.lines().filter_map(|line| line.split_once(": called ")?.1.split_once("code="));
        told.filter(|(_, code)| code.trim_start_matches('"').starts_with(|first: char| first.is_ascii_digit())).count()
    }

    /// Waits until standard output or standard error holds the text.
    pub async fn says(&self, text: &str, within: Duration) {
        eventually(&format!("{text:?} in the output"), within, || async {
            let stdout = self.stdout.lock().expect("no reader panics");
            let stderr = self.stderr.lock().expect("no reader panics");
            (stdout.contains(text) || stderr.contains(text)).then_some(())
        })
        .await;
    }

    /// What it serves of metrics, once it serves them.
    pub async fn metrics(&self, within: Duration) -> String {
        let line = self.line_with("http://127.0.0.1", within).await;
        let address = line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1")).expect("an address");
        let address = address.trim_end_matches(|c: char| !c.is_ascii_digit());
        let served = reqwest::get(format!("{address}/metrics")).await.expect("metrics");
        served.text().await.expect("metrics")
    }

    /// Waits for a line of standard output or standard error that holds the text.
    pub async fn line_with(&self, text: &str, within: Duration) -> String {
        eventually(&format!("a line with {text:?}"), within, || async {
            [&self.stdout, &self.stderr].into_iter().find_map(|output| {
                let output = output.lock().expect("no reader panics");
                output.lines().find(|line| line.contains(text)).map(str::to_owned)
            })
        })
        .await
    }

    fn output(&self, code: Option<i32>) -> Output {
        Output { code, stdout: self.stdout(), stderr: self.stderr() }
    }
}

fn collect(pipe: impl AsyncRead + Unpin + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = text.clone();
    let reader = tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut sink = sink.lock().expect("no reader panics");
            sink.push_str(&line);
            sink.push('\n');
        }
    });
    (text, reader)
}
