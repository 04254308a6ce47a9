//! What recipients saw, against what was promised.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use waha_client::simulator::Arrival;

use crate::traffic::Record;

/// Every message that was accepted arrived.
pub(crate) fn nothing_is_lost(record: &Record, arrivals: &[Arrival]) {
    let arrived: HashSet<&str> = arrivals.iter().filter_map(|each| each.text.as_deref()).collect();
    let accepted = record.accepted.lock().unwrap();
    let lost: Vec<_> =
        accepted.values().flatten().filter(|text| !arrived.contains(text.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} never arrived", lost.len(), accepted.len());
}

/// Messages to a recipient arrived in the order in which they were accepted.
pub(crate) fn order_is_kept(record: &Record, arrivals: &[Arrival]) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    for (place, arrival) in arrivals.iter().enumerate() {
        first.entry(arrival.text.as_deref().unwrap_or_default()).or_insert(place);
    }
    for texts in record.accepted.lock().unwrap().values() {
        let places: Vec<_> = texts.iter().map(|text| first.get(text.as_str())).collect();
        assert!(places.is_sorted(), "overtaken: {texts:?} arrived at {places:?}");
    }
}

/// In no window of this length did more arrive through a session than its quota.
pub(crate) fn quota_is_kept(arrivals: &[Arrival], limit: usize, window: Duration) {
    let mut by_session: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for arrival in arrivals {
        by_session.entry(&arrival.session).or_default().push(arrival.since_start);
    }
    for (session, times) in by_session {
        for (early, late) in times.iter().zip(times.iter().skip(limit)) {
            let apart = *late - *early;
            assert!(apart >= window, "{session}: {} in {apart:?}", limit + 1);
        }
    }
}
