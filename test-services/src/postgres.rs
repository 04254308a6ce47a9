//! A PostgreSQL that a test owns.

use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::process::{answers, free_port, output, signal};
use crate::variable;

/// A PostgreSQL that a test owns, as durable as one is out of the box.
pub struct Postgres {
    home: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Postgres {
    /// Starts a server with nothing in it.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start() -> Self {
        let home = TempDir::new().unwrap();
        if is_root().await {
            // PostgreSQL does not run as root, so its directory is another user's.
            output(command("chown", ["postgres".as_ref(), home.path().as_os_str()])).await;
        }
        let mut postgres = Self { home, port: free_port(), process: None };
        let mut initdb = postgres.program("initdb").await;
        initdb.arg("-D").arg(postgres.data());
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        output(initdb).await;
        postgres.start_again().await;
        postgres
    }

    /// The URL of its database `postgres`, for a superuser.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a power cut would: nothing is written any more, every connection is cut.
    ///
    /// # Panics
    /// Where it does not run.
    pub async fn stop_immediately(&mut self) {
        let mut process = self.process.take().expect("PostgreSQL runs");
        signal(&process, "QUIT").await;
        process.wait().await.unwrap();
    }

    /// Starts it on what it kept, and waits until it answers.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start_again(&mut self) {
        let mut server = self.program("postgres").await;
        server.arg("-D").arg(self.data());
        server.args(["-h", "127.0.0.1", "-k", "", "-p", &self.port.to_string()]);
        server.args(["-c", "max_connections=200"]);
        // For tests that count statements.
        server.args(["-c", "shared_preload_libraries=pg_stat_statements"]);
        let log = std::fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let process = server.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
        self.process = Some(process.unwrap());
        let ready = PathBuf::from(variable("TEST_POSTGRES_BIN")).join("pg_isready");
        let port = self.port.to_string();
        answers("PostgreSQL", || {
            command(&ready, ["-q", "-h", "127.0.0.1", "-p", &port].map(AsRef::as_ref))
        })
        .await;
    }

    /// What it has logged so far.
    ///
    /// # Panics
    /// Where that cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap()
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("server.log")
    }

    /// Runs a statement and gives its only column, a row a line.
    ///
    /// # Panics
    /// Where it fails.
    pub async fn sql(&self, statement: &str) -> String {
        self.sql_in("postgres", statement).await
    }

    /// The same in another database.
    ///
    /// # Panics
    /// Where it fails.
    pub async fn sql_in(&self, database: &str, statement: &str) -> String {
        let psql = PathBuf::from(variable("TEST_POSTGRES_BIN")).join("psql");
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}", self.port);
        let arguments = ["-qtAX", "-v", "ON_ERROR_STOP=1", "-c", statement, &url];
        output(command(&psql, arguments.map(AsRef::as_ref))).await
    }

    /// Cuts every connection but the one that says so.
    ///
    /// # Panics
    /// Where it cannot be reached.
    pub async fn cut_connections(&self) {
        self.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )
        .await;
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// One of the server's programs, to be run as a user that may.
    async fn program(&self, name: &str) -> Command {
        let path = PathBuf::from(variable("TEST_POSTGRES_BIN")).join(name);
        let mut program = if is_root().await {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(path);
            setpriv
        } else {
            Command::new(path)
        };
        program.current_dir(self.home.path()).stdin(Stdio::null());
        program
    }
}

async fn is_root() -> bool {
    output(command("id", ["-u".as_ref()])).await == "0"
}

fn command<const N: usize>(
    program: impl AsRef<std::ffi::OsStr>,
    arguments: [&std::ffi::OsStr; N],
) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}
