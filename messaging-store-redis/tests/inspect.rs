//! Redis is looked at without being changed.
#![allow(clippy::unwrap_used, reason = "in a test, to fail is to tell")]

use messaging_core::ports::clock::SystemClock;
use messaging_store_redis::{Cluster, Inspection, RedisFault, RedisOptions, inspect};

#[path = "support/mod.rs"]
mod support;

async fn found(options: &RedisOptions) -> Inspection {
    inspect(options, &SystemClock).await.unwrap()
}

#[tokio::test]
async fn a_server_tells_what_it_is() {
    let found = found(&RedisOptions::single(support::variable("TEST_REDIS_URL"))).await;
    assert_eq!((found.nodes.len(), &found.cluster), (1, &None));
    let node = found.nodes[0].1.as_ref().unwrap();
    assert_eq!(node.version.is_supported(), Some(true), "{}", node.version);
    assert!(node.is_primary && !node.is_in_cluster);
    assert_eq!(node.memory_policy, "noeviction");
    // It is this machine's own clock.
    assert!(node.clock.at_least().as_millis() < 250, "{:?}", node.clock);
}

#[tokio::test]
async fn all_primaries_of_a_cluster_are_found_by_one_node() {
    let urls = support::variable("TEST_REDIS_CLUSTER_URLS");
    let found = found(&RedisOptions::cluster(urls.split(',').take(1))).await;
    let cluster = found.cluster.unwrap();
    assert!(cluster.is_ok);
    assert_eq!((cluster.served, cluster.primaries()), (Cluster::SLOTS, 3));
    let primaries = found.nodes.iter().filter(|(_, node)| node.as_ref().unwrap().is_primary);
    assert_eq!(primaries.count(), 3);
    assert!(found.nodes.iter().all(|(_, node)| node.as_ref().unwrap().is_in_cluster));
}

#[tokio::test]
async fn a_node_that_is_away_does_not_hide_the_others() {
    let urls = support::variable("TEST_REDIS_CLUSTER_URLS");
    let named = ["redis://127.0.0.1:1"].into_iter().chain(urls.split(','));
    let found = found(&RedisOptions::cluster(named)).await;
    assert_eq!(found.nodes.len(), 7);
    assert_eq!(found.nodes[0].0, "127.0.0.1:1");
    assert!(matches!(found.nodes[0].1, Err(RedisFault::Unreachable(_))), "{found:?}");
    assert!(found.cluster.unwrap().is_ok);
}

#[tokio::test]
async fn a_node_of_a_cluster_is_known_where_none_was_asked_for() {
    let urls = support::variable("TEST_REDIS_CLUSTER_URLS");
    let url = urls.split(',').next().unwrap();
    let found = found(&RedisOptions::single(url)).await;
    assert!(found.nodes[0].1.as_ref().unwrap().is_in_cluster);
    assert_eq!(found.cluster, None);
}
