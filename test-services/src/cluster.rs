//! A Redis Cluster that a test owns.

use std::time::Duration;

use crate::process::output;
use crate::redis::Redis;

/// A replica that never had its primary's data does not take its place; by default it would wait
/// five seconds for others to be served together with it.
const OPTIONS: [&str; 6] = [
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "2000",
    "--repl-diskless-sync-delay",
    "0",
];

/// Six nodes, three of them replicas, that a test owns. A primary that dies is replaced by its
/// replica after about three seconds.
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts a cluster with nothing in it, and waits until every node knows all others.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..6 {
            nodes.push(Redis::with(&OPTIONS).await);
        }
        let cluster = Self { nodes };
        let mut create = tokio::process::Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())));
        create.args(["--cluster-replicas", "1", "--cluster-yes"]);
        output(create).await;
        for node in &cluster.nodes {
            while !is_whole(node).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        cluster
    }

    /// The URLs of its nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// Kills one of the nodes that are primaries at present.
    ///
    /// # Panics
    /// Where none is left.
    pub async fn kill_a_primary(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| node.runs()) {
            if is_primary(node).await {
                node.kill().await;
                return;
            }
        }
        panic!("no primary is left");
    }

    /// How many of the nodes that run are primaries.
    ///
    /// # Panics
    /// Where a node that runs does not answer.
    pub async fn primaries(&self) -> usize {
        let mut primaries = 0;
        for node in self.nodes.iter().filter(|node| node.runs()) {
            primaries += usize::from(is_primary(node).await);
        }
        primaries
    }

    /// Whether the nodes that run agree that every slot is served.
    ///
    /// # Panics
    /// Where a node that runs does not answer.
    pub async fn serves_all_slots(&self) -> bool {
        for node in self.nodes.iter().filter(|node| node.runs()) {
            if !node.ask(&["cluster", "info"]).await.contains("cluster_state:ok") {
                return false;
            }
        }
        true
    }

    /// Starts what was killed, empty.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub async fn start_all_again(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| !node.runs()) {
            node.start_again().await;
        }
    }
}

async fn is_primary(node: &Redis) -> bool {
    node.ask(&["role"]).await.starts_with("master")
}

async fn is_whole(node: &Redis) -> bool {
    let known = node.ask(&["cluster", "nodes"]).await;
    let replicas = known.lines().filter(|line| line.contains("slave")).count();
    let waits_for_data = node.ask(&["info", "replication"]).await.contains("link_status:down");
    let is_served = node.ask(&["cluster", "info"]).await.contains("cluster_state:ok");
    is_served && replicas == 3 && !waits_for_data
}
