//! Which Redis to use, and how.

use std::fmt;
use std::time::Duration;

use crate::fault::RedisFault;

/// How many partitions there may be.
const MAX_PARTITIONS: u16 = 64;

/// Which Redis to use, and how. Whoever works on the same messages needs the same
/// [`prefix`](Self::prefix) and [`partitions`](Self::partitions).
///
/// Debug shows no address, as they hold passwords.
#[derive(Clone)]
pub struct RedisOptions {
    pub(crate) servers: Servers,
    /// What all keys begin with, so that several deployments can share one Redis. Without braces.
    pub prefix: String,
    /// How many parts the keys are split into. A Redis Cluster spreads them over its nodes, so
    /// that there should be a few for each: 16 unless said otherwise. A single server gains nothing
    /// by them, and what is done together for one costs less than half: there it is one. From 1
    /// to 64. When it is changed, all nodes must be stopped for half a minute before the first is
    /// started anew.
    pub partitions: u16,
    /// How long an answer may take.
    pub response_timeout: Duration,
    /// How long connecting may take.
    pub connection_timeout: Duration,
}

/// Where Redis is.
#[derive(Clone)]
pub(crate) enum Servers {
    Single(String),
    Cluster(Vec<String>),
}

impl RedisOptions {
    /// One server, as `redis://[user][:password@]host[:port][/database]`, or `rediss://` for TLS.
    pub fn single(url: impl Into<String>) -> Self {
        Self::of(Servers::Single(url.into()), 1)
    }

    /// A Redis Cluster, by some of its nodes; the others are learnt from them.
    pub fn cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::of(Servers::Cluster(urls.into_iter().map(Into::into).collect()), 16)
    }

    /// Whether they can be right.
    pub(crate) fn check(&self) -> Result<(), RedisFault> {
        if self.prefix.contains(['{', '}']) {
            return Err(RedisFault::Options("the prefix has a brace"));
        }
        if !(1..=MAX_PARTITIONS).contains(&self.partitions) {
            return Err(RedisFault::Options("the number of partitions is not from 1 to 64"));
        }
        Ok(())
    }

    /// The servers that are named.
    pub(crate) fn urls(&self) -> &[String] {
        match &self.servers {
            Servers::Single(url) => std::slice::from_ref(url),
            Servers::Cluster(urls) => urls,
        }
    }

    fn of(servers: Servers, partitions: u16) -> Self {
        Self {
            servers,
            prefix: "messaging".into(),
            partitions,
            response_timeout: Duration::from_secs(2),
            connection_timeout: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("cluster", &matches!(self.servers, Servers::Cluster(_)))
            .field("prefix", &self.prefix)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}
