//! Who wants no messages of a tenant's, since when, and who said so.

pub mod words;

use std::fmt;

use crate::domain::address::Address;
use crate::domain::id::{MessageId, OptOutId, TenantId};
use crate::domain::opt_out::words::WordList;
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

/// The longest note, in characters.
pub const MAX_NOTE_CHARS: usize = 500;

named_enum! {
    /// Who put somebody on the list.
    pub enum OptOutSource {
        /// The tenant's program.
        Api = "api",
        /// The person, by an answer that says nothing else.
        Reply = "reply",
    }
}

/// Somebody who wants no messages, through whichever of the tenant's sessions. A list has an address
/// once.
#[derive(Clone, PartialEq, Eq)]
pub struct OptOut {
    /// Sorts by time.
    pub id: OptOutId,
    /// Whose list it is on.
    pub tenant: TenantId,
    /// Who.
    pub address: Address,
    /// Since when.
    pub since: Timestamp,
    /// Who said so.
    pub source: OptOutSource,
    /// Of a reply, in which list its words stand; never the words themselves.
    pub words: Option<WordList>,
    /// Of a reply, the message.
    pub message: Option<MessageId>,
    /// The tenant's own remark.
    pub note: Option<String>,
}

impl fmt::Debug for OptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptOut")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("words", &self.words)
            .finish_non_exhaustive()
    }
}

/// How an entry is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptOutRef {
    /// By its id.
    Id(OptOutId),
    /// By whom it is about.
    Address(Address),
}

impl OptOutRef {
    /// Whether it names this entry.
    pub fn names(&self, entry: &OptOut) -> bool {
        match self {
            Self::Id(id) => *id == entry.id,
            Self::Address(address) => *address == entry.address,
        }
    }
}

/// What somebody said of it in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// No more messages: to be put on the list, unless it has the address.
    Leave(Box<OptOut>),
    /// Messages again.
    Return(Return),
}

/// Somebody takes back what he said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// On whose list.
    pub tenant: TenantId,
    /// Who.
    pub address: Address,
    /// When it came in.
    pub at: Timestamp,
}

impl Return {
    /// Whether it ends this entry: only what the person said itself, and not later. What the tenant
    /// put on the list, for a reason of its own, the tenant takes from it.
    pub fn ends(&self, entry: &OptOut) -> bool {
        entry.tenant == self.tenant
            && entry.address == self.address
            && entry.source == OptOutSource::Reply
            && entry.since <= self.at
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::conformance::build::{address, at, opt_out, tenant_id};

    #[test]
    fn debug_shows_neither_number_nor_note() {
        let entry = OptOut { note: Some("asked at the counter".into()), ..opt_out(7) };
        let back = Return { tenant: tenant_id(1), address: address(7), at: at(0) };
        let shown = format!("{entry:?} {back:?} {:?}", OptOutRef::Address(address(7)));
        assert!(!shown.contains("+55") && !shown.contains("counter"), "{shown}");
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "reads as a table")]
    fn check(entry: OptOut, expected: bool) {
        let back = Return { tenant: tenant_id(1), address: address(1), at: at(10) };
        assert_eq!(back.ends(&entry), expected);
    }

    #[test]
    fn a_person_takes_back_what_it_said_before() {
        let said = OptOut { source: OptOutSource::Reply, since: at(10), ..opt_out(1) };
        check(said.clone(), true);
        check(OptOut { since: at(11), ..said.clone() }, false);
        check(OptOut { source: OptOutSource::Api, ..said.clone() }, false);
        check(OptOut { address: address(2), ..said.clone() }, false);
        check(OptOut { tenant: tenant_id(2), ..said }, false);
    }
}
