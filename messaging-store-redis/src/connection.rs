//! The connection that everything of a process shares, to one server or to a cluster.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{Client, Cmd, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, Value};

use crate::fault::RedisFault;
use crate::options::{RedisOptions, Servers};
use crate::partition::Partitions;

/// How many requests may wait to be written before their callers wait.
const PIPELINE: usize = 1024;

/// How often, and after how long at the most, a lost connection is made anew for one request.
const RECONNECTIONS: usize = 1;
const RECONNECT_WITHIN: Duration = Duration::from_millis(500);

/// A connection to Redis. Cheap to clone; all clones are one connection, which is made anew when it
/// is lost.
#[derive(Clone)]
pub struct RedisConnection {
    link: Link,
    inner: Arc<Inner>,
}

struct Inner {
    partitions: Partitions,
    /// The servers that were named, for connections of another kind.
    servers: Vec<Client>,
}

#[derive(Clone)]
enum Link {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

impl RedisConnection {
    /// Connects.
    ///
    /// # Errors
    /// Where the options cannot be right, or nothing answers as it should.
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
                let manager = ConnectionManager::new_with_config(client.clone(), config).await?;
                Link::Single(manager)
            }
            (_, None) => return Err(RedisFault::Options("no server is named")),
            (Servers::Cluster(_), _) => {
                let client = cluster_client(&nodes, options).build()?;
                let connection = client.get_async_connection().await?;
                Link::Cluster(connection)
            }
        };
        let partitions = Partitions::new(&options.prefix, options.partitions);
        let inner = Inner { partitions, servers };
        Ok(Self { link, inner: Arc::new(inner) })
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self) -> Result<(), RedisFault> {
        self.send(&redis::cmd("PING")).await?;
        Ok(())
    }

    /// The servers that were named.
    pub(crate) fn servers(&self) -> &[Client] {
        &self.inner.servers
    }

    /// The parts that keys are split into.
    pub(crate) fn partitions(&self) -> &Partitions {
        &self.inner.partitions
    }

    /// Whether keys of several partitions may be used by one script.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self.link, Link::Single(_))
    }

    /// Sends a command to where its keys are.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, redis::RedisError> {
        let answer = match self.link.clone() {
            Link::Single(mut manager) => manager.send_packed_command(command).await?,
            Link::Cluster(mut connection) => connection.req_packed_command(command).await?,
        };
        // A refusal arrives as a value.
        answer.extract_error()
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
