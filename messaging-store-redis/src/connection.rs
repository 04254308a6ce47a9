//! The connection that everything of a process shares, to one server or to a cluster.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{
    Client, Cmd, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError, Value,
    from_redis_value,
};

use crate::away::{Away, is_about_redis};
use crate::fault::RedisFault;
use crate::options::{RedisOptions, Servers};
use crate::partition::Partitions;
use crate::script::Script;

/// How many requests may wait to be written before their callers wait.
const PIPELINE: usize = 1024;

/// How often, and after how long at the most, a lost connection is made anew for one request.
const RECONNECTIONS: usize = 1;
const RECONNECT_WITHIN: Duration = Duration::from_millis(500);

/// For how many seconds it is remembered how many partitions are in use. Whoever listens for news
/// says so again every ten.
const PARTITIONS_FOR: &str = "30";

/// A connection to Redis. Cheap to clone; all clones are one connection, which is made anew when it
/// is lost.
#[derive(Clone)]
pub struct RedisConnection {
    link: Link,
    inner: Arc<Inner>,
}

struct Inner {
    partitions: Partitions,
    of_partitions: OfPartitions,
    /// The servers that were named, for connections of another kind.
    servers: Vec<Client>,
    /// Whether what is asked of each [lane](RedisConnection::lanes) can be answered.
    away: Vec<Away>,
}

/// How those who share a prefix agree on the number of partitions.
struct OfPartitions {
    key: String,
    script: Script,
}

#[derive(Clone)]
enum Link {
    Single(Arc<Single>),
    Cluster(ClusterConnection),
}

/// A connection to one server.
struct Single {
    client: Client,
    config: ConnectionManagerConfig,
    /// With the number of times it was replaced.
    current: RwLock<(u64, ConnectionManager)>,
}

impl Single {
    async fn connect(client: Client, config: ConnectionManagerConfig) -> Result<Self, RedisError> {
        let first = ConnectionManager::new_with_config(client.clone(), config.clone()).await?;
        Ok(Self { client, config, current: RwLock::new((0, first)) })
    }

    async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let (number, mut manager) =
            self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A refusal arrives as a value.
        let answer = manager.send_packed_command(command).await.and_then(Value::extract_error);
        if let Err(error) = &answer
            && is_about_redis(error)
        {
            self.replace(number);
        }
        answer
    }

    /// Has the next command connect anew. The manager alone would do so after errors of input and
    /// output only: it would keep what a server without the password, or one that is none of
    /// Redis, answered to its greeting, and a connection that nothing comes out of.
    fn replace(&self, number: u64) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.0 == number
            && let Ok(next) =
                ConnectionManager::new_lazy_with_config(self.client.clone(), self.config.clone())
        {
            *current = (number + 1, next);
        }
    }
}

impl RedisConnection {
    /// Connects.
    ///
    /// # Errors
    /// Where the options cannot be right, nothing answers as it should, or others who share the
    /// prefix use another number of partitions.
    pub async fn connect(options: &RedisOptions) -> Result<Self, RedisFault> {
        options.check()?;
        // Where the process has chosen already, that stands.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let nodes: Vec<ConnectionInfo> =
            options.urls().iter().map(|url| connection_info(url)).collect::<Result<_, _>>()?;
        let servers: Vec<Client> =
            nodes.iter().cloned().map(Client::open).collect::<Result<_, _>>()?;
        let link = match (&options.servers, servers.first()) {
            (Servers::Single(_), Some(client)) => {
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(RECONNECTIONS)
                    .set_max_delay(RECONNECT_WITHIN)
                    .set_response_timeout(Some(options.response_timeout))
                    .set_connection_timeout(Some(options.connection_timeout))
                    .set_pipeline_buffer_size(PIPELINE);
                Link::Single(Arc::new(Single::connect(client.clone(), config).await?))
            }
            (_, None) => return Err(RedisFault::Options("no server is named")),
            (Servers::Cluster(_), _) => {
                let client = cluster_client(&nodes, options).build()?;
                let connection = client.get_async_connection().await?;
                Link::Cluster(connection)
            }
        };
        let partitions = Partitions::new(&options.prefix, options.partitions);
        let away = (0..lanes(&link, &partitions)).map(|_| Away::default()).collect();
        let of_partitions = OfPartitions {
            key: format!("{{{}}}:partitions", options.prefix),
            script: Script::new(include_str!("scripts/partitions.lua")),
        };
        let inner = Inner { partitions, of_partitions, servers, away };
        let connection = Self { link, inner: Arc::new(inner) };
        connection.agree().await?;
        Ok(connection)
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self) -> Result<(), RedisFault> {
        self.send(0, &redis::cmd("PING")).await?;
        Ok(())
    }

    /// Finds out whether all who share the prefix use as many partitions: else each session would
    /// have two queues, and be counted twice.
    pub(crate) async fn agree(&self) -> Result<(), RedisFault> {
        let OfPartitions { key, script } = &self.inner.of_partitions;
        let here = self.inner.partitions.count().to_string();
        let answer = script.run(self, 0, &[key], &[here.as_str(), PARTITIONS_FOR]).await?;
        let used: usize = from_redis_value(answer).map_err(|_| RedisFault::Answer)?;
        if used == self.inner.partitions.count() {
            return Ok(());
        }
        Err(RedisFault::OtherPartitions(used))
    }

    /// The servers that were named.
    pub(crate) fn servers(&self) -> &[Client] {
        &self.inner.servers
    }

    /// The parts that keys are split into.
    pub(crate) fn partitions(&self) -> &Partitions {
        &self.inner.partitions
    }

    /// In how many lanes partitions are asked: one where all lie on one server, else one for each
    /// partition. A partition's lane is its number modulo this.
    pub(crate) fn lanes(&self) -> usize {
        self.inner.away.len()
    }

    /// Sends a command about a partition to where its keys are. While that is away, all but one in
    /// a while fail at once.
    pub(crate) async fn send(&self, partition: usize, command: &Cmd) -> Result<Value, RedisError> {
        let away = &self.inner.away[partition % self.lanes()];
        away.check()?;
        let answer = match self.link.clone() {
            Link::Single(single) => single.send(command).await,
            Link::Cluster(mut connection) => {
                connection.req_packed_command(command).await.and_then(Value::extract_error)
            }
        };
        match &answer {
            Err(error) if is_about_redis(error) => away.leave(error),
            _ => away.come_back(),
        }
        answer
    }
}

fn lanes(link: &Link, partitions: &Partitions) -> usize {
    match link {
        Link::Single(_) => 1,
        Link::Cluster(_) => partitions.count(),
    }
}

pub(crate) fn connection_info(url: &str) -> Result<ConnectionInfo, RedisFault> {
    let info = url.into_connection_info()?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

fn cluster_client(nodes: &[ConnectionInfo], options: &RedisOptions) -> ClusterClientBuilder {
    ClusterClient::builder(nodes.iter().cloned())
        .connection_timeout(options.connection_timeout)
        .response_timeout(options.response_timeout)
        .overall_response_timeout(Some(options.response_timeout * 2))
}
