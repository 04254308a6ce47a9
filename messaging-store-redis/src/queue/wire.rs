//! What the queue's scripts are asked, and what they answer, as bytes.

use messaging_core::domain::address::RecipientKey;
use messaging_core::domain::id::{MessageId, SessionId, TenantId};
use messaging_core::domain::message::{Priority, QueueItem};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::domain::urgency::Lane;
use messaging_core::ports::queue::{self, Claim, HeldBy, Pause, Position};
use redis::Value;
use uuid::Uuid;

use crate::fault::RedisFault;

/// From here on an instant stands for never.
const NEVER: u64 = 1 << 62;

/// The length of the state of a partition before its list, and of an entry of the list.
const HEAD: usize = 20;
const ENTRY: usize = 32;

/// The length of a claim.
const CLAIM: usize = 74;

/// The state of a partition after a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<'a> {
    /// The number of the change.
    pub(super) step: u64,
    /// How many sessions are in turn.
    pub(super) in_turn: usize,
    /// When others will be.
    pub(super) due: Option<Timestamp>,
    /// The first of those in turn.
    pub(super) list: &'a [u8],
}

/// A session something can be claimed of, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Standing {
    pub(super) session: SessionId,
    pub(super) tenant: TenantId,
}

impl Standing {
    /// As the partition names it.
    pub(super) fn name(&self) -> Vec<u8> {
        let mut name = Vec::with_capacity(ENTRY);
        name.extend_from_slice(self.session.0.as_bytes());
        name.extend_from_slice(self.tenant.0.as_bytes());
        name
    }
}

impl<'a> State<'a> {
    pub(super) fn read(value: &'a Value) -> Result<Self, RedisFault> {
        let bytes = text(value)?;
        if bytes.len() < HEAD {
            return Err(RedisFault::Answer);
        }
        let due = number(&bytes[12..20]);
        let in_turn = bytes[8..12].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        Ok(Self {
            step: number(&bytes[..8]),
            in_turn,
            due: (due < NEVER).then(|| instant(due)),
            list: &bytes[HEAD..],
        })
    }

    /// The first of those in turn.
    pub(super) fn listed(&self) -> impl Iterator<Item = Standing> + use<'a> {
        self.list.chunks_exact(ENTRY).filter_map(|entry| {
            Some(Standing {
                session: SessionId(id(&entry[..16])?),
                tenant: TenantId(id(&entry[16..])?),
            })
        })
    }
}

/// A message.
pub(super) fn item(item: &QueueItem) -> Vec<u8> {
    let mut to = Vec::with_capacity(96);
    to.extend_from_slice(item.message.0.as_bytes());
    to.extend_from_slice(item.tenant.0.as_bytes());
    to.extend_from_slice(item.session.0.as_bytes());
    to.extend_from_slice(&item.recipient.0.to_be_bytes());
    to.push(priority(item));
    put_instant(&mut to, item.due_at);
    to.push(b'0' + u8::from(was_due_at_once(item)) + 2 * item.lane as u8);
    to
}

/// Whether it was due when it was accepted, which its id tells. The partition need not know then what
/// time it is: it knows of the latest claim only, and would have all that came since wait for another.
fn was_due_at_once(item: &QueueItem) -> bool {
    let (high, _) = item.message.0.as_u64_pair();
    item.message.0.get_version_num() == 7 && item.due_at.as_millis() <= (high >> 16) as i64
}

/// A claim to go on with.
pub(super) fn renewal(claim: &Claim) -> Vec<u8> {
    let mut to = item(&claim.item);
    to.extend_from_slice(&claim.token.to_be_bytes());
    to
}

/// The end of a claim: complete, or to be handed out again then, waiting for this.
pub(super) fn end(claim: &Claim, retry_at: Option<(Timestamp, HeldBy)>) -> Vec<u8> {
    let item = &claim.item;
    let mut to = Vec::with_capacity(CLAIM);
    to.push(if retry_at.is_some() { b'R' } else { b'C' });
    to.extend_from_slice(item.session.0.as_bytes());
    to.extend_from_slice(&item.recipient.0.to_be_bytes());
    to.push(priority(item));
    to.extend_from_slice(item.message.0.as_bytes());
    to.extend_from_slice(&item.recipient.0.to_be_bytes());
    to.extend_from_slice(&claim.token.to_be_bytes());
    if let Some((at, why)) = retry_at {
        put_instant(&mut to, at);
        to.push(reason(why));
    }
    to
}

/// The state of the partition, which stands first where there is more.
pub(super) fn state_of(answer: &Value) -> Result<State<'_>, RedisFault> {
    match answer {
        Value::Array(parts) => State::read(parts.first().ok_or(RedisFault::Answer)?),
        value => State::read(value),
    }
}

/// The claims after the state.
pub(super) fn claims(answer: &Value, until: Timestamp) -> Result<Vec<Claim>, RedisFault> {
    let Value::Array(parts) = answer else { return Err(RedisFault::Answer) };
    let read = |part| claim(text(part)?, until).ok_or(RedisFault::Answer);
    parts.iter().skip(1).map(read).collect()
}

fn claim(bytes: &[u8], lease_until: Timestamp) -> Option<Claim> {
    if bytes.len() != CLAIM {
        return None;
    }
    let item = QueueItem {
        session: SessionId(id(&bytes[..16])?),
        tenant: TenantId(id(&bytes[16..32])?),
        priority: *Priority::ALL.get(usize::from(bytes[32]))?,
        message: MessageId(id(&bytes[33..49])?),
        recipient: RecipientKey(number(&bytes[49..57])),
        lane: if bytes[73] == b'1' { Lane::New } else { Lane::Known },
        due_at: instant(number(&bytes[57..65])),
    };
    Some(Claim { item, lease_until, token: number(&bytes[65..73]) })
}

/// The answers by yes or no after the state, of which there must be so many.
pub(super) fn flags(answer: &Value, count: usize) -> Result<Vec<bool>, RedisFault> {
    let Value::Array(parts) = answer else { return Err(RedisFault::Answer) };
    let flags = text(parts.get(1).ok_or(RedisFault::Answer)?)?;
    if flags.len() != count {
        return Err(RedisFault::Answer);
    }
    Ok(flags.iter().map(|flag| *flag == b'1').collect())
}

/// A position, where there is one.
pub(super) fn position(answer: &Value) -> Result<Option<Position>, RedisFault> {
    let Value::Array(parts) = answer else { return Err(RedisFault::Answer) };
    let [ahead, due, until, why_paused, out, why, lane] = parts.as_slice() else {
        return if parts.is_empty() { Ok(None) } else { Err(RedisFault::Answer) };
    };
    // 0 is what was not put back for anything.
    let why = match count(why)? {
        0 => HeldBy::Retry,
        number => held_by(number - 1)?,
    };
    Ok(Some(Position {
        ahead: count(ahead)?,
        due_at: instant(count(due)?),
        why,
        lane: if count(lane)? == 1 { Lane::New } else { Lane::Known },
        pause: pause(until, why_paused)?,
        claimed: count(out)? == 1,
    }))
}

/// What there is to know of so many sessions.
pub(super) fn standings(answer: &Value, count: usize) -> Result<Vec<queue::Standing>, RedisFault> {
    let Value::Array(parts) = answer else { return Err(RedisFault::Answer) };
    if parts.len() != count {
        return Err(RedisFault::Answer);
    }
    parts.iter().map(standing).collect()
}

fn standing(answer: &Value) -> Result<queue::Standing, RedisFault> {
    let Value::Array(parts) = answer else { return Err(RedisFault::Answer) };
    let [depth, new_chats, out, until, why, chats_until, chats_why, oldest] = parts.as_slice()
    else {
        return Err(RedisFault::Answer);
    };
    Ok(queue::Standing {
        depth: count(depth)?,
        new_chats: count(new_chats)?,
        claimed: count(out)? == 1,
        oldest: id(text(oldest)?).map(MessageId),
        pause: pause(until, why)?,
        new_chats_pause: pause(chats_until, chats_why)?,
    })
}

/// A pause, where there is one.
fn pause(until: &Value, why: &Value) -> Result<Option<Pause>, RedisFault> {
    let until = instant(count(until)?);
    let why = held_by(count(why)?)?;
    Ok((until > Timestamp::EPOCH).then_some(Pause { until, why }))
}

fn held_by(number: u64) -> Result<HeldBy, RedisFault> {
    let nth = usize::try_from(number).map_err(|_| RedisFault::Answer)?;
    HeldBy::ALL.get(nth).copied().ok_or(RedisFault::Answer)
}

/// What a message was put back for; 0 stands for nothing.
fn reason(why: HeldBy) -> u8 {
    why as u8 + 1
}

/// A whole number, also where it is written out.
pub(super) fn count(value: &Value) -> Result<u64, RedisFault> {
    let count = match value {
        Value::Int(count) => u64::try_from(*count).ok(),
        value => std::str::from_utf8(text(value)?).ok().and_then(|digits| digits.parse().ok()),
    };
    count.ok_or(RedisFault::Answer)
}

fn text(value: &Value) -> Result<&[u8], RedisFault> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(RedisFault::Answer),
    }
}

fn priority(item: &QueueItem) -> u8 {
    item.priority as u8
}

fn id(bytes: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(bytes).ok()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn instant(micros: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn put_instant(to: &mut Vec<u8>, at: Timestamp) {
    to.extend_from_slice(&at.as_micros().to_be_bytes());
}
