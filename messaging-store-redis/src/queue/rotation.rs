//! Whose turn it is, as far as this process knows: tenants in turn, and each tenant's sessions in
//! turn, whatever partitions they belong to.

use std::collections::{BTreeMap, HashMap};

use messaging_core::domain::id::TenantId;

use crate::queue::wire::Standing;

/// The sessions known to be in turn, each standing in its tenant's row, and the tenants that have
/// any, standing in a row of their own. Whoever comes stands at the end.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    row: BTreeMap<u64, TenantId>,
    tenants: HashMap<TenantId, Row>,
    last: u64,
}

#[derive(Debug)]
struct Row {
    turn: u64,
    /// With the partition of each.
    sessions: BTreeMap<u64, (Standing, usize)>,
}

impl Rotation {
    /// Puts a session at the end of its tenant's row. Gives its place, by which it can leave.
    pub(super) fn enter(&mut self, standing: Standing, partition: usize) -> u64 {
        let turn = self.turn();
        let row = self.tenants.entry(standing.tenant).or_insert_with(|| {
            self.row.insert(turn, standing.tenant);
            Row { turn, sessions: BTreeMap::new() }
        });
        row.sessions.insert(turn, (standing, partition));
        turn
    }

    /// Takes a session out of its tenant's row.
    pub(super) fn leave(&mut self, tenant: TenantId, turn: u64) {
        if let Some(row) = self.tenants.get_mut(&tenant) {
            row.sessions.remove(&turn);
            if row.sessions.is_empty() {
                self.row.remove(&row.turn);
                self.tenants.remove(&tenant);
            }
        }
    }

    /// Takes out the session whose turn it is; its tenant goes to the end of the row.
    pub(super) fn next(&mut self) -> Option<(Standing, usize)> {
        let (_, tenant) = self.row.pop_first()?;
        let turn = self.turn();
        let row = self.tenants.get_mut(&tenant)?;
        let (_, next) = row.sessions.pop_first()?;
        if row.sessions.is_empty() {
            self.tenants.remove(&tenant);
        } else {
            row.turn = turn;
            self.row.insert(turn, tenant);
        }
        Some(next)
    }

    fn turn(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}
