//! On which of the provider's servers an account is put, or found.

use std::collections::BTreeMap;

use crate::domain::session::ProviderSession;
use crate::gateway::Gateway;
use crate::gateway::error::GatewayError;
use crate::ports::session_control::{ProviderError, ProviderServer, ProviderState};

/// Where callers name a server.
const POINTER: &str = "/wahaServer";

impl Gateway {
    /// The servers that have room for one more account, the one with the largest share of it
    /// first; or the one that is asked for, should it have room.
    ///
    /// Two callers may be given the last place of a server at once: a capacity is what an operator
    /// plans with, and not a wall.
    pub(super) async fn servers_with_room(
        &self,
        wanted: Option<&str>,
    ) -> Result<Vec<String>, GatewayError> {
        let servers = self.servers(wanted)?;
        let mut placed: BTreeMap<String, u64> = BTreeMap::new();
        for ((server, _), count) in self.ports().sessions.census().await? {
            *placed.entry(server).or_default() += count;
        }
        let ranked = by_room(&servers, &placed);
        if ranked.is_empty() { Err(GatewayError::NoRoom) } else { Ok(ranked) }
    }

    /// Finds an account that is there already.
    pub(super) async fn find_place(
        &self,
        name: &str,
        wanted: Option<&str>,
    ) -> Result<(ProviderSession, ProviderState), GatewayError> {
        let mut found = None;
        let mut failed = ProviderError::NotFound;
        for ProviderServer { name: server, .. } in self.servers(wanted)? {
            let place = ProviderSession { server, name: name.to_owned() };
            match self.ports().control.state(&place).await {
                Ok(_) if found.is_some() => {
                    let detail = "is needed: several servers have a session of this name";
                    return Err(GatewayError::invalid(POINTER, detail));
                }
                Ok(state) => found = Some((place, state)),
                Err(ProviderError::NotFound) => {}
                Err(error) => failed = error,
            }
        }
        found.ok_or_else(|| failed.into())
    }

    fn servers(&self, wanted: Option<&str>) -> Result<Vec<ProviderServer>, GatewayError> {
        let mut servers = self.ports().control.servers();
        if let Some(wanted) = wanted {
            servers.retain(|server| server.name == wanted);
            if servers.is_empty() {
                return Err(GatewayError::invalid(POINTER, "is not one of the servers"));
            }
        }
        Ok(servers)
    }
}

/// Fullest last, the full ones left out. Servers that take as many as come are as full as an empty
/// one; among equals the one with fewer accounts is first, and then the one named first.
fn by_room(servers: &[ProviderServer], placed: &BTreeMap<String, u64>) -> Vec<String> {
    let mut ranked: Vec<(u64, u64, &str)> = servers
        .iter()
        .filter_map(|server| {
            let placed = placed.get(&server.name).copied().unwrap_or(0);
            let millionths = match server.capacity {
                Some(capacity) if placed >= capacity => return None,
                Some(capacity) => placed.saturating_mul(1_000_000) / capacity,
                None => 0,
            };
            Some((millionths, placed, server.name.as_str()))
        })
        .collect();
    ranked.sort_by_key(|(millionths, placed, _)| (*millionths, *placed));
    ranked.into_iter().map(|(_, _, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(servers: &[(&str, Option<u64>, u64)], expected: &[&str]) {
        let placed = servers.iter().map(|(name, _, placed)| ((*name).to_owned(), *placed));
        let configured: Vec<_> = servers
            .iter()
            .map(|(name, capacity, _)| ProviderServer { name: (*name).into(), capacity: *capacity })
            .collect();
        assert_eq!(by_room(&configured, &placed.collect()), expected);
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
}
