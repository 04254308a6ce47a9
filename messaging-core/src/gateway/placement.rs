//! On which of the provider's servers an account is put, or found.

use std::collections::BTreeMap;

use crate::domain::breaker::BreakerState;
use crate::domain::server::{Placing, Room};
use crate::domain::session::ProviderSession;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::gateway::servers::Berth;
use crate::ports::session_control::{ProviderError, ProviderState};

/// Where callers name a server.
const POINTER: &str = "/wahaServer";

/// Why an account cannot be put on the server that was asked for; `None` for no reason.
pub(super) fn refused(placing: Placing) -> Option<GatewayError> {
    match placing {
        Placing::Placed => None,
        Placing::Full => Some(GatewayError::ServerFull),
        Placing::Draining => Some(GatewayError::ServerDraining),
        Placing::NoServer => Some(not_a_server()),
    }
}

fn not_a_server() -> GatewayError {
    GatewayError::invalid(POINTER, "is not one of the servers")
}

impl Gateway {
    /// The servers that have room for one more account, take new ones and are called by this node, the
    /// one with the largest share of room first; or the one that is asked for, should it have room. The
    /// store sees to it that what is said here still holds when the account is put there.
    pub(super) async fn servers_with_room(
        &self,
        wanted: Option<&str>,
    ) -> Result<Vec<Berth>, GatewayError> {
        let berths = self.wanted_berths(wanted).await?;
        let placed = self.placed().await?;
        if let (Some(_), [berth]) = (wanted, berths.as_slice()) {
            let there = placed.get(&berth.name).copied().unwrap_or(0);
            let placing = Room::AsKept.judge(Some((berth.capacity, berth.draining)), there);
            return refused(placing).map_or(Ok(berths), Err);
        }
        let ranked = by_room(berths, &placed);
        if ranked.is_empty() {
            return Err(GatewayError::NoRoom);
        }
        let is_called = |berth: &Berth| self.breaker_state(&berth.name) != BreakerState::Open;
        if !ranked.iter().any(is_called) {
            return Err(GatewayError::ProviderUnavailable);
        }
        Ok(ranked.into_iter().filter(is_called).collect())
    }

    /// Finds an account that is there already, and what the store is to see to of its server.
    pub(super) async fn find_place(
        &self,
        name: &str,
        wanted: Option<&str>,
    ) -> Result<(ProviderSession, ProviderState, Room), GatewayError> {
        let mut found = None;
        let mut failed = ProviderError::NotFound;
        for berth in self.wanted_berths(wanted).await? {
            let room = berth.room_of_its_own();
            let place = ProviderSession { server: berth.name, name: name.to_owned() };
            match self.ports().control.state(&place).await {
                Ok(_) if found.is_some() => {
                    let detail = "is needed: several servers have a session of this name";
                    return Err(GatewayError::invalid(POINTER, detail));
                }
                Ok(state) => found = Some((place, state, room)),
                Err(ProviderError::NotFound) => {}
                Err(error) => failed = error,
            }
        }
        found.ok_or_else(|| failed.into())
    }

    async fn wanted_berths(&self, wanted: Option<&str>) -> Result<Vec<Berth>, GatewayError> {
        let mut berths = self.berths().await?;
        if let Some(wanted) = wanted {
            berths.retain(|berth| berth.name == wanted);
            if berths.is_empty() {
                return Err(not_a_server());
            }
        }
        Ok(berths)
    }
}

/// Fullest last; the full ones, and those that take no new ones, left out. Servers that take as many as
/// come are as full as an empty one; among equals the one with fewer accounts is first, and then the one
/// named first.
fn by_room(berths: Vec<Berth>, placed: &BTreeMap<String, u64>) -> Vec<Berth> {
    let mut ranked: Vec<(u64, u64, Berth)> = berths
        .into_iter()
        .filter(|berth| !berth.draining)
        .filter_map(|berth| {
            let placed = placed.get(&berth.name).copied().unwrap_or(0);
            let millionths = match berth.capacity {
                Some(capacity) if placed >= capacity => return None,
                Some(capacity) => placed.saturating_mul(1_000_000) / capacity,
                None => 0,
            };
            Some((millionths, placed, berth))
        })
        .collect();
    ranked.sort_by_key(|(millionths, placed, _)| (*millionths, *placed));
    ranked.into_iter().map(|(_, _, berth)| berth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berth(name: &str, capacity: Option<u64>) -> Berth {
        Berth { name: name.into(), capacity, draining: false, room: Room::Below(capacity) }
    }

    fn ranked(berths: Vec<Berth>, placed: &[(&str, u64)]) -> Vec<String> {
        let placed = placed.iter().map(|(name, placed)| ((*name).to_owned(), *placed));
        by_room(berths, &placed.collect()).into_iter().map(|berth| berth.name).collect()
    }

    #[track_caller]
    fn check(servers: &[(&str, Option<u64>, u64)], expected: &[&str]) {
        let placed: Vec<_> = servers.iter().map(|(name, _, placed)| (*name, *placed)).collect();
        let berths = servers.iter().map(|(name, capacity, _)| berth(name, *capacity)).collect();
        assert_eq!(ranked(berths, &placed), expected);
    }

    #[test]
    fn the_largest_share_of_room_is_taken_first() {
        check(&[("a", Some(10), 5), ("b", Some(100), 10)], &["b", "a"]);
        check(&[("a", Some(10), 1), ("b", Some(100), 10)], &["a", "b"]);
    }

    #[test]
    fn a_full_server_takes_no_more() {
        check(&[("a", Some(10), 10), ("b", Some(1), 0), ("c", Some(0), 0)], &["b"]);
        check(&[("a", Some(10), 11)], &[]);
    }

    #[test]
    fn servers_without_a_capacity_share_evenly() {
        check(&[("a", None, 3), ("b", None, 2), ("c", None, 2)], &["b", "c", "a"]);
    }

    #[test]
    fn a_server_that_drains_takes_no_more() {
        let drains = Berth { draining: true, ..berth("a", None) };
        assert_eq!(ranked(vec![drains, berth("b", Some(2))], &[("b", 1)]), ["b"]);
    }
}
