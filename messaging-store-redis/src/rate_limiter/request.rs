//! What the limiter's script is asked, and what it answers, as bytes.

use std::time::Duration;

use messaging_core::domain::quota::{CALLS_ARE_LATE_BY, Quota, refill_interval};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::ports::rate_limiter::RateKey;
use redis::Value;

/// How long a key is kept at least after the last that counts in it. Longer than clocks disagree;
/// and it costs a question to the store to learn that nothing counts.
const KEEP: Duration = Duration::from_secs(30 * 60);

/// How long a window is kept that was primed or settled and not yet asked for: nobody has said how
/// wide it is.
const KEEP_UNASKED: Duration = Duration::from_secs(24 * 60 * 60);

/// A question to the script about one key, or about two at once.
pub(super) struct Request {
    pub(super) asked: Asked,
    /// Asked where the first is granted. Where it is refused, the first is taken back.
    pub(super) beside: Option<Asked>,
}

/// A key, and what is asked about it.
pub(super) struct Asked {
    pub(super) key: String,
    pub(super) body: Vec<u8>,
}

/// What is asked.
pub(super) enum Body {
    Reserve {
        quota: Quota,
        until: Timestamp,
        now: Timestamp,
        life: u32,
    },
    Settle {
        id: u64,
        at: Timestamp,
    },
    Release {
        id: u64,
    },
    Prime {
        life: u32,
        /// The earliest first: when each was done, or until when it may be, and whether it may.
        entries: Vec<(Timestamp, bool)>,
    },
    Admit {
        quota: Quota,
        now: Timestamp,
    },
    /// The same, where the request before was granted.
    AdmitBeside {
        quota: Quota,
        now: Timestamp,
    },
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Granted {
        id: u64,
        remaining: u32,
    },
    /// The last of those that must leave the window counts then.
    Limited {
        counts_at: Timestamp,
    },
    /// This life of the window is not primed.
    Unprimed {
        life: u32,
    },
    Admitted {
        remaining: u32,
    },
    Refused {
        retry_after: Duration,
    },
    Done,
}

impl Request {
    /// How many answers the script gives to it.
    pub(super) fn answers(&self) -> usize {
        1 + usize::from(self.beside.is_some())
    }

    /// What the script's answers say together.
    pub(super) fn read(&self, answers: &[Value]) -> Option<Answer> {
        let first = Answer::read(answers.first()?)?;
        match answers.get(1).map(Answer::read) {
            None => Some(first),
            Some(Some(refused @ Answer::Refused { .. })) => Some(refused),
            Some(Some(Answer::Admitted { .. } | Answer::Done)) => Some(first),
            Some(_) => None,
        }
    }
}

impl Asked {
    /// `tag` is what the keys of the partition begin with.
    pub(super) fn new(tag: &str, key: RateKey, body: &Body) -> Self {
        let key = match key {
            RateKey::Admission(session) => format!("{tag}:admission:{}", session.0.simple()),
            RateKey::Sending(session) => format!("{tag}:sending:{}", session.0.simple()),
            RateKey::Recipient(_, to) => format!("{tag}:recipient:{:016x}", to.0),
            RateKey::WebhookSource(source) => format!("{tag}:source:{source:016x}"),
            RateKey::WebhookSession(session) => format!("{tag}:webhooks:{}", session.0.simple()),
            RateKey::AuthSource(source) => format!("{tag}:auth:{source:016x}"),
            RateKey::Tenant(tenant) => format!("{tag}:tenant:{}", tenant.0.simple()),
        };
        Self { key, body: body.write() }
    }
}

impl Body {
    fn write(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(64);
        match self {
            Self::Reserve { quota, until, now, life } => {
                to.push(b'R');
                put_instant(&mut to, *now);
                put_instant(&mut to, now.minus(quota.window));
                put_instant(&mut to, now.plus(quota.window).plus(CALLS_ARE_LATE_BY));
                put_instant(&mut to, *until);
                put_expiry(&mut to, *now, until.since(*now) + quota.window);
                put(&mut to, u64::from(quota.limit));
                to.extend_from_slice(&life.to_be_bytes());
            }
            Self::Settle { id, at } => {
                to.push(b'S');
                put(&mut to, *id);
                put_instant(&mut to, *at);
                put_millis(&mut to, KEEP_UNASKED);
            }
            Self::Release { id } => {
                to.push(b'F');
                put(&mut to, *id);
            }
            Self::Prime { life, entries } => {
                to.push(b'P');
                to.extend_from_slice(&life.to_be_bytes());
                put_millis(&mut to, KEEP_UNASKED);
                for (at, is_begun) in entries {
                    put_instant(&mut to, *at);
                    // A permit's name, but one that nobody has: the first that is granted is numbered 1.
                    put(&mut to, if *is_begun { u64::from(*life) << 32 } else { 0 });
                }
            }
            Self::Admit { quota, now } | Self::AdmitBeside { quota, now } => {
                let interval = refill_interval(*quota).as_micros();
                let burst = interval.saturating_mul(u128::from(quota.limit.max(1)));
                to.push(if matches!(self, Self::Admit { .. }) { b'A' } else { b'B' });
                put_instant(&mut to, *now);
                put(&mut to, u64::try_from(interval).unwrap_or(u64::MAX));
                put(&mut to, u64::try_from(burst).unwrap_or(u64::MAX));
                put_expiry(&mut to, *now, quota.window);
            }
        }
        to
    }
}

fn put(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(&number.to_be_bytes());
}

fn put_instant(to: &mut Vec<u8>, at: Timestamp) {
    put(to, at.as_micros().unsigned_abs());
}

/// The earliest that a key may expire whose last thing counts for so long, when to have it expire
/// where it would before, and in how many milliseconds that is.
fn put_expiry(to: &mut Vec<u8>, now: Timestamp, counts_for: Duration) {
    let (least, keep) = (counts_for.saturating_add(KEEP), counts_for.saturating_add(KEEP * 2));
    put_instant(to, now.plus(least));
    put_instant(to, now.plus(keep));
    put_millis(to, keep);
}

fn put_millis(to: &mut Vec<u8>, duration: Duration) {
    // Redis refuses what ends after the year 292 277 026.
    const MOST: u64 = 1 << 52;
    put(to, u64::try_from(duration.as_millis()).unwrap_or(MOST).min(MOST));
}

impl Answer {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let Value::BulkString(bytes) = value else { return None };
        let (kind, rest) = bytes.split_first()?;
        let number = || Some(u64::from_be_bytes(rest.get(..8)?.try_into().ok()?));
        let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Some(match kind {
            b'G' => {
                let remaining = u32::from_be_bytes(rest.get(8..12)?.try_into().ok()?);
                Self::Granted { id: number()?, remaining }
            }
            b'L' => {
                Self::Limited { counts_at: Timestamp::from_micros(i64::try_from(number()?).ok()?) }
            }
            b'U' => Self::Unprimed { life: u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) },
            b'A' => Self::Admitted { remaining: small(number()?) },
            b'W' => Self::Refused { retry_after: Duration::from_micros(number()?) },
            b'K' => Self::Done,
            _ => return None,
        })
    }
}
