//! A Redis that a test owns.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::process::{answers, free_port, output};

/// A Redis that a test owns. It keeps nothing: killed and started again, it is empty.
pub struct Redis {
    home: TempDir,
    port: u16,
    options: Vec<String>,
    process: Option<Child>,
}

impl Redis {
    /// Starts a server with nothing in it.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let home = TempDir::new().unwrap();
        let mut redis = Self { home, port: free_port(), options, process: None };
        redis.start_again().await;
        redis
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// Where it does not run.
    pub async fn kill(&mut self) {
        self.process.take().expect("Redis runs").kill().await.unwrap();
    }

    /// Starts it again, empty, and waits until it answers.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start_again(&mut self) {
        let mut server = Command::new("redis-server");
        server.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        server.args(["--save", "", "--appendonly", "no"]).args(&self.options);
        server.current_dir(self.home.path()).stdin(Stdio::null()).stdout(Stdio::null());
        self.process = Some(server.kill_on_drop(true).spawn().unwrap());
        answers("Redis", || self.cli(&["ping"])).await;
    }

    /// Forgets everything while it runs.
    ///
    /// # Panics
    /// Where it cannot be reached.
    pub async fn flush_all(&self) {
        output(self.cli(&["flushall"])).await;
    }

    /// Runs a command and gives what it answers.
    ///
    /// # Panics
    /// Where it fails.
    pub async fn ask(&self, arguments: &[&str]) -> String {
        output(self.cli(arguments)).await
    }

    /// Whether it runs, as far as the test knows.
    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn cli(&self, arguments: &[&str]) -> Command {
        let mut cli = Command::new("redis-cli");
        // With -e an error that is answered is a failure, too.
        cli.args(["-e", "-h", "127.0.0.1", "-p", &self.port.to_string()]).args(arguments);
        cli
    }
}
