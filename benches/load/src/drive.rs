//! Sending requests over connections that are kept, and counting the answers.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// What came back.
pub(crate) struct Answers {
    /// How many answers were 2xx.
    pub(crate) accepted: u64,
    /// How many were not.
    pub(crate) refused: u64,
    /// The first of those.
    pub(crate) first_refusal: Option<String>,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// How long the answers took, in microseconds.
    pub(crate) micros: Histogram<u64>,
}

struct Run {
    requests: Vec<Vec<u8>>,
    next: Cell<usize>,
    until: Instant,
    answers: RefCell<Answers>,
}

/// Sends the requests, in order, over so many connections, until they or the seconds are used up.
pub(crate) fn drive(
    to: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    seconds: f64,
) -> anyhow::Result<Answers> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let micros = Histogram::new_with_bounds(1, 60_000_000, 3)?;
    let answers =
        Answers { accepted: 0, refused: 0, first_refusal: None, took: Duration::ZERO, micros };
    let (began, run) = LocalSet::new().block_on(&runtime, async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(to).await.context("nobody listens there")?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let began = now();
        let run = Rc::new(Run {
            requests,
            next: Cell::new(0),
            until: began + Duration::from_secs_f64(seconds),
            answers: RefCell::new(answers),
        });
        let under_way: Vec<_> = streams
            .into_iter()
            .map(|stream| tokio::task::spawn_local(connection(Rc::clone(&run), stream)))
            .collect();
        for connection in under_way {
            connection.await??;
        }
        anyhow::Ok((began, run))
    })?;
    let took = now() - began;
    let Ok(run) = Rc::try_unwrap(run) else { bail!("a connection is still in use") };
    Ok(Answers { took, ..run.answers.into_inner() })
}

async fn connection(run: Rc<Run>, mut stream: TcpStream) -> anyhow::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let n = run.next.replace(run.next.get() + 1);
        let began = now();
        let Some(request) = run.requests.get(n) else { return Ok(()) };
        if began >= run.until {
            return Ok(());
        }
        stream.write_all(request).await?;
        let answer = answer(&mut stream, &mut buffer).await?;
        let took = now() - began;
        let mut answers = run.answers.borrow_mut();
        answers.micros.saturating_record(u64::try_from(took.as_micros())?);
        if answer.starts_with(b"HTTP/1.1 2") {
            answers.accepted += 1;
        } else {
            answers.refused += 1;
            let text = || String::from_utf8_lossy(answer).into_owned();
            answers.first_refusal.get_or_insert_with(text);
        }
    }
}

/// Reads one answer, which must say how long it is.
async fn answer<'a>(stream: &mut TcpStream, buffer: &'a mut [u8]) -> anyhow::Result<&'a [u8]> {
    let (mut have, mut whole) = (0, None);
    while whole.is_none_or(|whole| have < whole) {
        let Some(room) = buffer.get_mut(have..).filter(|room| !room.is_empty()) else {
            bail!("the answer is too long");
        };
        let read = stream.read(room).await?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        have += read;
        if whole.is_none() {
            whole = length(buffer.get(..have).unwrap_or_default())?;
        }
    }
    Ok(buffer.get(..have).unwrap_or_default())
}

/// How long the answer is that begins so, once its headers are there.
fn length(start: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = start.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let headers = std::str::from_utf8(start.get(..end).unwrap_or_default())?;
    let body = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(Some(end + 4 + body.context("the answer does not say how long it is")??))
}

#[expect(clippy::disallowed_methods, reason = "to measure is to read the clock")]
fn now() -> Instant {
    Instant::now()
}
