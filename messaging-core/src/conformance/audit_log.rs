//! How every audit log must behave.
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use crate::conformance::build::{at, audit_event, tenant_id};
use crate::domain::audit::{
    AuditEntry, AuditEvent, AuditFilter, Chain, ChainCheck, ChainReport, Link,
};
use crate::ports::audit_log::AuditLog;

/// Calls the given macro with the name of every behavior of
/// [`AuditLog`](crate::ports::audit_log::AuditLog). Each is a function of this module that takes an
/// empty log.
#[macro_export]
macro_rules! for_each_audit_log_behavior {
    ($test:ident) => {
        $test!(gives_back_an_entry_as_it_was_appended);
        $test!(links_each_entry_to_the_one_before);
        $test!(keeps_a_chain_for_each_tenant_and_one_for_the_platform);
        $test!(makes_one_chain_however_many_append);
        $test!(appends_many_at_once);
        $test!(has_nothing_of_a_chain_that_was_never_written);
        $test!(lists_the_newest_entries_first);
        $test!(lists_what_the_filter_takes);
        $test!(walks_from_the_oldest);
        $test!(tells_which_chains_there_are);
        $test!(forgets_from_the_oldest_end_alone);
        $test!(goes_on_where_everything_was_forgotten);
    };
}

fn own() -> Chain {
    Chain::Tenant(tenant_id(1))
}

async fn append(log: &dyn AuditLog, ns: impl IntoIterator<Item = u64>) -> Vec<AuditEntry> {
    let events: Vec<_> = ns.into_iter().map(audit_event).collect();
    log.append(&events).await.unwrap()
}

async fn walked(log: &dyn AuditLog, chain: Chain) -> Vec<AuditEntry> {
    log.walk(chain, 0, 100_000).await.unwrap()
}

async fn check(log: &dyn AuditLog, chain: Chain) -> ChainReport {
    let ends = log.ends(chain).await.unwrap();
    let mut check = ChainCheck::new(ends, None);
    walked(log, chain).await.iter().for_each(|entry| check.step(chain, entry));
    check.finish(log.ends(chain).await.unwrap().head)
}

#[track_caller]
fn assert_whole(report: &ChainReport, entries: u64) {
    assert_eq!((&report.findings[..], report.checked), (&[][..], entries));
}

/// With everything that is known of it, or with as little as there may be.
pub async fn gives_back_an_entry_as_it_was_appended(log: &dyn AuditLog) {
    let full = AuditEvent {
        actor: "é😀\u{F8FF}'\";--".to_owned(),
        code: Some("forbidden".to_owned()),
        ..audit_event(1)
    };
    let least = AuditEvent {
        actor: String::new(),
        role: None,
        target_kind: None,
        target: None,
        source: None,
        code: None,
        request: None,
        ..audit_event(2)
    };
    let given = [full, least];
    let kept = log.append(&given).await.unwrap();
    let events: Vec<_> = kept.iter().map(|entry| entry.event.clone()).collect();
    assert_eq!(events, given);
    assert_eq!(walked(log, own()).await, kept);
}

/// From the first on, and the head is the last.
pub async fn links_each_entry_to_the_one_before(log: &dyn AuditLog) {
    let first = append(log, 1..=3).await;
    let second = append(log, 4..=5).await;
    let all = [first, second].concat();
    let mut last = Link::default();
    for entry in &all {
        assert_eq!((entry.seq, entry.previous), (last.seq + 1, last.hash));
        last = entry.link();
    }
    let ends = log.ends(own()).await.unwrap();
    assert_eq!((ends.anchor, ends.head), (Link::default(), last));
    assert_whole(&check(log, own()).await, 5);
}

/// What is appended together goes to the chains it belongs to.
pub async fn keeps_a_chain_for_each_tenant_and_one_for_the_platform(log: &dyn AuditLog) {
    let chains = [own(), Chain::Platform, Chain::Tenant(tenant_id(2))];
    let events: Vec<_> = (0..9)
        .map(|n: usize| AuditEvent { chain: chains[n % 3], ..audit_event(n as u64) })
        .collect();
    let kept = log.append(&events).await.unwrap();
    assert_eq!(kept.iter().map(|it| it.event.clone()).collect::<Vec<_>>(), events);
    for chain in chains {
        let entries = walked(log, chain).await;
        assert_eq!(entries.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(entries.iter().all(|entry| entry.event.chain == chain));
        assert_whole(&check(log, chain).await, 3);
    }
}

/// Whoever comes at once, none is lost and none stands where another does.
pub async fn makes_one_chain_however_many_append(log: &dyn AuditLog) {
    let other = Chain::Tenant(tenant_id(2));
    let groups: Vec<Vec<_>> = (0..60_u64)
        .map(|n| {
            // Two that take the same chains in other orders must not wait for one another.
            let mut pair =
                vec![audit_event(2 * n), AuditEvent { chain: other, ..audit_event(2 * n + 1) }];
            if n % 2 == 0 {
                pair.reverse();
            }
            pair
        })
        .collect();
    let all = futures::future::join_all(groups.iter().map(|group| log.append(group))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_whole(&check(log, own()).await, 60);
    assert_whole(&check(log, other).await, 60);
}

/// As many as may have waited while the store was away.
pub async fn appends_many_at_once(log: &dyn AuditLog) {
    assert_eq!(append(log, []).await, []);
    assert_eq!(append(log, 0..5000).await.len(), 5000);
    assert_whole(&check(log, own()).await, 5000);
}

/// And that is no fault.
pub async fn has_nothing_of_a_chain_that_was_never_written(log: &dyn AuditLog) {
    assert_eq!(log.ends(own()).await.unwrap(), crate::domain::audit::ChainEnds::default());
    assert_eq!(walked(log, own()).await, []);
    assert_eq!(log.list(own(), &AuditFilter::default(), None, 9).await.unwrap(), []);
    assert_eq!(log.chains(None, 9).await.unwrap(), []);
    assert_eq!(log.forget(own(), at(9), 9).await.unwrap(), 0);
    assert_eq!(check(log, own()).await.findings, []);
}

async fn listed(
    log: &dyn AuditLog,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u32,
) -> Vec<u64> {
    let found = log.list(own(), filter, before, limit).await.unwrap();
    found.iter().map(|entry| entry.seq).collect()
}

/// On from any, as many as are asked for; another chain's are none of them.
pub async fn lists_the_newest_entries_first(log: &dyn AuditLog) {
    append(log, 1..=5).await;
    log.append(&[AuditEvent { chain: Chain::Platform, ..audit_event(6) }]).await.unwrap();
    let all = AuditFilter::default();
    assert_eq!(listed(log, &all, None, 2).await, [5, 4]);
    assert_eq!(listed(log, &all, Some(4), 2).await, [3, 2]);
    assert_eq!(listed(log, &all, Some(2), 9).await, [1]);
    assert!(listed(log, &all, Some(1), 9).await.is_empty());
}

/// By each condition, and by all together.
pub async fn lists_what_the_filter_takes(log: &dyn AuditLog) {
    append(log, 0..10).await;
    let none = AuditFilter::default();
    let text = |text: &str| Some(text.to_owned());
    let target = |n: u64| audit_event(n).target;
    for filter in [
        AuditFilter { from: Some(at(3)), to: Some(at(6)), ..none.clone() },
        AuditFilter { from: Some(at(8)), ..none.clone() },
        AuditFilter { to: Some(at(2)), ..none.clone() },
        AuditFilter { action: text("create_session"), ..none.clone() },
        AuditFilter { actor: text("owner 1"), ..none.clone() },
        AuditFilter { target: target(4), ..none.clone() },
        AuditFilter { actor: text("nobody"), ..none.clone() },
        AuditFilter {
            from: Some(at(1)),
            to: Some(at(9)),
            action: text("create_session"),
            actor: text("owner 1"),
            target: target(7),
        },
    ] {
        let takes = |entry: &AuditEntry| filter.takes(&entry.event);
        let all = walked(log, own()).await;
        let expected: Vec<_> = all.iter().rev().filter(|it| takes(it)).map(|it| it.seq).collect();
        assert_eq!(listed(log, &filter, None, 99).await, expected, "{filter:?}");
    }
}

/// Portion by portion.
pub async fn walks_from_the_oldest(log: &dyn AuditLog) {
    let all = append(log, 1..=5).await;
    assert_eq!(log.walk(own(), 0, 2).await.unwrap(), all[..2]);
    assert_eq!(log.walk(own(), 2, 9).await.unwrap(), all[2..]);
    assert_eq!(log.walk(own(), 5, 9).await.unwrap(), []);
}

/// The platform's first, and on from any.
pub async fn tells_which_chains_there_are(log: &dyn AuditLog) {
    let chains = [Chain::Platform, own(), Chain::Tenant(tenant_id(2))];
    for chain in chains.iter().rev() {
        log.append(&[AuditEvent { chain: *chain, ..audit_event(1) }]).await.unwrap();
    }
    assert_eq!(log.chains(None, 9).await.unwrap(), chains);
    assert_eq!(log.chains(None, 1).await.unwrap(), chains[..1]);
    assert_eq!(log.chains(Some(Chain::Platform), 9).await.unwrap(), chains[1..]);
    assert_eq!(log.chains(Some(chains[2]), 9).await.unwrap(), []);
}

/// In steps, and never past one that is young enough, even where older ones stand behind it.
pub async fn forgets_from_the_oldest_end_alone(log: &dyn AuditLog) {
    let all = append(log, [1, 2, 3, 9, 4]).await;
    log.append(&[AuditEvent { chain: Chain::Platform, ..audit_event(1) }]).await.unwrap();
    assert_eq!(log.forget(own(), at(5), 2).await.unwrap(), 2);
    let ends = log.ends(own()).await.unwrap();
    assert_eq!((ends.anchor, ends.head), (all[1].link(), all[4].link()));
    assert_whole(&check(log, own()).await, 3);
    assert_eq!(log.forget(own(), at(5), 9).await.unwrap(), 1);
    assert_eq!(log.forget(own(), at(5), 9).await.unwrap(), 0);
    assert_eq!(walked(log, own()).await, all[3..]);
    assert_whole(&check(log, own()).await, 2);
    assert_whole(&check(log, Chain::Platform).await, 1);
}

/// The numbers go on, and so does the chain.
pub async fn goes_on_where_everything_was_forgotten(log: &dyn AuditLog) {
    let all = append(log, 1..=3).await;
    assert_eq!(log.forget(own(), at(9), 9).await.unwrap(), 3);
    assert_whole(&check(log, own()).await, 0);
    let next = append(log, [4]).await;
    assert_eq!((next[0].seq, next[0].previous), (4, all[2].hash));
    assert_whole(&check(log, own()).await, 1);
}
