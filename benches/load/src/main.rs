//! Asks a server for the same thing many times over and says how fast it answered.
//!
//! Requests are written out before the clock starts, signatures and all, and one thread sends them:
//! whoever is measured shares the machine with this.

mod drive;
mod requests;

use std::io::{self, Write};
use std::net::SocketAddr;

use clap::{Parser, ValueEnum};

use crate::drive::Answers;
use crate::requests::{message, webhook};

/// What is asked for.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// `POST /webhooks/waha`: a message that came in, signed as WAHA signs.
    Webhook,
    /// `POST /messages/send`: a text to send.
    Send,
}

/// Posts to a server until a number of requests or of seconds is reached; prints a line of JSON.
#[derive(Parser)]
struct Arguments {
    /// What to post.
    #[arg(value_enum)]
    kind: Kind,
    /// Where the server listens.
    #[arg(long)]
    to: SocketAddr,
    /// How many connections, each with one request under way at a time.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// The largest number of requests.
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// The longest time.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Sets the ids of this run apart from those of all others.
    #[arg(long)]
    run: u32,
    /// What webhooks are signed with.
    #[arg(long, default_value = "")]
    secret: String,
    /// The token of who sends.
    #[arg(long, default_value = "")]
    token: String,
    /// What webhooks say has happened.
    #[arg(long, default_value = "message.any")]
    event: String,
    /// How many sessions the requests go through, in turn: `s0`, `s1`, and so on.
    #[arg(long, default_value_t = 1)]
    sessions: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Arguments { kind, to, connections, seconds, .. } = arguments;
    let requests: Vec<Vec<u8>> = (0..arguments.requests)
        .map(|n| match kind {
            Kind::Webhook => webhook(&arguments, n),
            Kind::Send => message(&arguments, n),
        })
        .collect::<Result<_, _>>()?;
    let answers = drive::drive(to, requests, connections, seconds)?;
    writeln!(io::stdout(), "{}", report(&answers))?;
    Ok(())
}

fn report(answers: &Answers) -> serde_json::Value {
    let seconds = answers.took.as_secs_f64();
    serde_json::json!({
        "accepted": answers.accepted,
        "refused": answers.refused,
        "first_refusal": answers.first_refusal,
        "rate": answers.accepted as f64 / seconds,
        "p50_us": answers.micros.value_at_quantile(0.5),
        "p99_us": answers.micros.value_at_quantile(0.99),
    })
}
