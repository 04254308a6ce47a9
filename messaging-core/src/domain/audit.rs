//! Who did what: entries that are linked to one another, so that a change of any shows.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::domain::fingerprint::Fingerprinter;
use crate::domain::id::TenantId;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

/// The longest text of an entry, in characters; what is longer is cut.
pub const MAX_TEXT_CHARS: usize = 256;

/// Tells this form of what is hashed from later ones.
const FORM: &str = "messaging-audit/1";

/// Entries that are linked to one another: a tenant's, or those that are about no tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// What is about the deployment, or about a tenant that nobody can tell.
    Platform,
    /// What is about a tenant.
    Tenant(TenantId),
}

impl Chain {
    /// What it is kept under: the tenant's id, or none.
    pub fn id(self) -> Uuid {
        match self {
            Self::Platform => Uuid::nil(),
            Self::Tenant(tenant) => tenant.0,
        }
    }

    /// The chain that is kept under this.
    pub fn of_id(id: Uuid) -> Self {
        if id.is_nil() { Self::Platform } else { Self::Tenant(TenantId(id)) }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("platform"),
            Self::Tenant(tenant) => write!(f, "{tenant}"),
        }
    }
}

named_enum! {
    /// What kind of somebody did it.
    pub enum ActorKind {
        /// The bearer of a token.
        Token = "token",
        /// Somebody who was not believed.
        Unknown = "unknown",
        /// Whoever sends webhooks.
        Webhook = "webhook",
        /// Somebody at the command line.
        Cli = "cli",
        /// The service by itself.
        System = "system",
    }
}

/// What happened. Holds no message text, no number and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// On which chain it belongs.
    pub chain: Chain,
    /// When.
    pub at: Timestamp,
    /// What kind of somebody.
    pub actor_kind: ActorKind,
    /// Who, as the token says; empty where nobody can tell.
    pub actor: String,
    /// As what.
    pub role: Option<String>,
    /// What was done: an operation of the API, or a command.
    pub action: String,
    /// What kind of thing it was done to.
    pub target_kind: Option<String>,
    /// To which.
    pub target: Option<String>,
    /// From which address.
    pub source: Option<String>,
    /// How it ended, as a status of HTTP.
    pub status: u16,
    /// Why it was refused, as a stable code.
    pub code: Option<String>,
    /// The request's id.
    pub request: Option<String>,
}

impl AuditEvent {
    /// The same with texts that any store keeps as they are: without control characters, and not
    /// longer than an entry may be.
    #[must_use]
    pub fn tidied(mut self) -> Self {
        let texts = [&mut self.actor, &mut self.action].into_iter();
        let more = [
            &mut self.role,
            &mut self.target_kind,
            &mut self.target,
            &mut self.source,
            &mut self.code,
            &mut self.request,
        ];
        for text in texts.chain(more.into_iter().flatten()) {
            if text.chars().any(char::is_control) || text.chars().count() > MAX_TEXT_CHARS {
                *text = text.chars().filter(|c| !c.is_control()).take(MAX_TEXT_CHARS).collect();
            }
        }
        self
    }
}

/// A SHA-256 over an entry.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditHash(pub [u8; 32]);

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place on a chain: how many entries lead there, and the hash of the last. The default is where
/// each chain begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// The number of the entry, from 1; 0 before the first.
    pub seq: u64,
    /// Its hash; zeros before the first.
    pub hash: AuditHash,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// No link is written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a number, a colon and 64 hexadecimal digits")]
pub struct BadLink;

impl FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Self, BadLink> {
        let (seq, digits) = text.split_once(':').ok_or(BadLink)?;
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadLink);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| BadLink)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| BadLink)?;
        }
        Ok(Self { seq: seq.parse().map_err(|_| BadLink)?, hash: AuditHash(hash) })
    }
}

/// What a store says a chain begins and ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainEnds {
    /// The last entry that is kept no longer.
    pub anchor: Link,
    /// The last entry.
    pub head: Link,
}

/// Something that happened, in its place on its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, from 1.
    pub seq: u64,
    /// The hash of the entry before.
    pub previous: AuditHash,
    /// The hash over all of this one, the number and the hash before included.
    pub hash: AuditHash,
    /// What happened.
    pub event: AuditEvent,
}

impl AuditEntry {
    /// The entry that follows `last` on its chain.
    pub fn after(last: Link, event: AuditEvent) -> Self {
        let seq = last.seq + 1;
        Self { seq, previous: last.hash, hash: hash_of(seq, last.hash, &event), event }
    }

    /// Its place.
    pub fn link(&self) -> Link {
        Link { seq: self.seq, hash: self.hash }
    }
}

/// Links events to the ends of their chains, in the order given.
pub fn linked(
    events: impl IntoIterator<Item = AuditEvent>,
    mut head: impl FnMut(Chain) -> Link,
) -> Vec<AuditEntry> {
    let mut heads = std::collections::BTreeMap::new();
    let link = |event: AuditEvent| {
        let last = heads.entry(event.chain).or_insert_with_key(|chain| head(*chain));
        let entry = AuditEntry::after(*last, event);
        *last = entry.link();
        entry
    };
    events.into_iter().map(link).collect()
}

/// Every field is written with its length, and one that is absent unlike one that is empty, so that
/// no two entries read the same.
fn hash_of(seq: u64, previous: AuditHash, event: &AuditEvent) -> AuditHash {
    let AuditEvent {
        chain,
        at,
        actor_kind,
        actor,
        role,
        action,
        target_kind,
        target,
        source,
        status,
        code,
        request,
    } = event;
    let read = Fingerprinter::default()
        .text(FORM)
        .bytes(chain.id().as_bytes())
        .bytes(&seq.to_be_bytes())
        .bytes(&previous.0)
        .bytes(&at.as_micros().to_be_bytes())
        .text(actor_kind.as_str())
        .text(actor)
        .text(action)
        .bytes(&status.to_be_bytes());
    let optional = [role, target_kind, target, source, code, request];
    let read = optional.into_iter().fold(read, |read, field| match field {
        Some(text) => read.bytes(&[1]).text(text),
        None => read.bytes(&[0]),
    });
    AuditHash(read.finish())
}

/// Which entries of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// From then on.
    pub from: Option<Timestamp>,
    /// Before then.
    pub to: Option<Timestamp>,
    /// Of this action.
    pub action: Option<String>,
    /// Of this actor.
    pub actor: Option<String>,
    /// Done to this.
    pub target: Option<String>,
}

impl AuditFilter {
    /// Whether an event is among those asked for.
    pub fn takes(&self, event: &AuditEvent) -> bool {
        self.from.is_none_or(|from| event.at >= from)
            && self.to.is_none_or(|to| event.at < to)
            && self.action.as_ref().is_none_or(|action| *action == event.action)
            && self.actor.as_ref().is_none_or(|actor| *actor == event.actor)
            && self.target.as_ref().is_none_or(|target| event.target.as_ref() == Some(target))
    }
}

/// A setting of a tenant's that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// Which.
    pub name: &'static str,
    /// What it was.
    pub old: String,
    /// What it is.
    pub new: String,
}

/// The entries about settings of a tenant's, from what is known of who changed them: each on the
/// tenant's chain and on the platform's, of which the tenant lets go of nothing.
pub fn settings_changed(
    by: &AuditEvent,
    tenant: TenantId,
    changes: &[SettingChange],
) -> Vec<AuditEvent> {
    let entry = |SettingChange { name, old, new }: &SettingChange| {
        let told = format!("{name}: {old} -> {new}");
        let on = |chain, target| AuditEvent {
            chain,
            target_kind: Some("tenant-setting".to_owned()),
            target: Some(target),
            ..by.clone()
        };
        [on(Chain::Platform, format!("{tenant} {told}")), on(Chain::Tenant(tenant), told)]
    };
    changes.iter().flat_map(entry).collect()
}

/// The entry about a chain's oldest entries that were let go of, the last of which is the anchor now.
pub fn anchor_moved(chain: Chain, anchor: Link, at: Timestamp) -> AuditEvent {
    AuditEvent {
        chain: Chain::Platform,
        at,
        actor_kind: ActorKind::System,
        actor: String::new(),
        role: None,
        action: "retention".to_owned(),
        target_kind: Some("audit-anchor".to_owned()),
        target: Some(format!("{chain} {anchor}")),
        source: None,
        status: 200,
        code: None,
        request: None,
    }
}

/// Something about a chain that nobody but an intruder, or a fault, can have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The entry is not what its hash was made of.
    Altered {
        /// Which.
        seq: u64,
    },
    /// The entry does not follow the one that stands before it.
    Unlinked {
        /// Which.
        seq: u64,
    },
    /// Entries are not there.
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The entry cannot be read, and none behind it was looked at.
    Unreadable {
        /// Behind which.
        after: u64,
    },
    /// The chain ends before the head that is kept apart.
    Truncated {
        /// The last entry there is.
        ends_at: u64,
        /// The one that the head names.
        head: u64,
    },
    /// There are entries that the head does not know of.
    BehindHead {
        /// The last entry there is.
        ends_at: u64,
        /// The one that the head names.
        head: u64,
    },
    /// The entry has another hash than the head that is kept apart.
    NotTheHead {
        /// Which.
        seq: u64,
    },
    /// The entry has another hash than was expected, or is not there.
    NotAsExpected {
        /// Which.
        seq: u64,
    },
    /// The entry that was expected is said to be kept no longer, so that all behind it may have been
    /// made anew.
    ExpectedIsGone {
        /// Which.
        seq: u64,
        /// The last that is kept no longer.
        anchor: u64,
    },
    /// Where the chain begins and ends cannot be read, and none of its entries was looked at.
    UnreadableEnds,
    /// There is an entry where none is kept any more.
    BeforeAnchor {
        /// Which.
        seq: u64,
    },
    /// There is something where no entry is kept any more, which cannot be read.
    UnreadableBeforeAnchor {
        /// The last that is kept no longer.
        anchor: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { seq } => write!(f, "entry {seq} was altered"),
            Self::Unlinked { seq } => write!(f, "entry {seq} does not follow the one before it"),
            Self::Missing { from, to } if from == to => write!(f, "entry {from} is missing"),
            Self::Missing { from, to } => write!(f, "entries {from} to {to} are missing"),
            Self::Unreadable { after } => write!(f, "what follows entry {after} cannot be read"),
            Self::Truncated { ends_at, head } => {
                write!(f, "the chain ends at entry {ends_at}, and its head is entry {head}")
            }
            Self::BehindHead { ends_at, head } => {
                write!(f, "entries up to {ends_at} stand behind the head, which is entry {head}")
            }
            Self::NotTheHead { seq } => write!(f, "entry {seq} is not the one the head names"),
            Self::NotAsExpected { seq } => write!(f, "entry {seq} is not the one expected"),
            Self::ExpectedIsGone { seq, anchor } => {
                write!(
                    f,
                    "entry {seq}, which was expected, is kept no longer, nor any up to {anchor}"
                )
            }
            Self::UnreadableEnds => f.write_str("where it begins and ends cannot be read"),
            Self::BeforeAnchor { seq } => write!(f, "entry {seq} stands before the chain begins"),
            Self::UnreadableBeforeAnchor { anchor } => {
                write!(f, "something cannot be read that stands at entry {anchor} or before")
            }
        }
    }
}

/// How many findings are told of.
const MAX_FINDINGS: usize = 20;

/// Looks at a chain from its oldest entry on.
#[derive(Debug)]
pub struct ChainCheck {
    last: Link,
    ends: ChainEnds,
    expected: Option<Link>,
    seen_head: bool,
    findings: Vec<Finding>,
    checked: u64,
}

impl ChainCheck {
    /// Begins at the anchor; `ends` as they were before the first entry is read. A link that is
    /// expected was told before, and kept elsewhere.
    pub fn new(ends: ChainEnds, expected: Option<Link>) -> Self {
        let mut check = Self {
            last: ends.anchor,
            ends,
            expected,
            seen_head: false,
            findings: Vec::new(),
            checked: 0,
        };
        check.compare(ends.anchor);
        check
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    fn compare(&mut self, link: Link) {
        if link.seq == self.ends.head.seq {
            self.seen_head = true;
            if link.hash != self.ends.head.hash {
                self.find(Finding::NotTheHead { seq: link.seq });
            }
        }
        if self.expected.is_some_and(|expected| expected.seq == link.seq) {
            let expected = self.expected.take();
            if expected != Some(link) {
                self.find(Finding::NotAsExpected { seq: link.seq });
            }
        }
    }

    /// There is an entry at the anchor or before, where none of the chain's is.
    pub fn before_anchor(&mut self, seq: u64) {
        self.find(Finding::BeforeAnchor { seq });
    }

    /// There is something at the anchor or before that cannot be read.
    pub fn unreadable_before_anchor(&mut self) {
        self.find(Finding::UnreadableBeforeAnchor { anchor: self.ends.anchor.seq });
    }

    /// The last entry that was looked at.
    pub fn reached(&self) -> u64 {
        self.last.seq
    }

    /// Looks at the next entry.
    pub fn step(&mut self, chain: Chain, entry: &AuditEntry) {
        self.checked += 1;
        let next = self.last.seq + 1;
        if entry.seq > next {
            self.find(Finding::Missing { from: next, to: entry.seq - 1 });
        } else if entry.previous != self.last.hash || entry.seq < next {
            self.find(Finding::Unlinked { seq: entry.seq });
        }
        let is_own = entry.event.chain == chain;
        if !is_own || hash_of(entry.seq, entry.previous, &entry.event) != entry.hash {
            self.find(Finding::Altered { seq: entry.seq });
        }
        self.last = entry.link();
        self.compare(self.last);
    }

    /// The next entry cannot be read.
    pub fn unreadable(&mut self) {
        self.find(Finding::Unreadable { after: self.last.seq });
    }

    /// What was found of all; `head` as it is after the last entry was read.
    pub fn finish(mut self, head: Link) -> ChainReport {
        let is_readable = !self.findings.iter().any(|it| matches!(it, Finding::Unreadable { .. }));
        if is_readable {
            let ends_at = self.last.seq;
            if !self.seen_head {
                self.find(Finding::Truncated { ends_at, head: self.ends.head.seq });
            } else if ends_at > head.seq {
                self.find(Finding::BehindHead { ends_at, head: head.seq });
            }
            if let Some(expected) = self.expected {
                let (seq, anchor) = (expected.seq, self.ends.anchor.seq);
                self.find(match seq < anchor {
                    true => Finding::ExpectedIsGone { seq, anchor },
                    false => Finding::NotAsExpected { seq },
                });
            }
        }
        ChainReport {
            anchor: self.ends.anchor,
            head: self.last,
            checked: self.checked,
            findings: self.findings,
        }
    }
}

/// What was found of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The last entry that is kept no longer.
    pub anchor: Link,
    /// The last entry that was looked at.
    pub head: Link,
    /// How many were looked at.
    pub checked: u64,
    /// What is wrong, at most twenty; nothing where the chain is whole.
    pub findings: Vec<Finding>,
}

impl ChainReport {
    /// Of a chain of which it cannot be read where it begins and ends.
    pub fn without_ends() -> Self {
        let (anchor, head) = (Link::default(), Link::default());
        Self { anchor, head, checked: 0, findings: vec![Finding::UnreadableEnds] }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::{at, audit_event, tenant_id};

    fn chain() -> Chain {
        Chain::Tenant(tenant_id(1))
    }

    fn entries(n: u64) -> Vec<AuditEntry> {
        linked((1..=n).map(audit_event), |_| Link::default())
    }

    fn report(entries: &[AuditEntry], head: Link, expected: Option<Link>) -> ChainReport {
        let mut check = ChainCheck::new(ChainEnds { anchor: Link::default(), head }, expected);
        entries.iter().for_each(|entry| check.step(chain(), entry));
        check.finish(head)
    }

    #[track_caller]
    fn check(spoil: impl FnOnce(&mut Vec<AuditEntry>), expected: &[Finding]) {
        let mut all = entries(5);
        let head = all[4].link();
        spoil(&mut all);
        assert_eq!(report(&all, head, None).findings, expected);
    }

    #[test]
    fn a_chain_that_nobody_touched_is_whole() {
        check(|_| {}, &[]);
        assert_eq!(report(&[], Link::default(), None).findings, []);
    }

    #[test]
    fn an_edit_shows_whatever_was_edited() {
        let edits: [fn(&mut AuditEvent); 12] = [
            |it| it.chain = Chain::Platform,
            |it| it.at = at(99),
            |it| it.actor_kind = ActorKind::Cli,
            |it| it.actor.push('x'),
            |it| it.role = None,
            |it| it.action.push('x'),
            |it| it.target_kind = None,
            |it| it.target = Some(String::new()),
            |it| it.source = None,
            |it| it.status += 1,
            |it| it.code = Some(String::new()),
            |it| it.request = None,
        ];
        for edit in edits {
            check(|all| edit(&mut all[2].event), &[Finding::Altered { seq: 3 }]);
        }
        check(
            |all| all[2].previous.0[0] ^= 1,
            &[Finding::Unlinked { seq: 3 }, Finding::Altered { seq: 3 }],
        );
        check(
            |all| all[2].hash.0[0] ^= 1,
            &[Finding::Altered { seq: 3 }, Finding::Unlinked { seq: 4 }],
        );
    }

    #[test]
    fn an_edit_with_a_new_hash_breaks_the_next_link() {
        let forge = |all: &mut Vec<AuditEntry>| {
            let last = all[1].link();
            let event = AuditEvent { actor: "somebody else".into(), ..all[2].event.clone() };
            all[2] = AuditEntry::after(last, event);
        };
        check(forge, &[Finding::Unlinked { seq: 4 }]);
    }

    #[test]
    fn what_is_removed_inserted_or_out_of_order_shows() {
        check(|all| drop(all.drain(1..3)), &[Finding::Missing { from: 2, to: 3 }]);
        check(|all| drop(all.remove(0)), &[Finding::Missing { from: 1, to: 1 }]);
        let insert = |all: &mut Vec<AuditEntry>| {
            let forged = AuditEntry::after(all[1].link(), audit_event(9));
            all.insert(2, forged);
        };
        check(insert, &[Finding::Unlinked { seq: 3 }]);
        let swap = |all: &mut Vec<AuditEntry>| {
            let (one, other) = (all[1].event.clone(), all[2].event.clone());
            (all[1].event, all[2].event) = (other, one);
        };
        check(swap, &[Finding::Altered { seq: 2 }, Finding::Altered { seq: 3 }]);
    }

    #[test]
    fn a_tail_that_is_gone_shows_by_the_head() {
        check(|all| all.truncate(3), &[Finding::Truncated { ends_at: 3, head: 5 }]);
        check(Vec::clear, &[Finding::Truncated { ends_at: 0, head: 5 }]);
        let all = entries(5);
        let ends = report(&all, all[2].link(), None);
        assert_eq!(ends.findings, [Finding::BehindHead { ends_at: 5, head: 3 }]);
    }

    /// Whoever changes the head too is found by what was kept elsewhere.
    #[test]
    fn a_tail_gone_together_with_its_head_shows_by_what_is_expected() {
        let all = entries(5);
        let kept_elsewhere = all[4].link();
        let cut = &all[..3];
        assert_eq!(report(cut, cut[2].link(), None).findings, []);
        let found = report(cut, cut[2].link(), Some(kept_elsewhere)).findings;
        assert_eq!(found, [Finding::NotAsExpected { seq: 5 }]);
        let other = Link { hash: AuditHash([7; 32]), ..all[2].link() };
        let found = report(&all, all[4].link(), Some(other)).findings;
        assert_eq!(found, [Finding::NotAsExpected { seq: 3 }]);
        assert_eq!(report(&all, all[4].link(), Some(all[2].link())).findings, []);
    }

    #[test]
    fn a_chain_goes_on_from_its_anchor() {
        let all = entries(5);
        let ends = ChainEnds { anchor: all[1].link(), head: all[4].link() };
        let run = |entries: &[AuditEntry], expected| {
            let mut check = ChainCheck::new(ends, expected);
            entries.iter().for_each(|entry| check.step(chain(), entry));
            check.finish(ends.head)
        };
        assert_eq!(run(&all[2..], None).findings, []);
        assert_eq!(run(&all[2..], Some(all[1].link())).findings, []);
        // Where that is gone by which a forged chain would show, it is not said to be whole.
        let older = run(&all[2..], Some(all[0].link()));
        assert_eq!(older.findings, [Finding::ExpectedIsGone { seq: 1, anchor: 2 }]);
        assert_eq!(run(&all[3..], None).findings, [Finding::Missing { from: 3, to: 3 }]);
    }

    #[test]
    fn a_link_is_read_as_it_is_written() {
        let link = entries(2)[1].link();
        assert_eq!(link.to_string().parse(), Ok(link));
        for text in ["", "1", "1:", "x:00", "1:zz", &format!("1:{}", "é".repeat(32))] {
            assert_eq!(text.parse::<Link>(), Err(BadLink), "{text}");
        }
    }

    #[test]
    fn texts_are_bounded_and_hold_no_control_characters() {
        let long = AuditEvent {
            actor: "a\0b\n".repeat(500),
            target: Some("\u{1}".into()),
            ..audit_event(1)
        };
        let tidied = long.tidied();
        assert_eq!(tidied.actor, "ab".repeat(MAX_TEXT_CHARS / 2));
        assert_eq!(tidied.target.as_deref(), Some(""));
    }
}
