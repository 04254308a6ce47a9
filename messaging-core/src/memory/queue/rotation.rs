//! Whose turn it is: tenants in turn, and each tenant's sessions in turn.

use std::collections::{BTreeMap, HashMap};

use crate::domain::id::{SessionId, TenantId};

/// The sessions something can be claimed of, each standing in its tenant's row, and the tenants
/// that have any, standing in a row of their own.
///
/// Whoever comes, or comes back, stands at the end. A tenant's place does not depend on how many
/// sessions it has.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    row: BTreeMap<Turn, TenantId>,
    tenants: HashMap<TenantId, TenantRow>,
    last: u64,
}

/// A place in a row; the smallest is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u64);

#[derive(Debug)]
struct TenantRow {
    turn: Turn,
    sessions: BTreeMap<Turn, SessionId>,
}

impl Rotation {
    /// Puts a session at the end of its tenant's row.
    pub(super) fn enter(&mut self, tenant: TenantId, session: SessionId) -> Turn {
        let turn = self.turn();
        let row = self.tenants.entry(tenant).or_insert_with(|| {
            self.row.insert(turn, tenant);
            TenantRow { turn, sessions: BTreeMap::new() }
        });
        row.sessions.insert(turn, session);
        turn
    }

    /// Takes a session out of its tenant's row.
    pub(super) fn leave(&mut self, tenant: TenantId, turn: Turn) {
        if let Some(row) = self.tenants.get_mut(&tenant) {
            row.sessions.remove(&turn);
            if row.sessions.is_empty() {
                self.row.remove(&row.turn);
                self.tenants.remove(&tenant);
            }
        }
    }

    /// Takes out the session whose turn it is; its tenant goes to the end of the row.
    pub(super) fn next(&mut self) -> Option<SessionId> {
        let (_, tenant) = self.row.pop_first()?;
        let turn = self.turn();
        let row = self.tenants.get_mut(&tenant)?;
        let (_, session) = row.sessions.pop_first()?;
        if row.sessions.is_empty() {
            self.tenants.remove(&tenant);
        } else {
            row.turn = turn;
            self.row.insert(turn, tenant);
        }
        Some(session)
    }

    /// Whether nobody stands in any row.
    pub(super) fn is_empty(&self) -> bool {
        self.row.is_empty()
    }

    fn turn(&mut self) -> Turn {
        self.last += 1;
        Turn(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::build::{session_id, tenant_id};

    #[test]
    fn tenants_take_turns_and_so_do_their_sessions() {
        let mut rotation = Rotation::default();
        for session in 0..3 {
            rotation.enter(tenant_id(1), session_id(session));
        }
        rotation.enter(tenant_id(2), session_id(10));
        let order: Vec<SessionId> = std::iter::from_fn(|| rotation.next()).collect();
        assert_eq!(order, [0, 10, 1, 2].map(session_id));
        assert!(rotation.is_empty());
    }

    #[test]
    fn whoever_leaves_is_passed_over_and_nothing_of_it_remains() {
        let mut rotation = Rotation::default();
        let first = rotation.enter(tenant_id(1), session_id(1));
        let second = rotation.enter(tenant_id(2), session_id(2));
        rotation.leave(tenant_id(1), first);
        assert_eq!(rotation.next(), Some(session_id(2)));
        rotation.leave(tenant_id(2), second);
        assert!(rotation.is_empty() && rotation.tenants.is_empty());
    }
}
