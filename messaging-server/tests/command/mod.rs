//! The real binary, run as an operator runs it, in a directory of its own.
#![allow(dead_code, reason = "each test binary uses another part")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure ends the test"
)]

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a `.env` or without, and the variables commands are given.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    variables: Vec<(String, String)>,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), variables: Vec::new() }.with("PORT", "0")
    }

    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_messaging-server"));
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Outcome {
        let output = timeout(PATIENCE, self.command(arguments).output());
        let output = output.await.expect("the command ends").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Outcome { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that must succeed; gives the one line it prints.
    pub(crate) async fn line(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments).await;
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let line = outcome.out.strip_suffix('\n').expect("a whole line");
        assert!(!line.contains('\n'), "more than the result was printed: {line}");
        line.to_owned()
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut process = self.command(arguments).spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap()).lines();
        let err = BufReader::new(process.stderr.take().unwrap()).lines();
        Running { process, out, err }
    }
}

/// A command that goes on.
pub(crate) struct Running {
    process: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// The next line on standard output that has this in it.
    pub(crate) async fn printed(&mut self, part: &str) -> String {
        line_with(&mut self.out, part).await
    }

    /// The next line of the log that has this in it.
    pub(crate) async fn logged(&mut self, part: &str) -> String {
        line_with(&mut self.err, part).await
    }

    /// Where a server that was just started listens.
    pub(crate) async fn address(&mut self) -> String {
        let line = self.logged("serving http://").await;
        let address = line.split("serving ").nth(1).unwrap();
        address.split_whitespace().next().unwrap().to_owned()
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.process.id().expect("it still runs").to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status().await;
        assert!(status.unwrap().success());
    }

    /// Waits until it has left; gives its exit code.
    pub(crate) async fn left(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.process.wait()).await.expect("it leaves").unwrap().code()
    }
}

async fn line_with<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, part: &str) -> String {
    let mut before = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(part) {
                return Some(line);
            }
            before.push(line);
        }
        None
    };
    let found = timeout(PATIENCE, reading).await;
    found.ok().flatten().unwrap_or_else(|| panic!("no line with {part:?} after {before:#?}"))
}
