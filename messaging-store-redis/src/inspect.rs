//! Looks at Redis without changing anything, for a command that tells what is wrong.

mod cluster;
mod node;

use futures::future::join_all;
use messaging_core::ports::clock::Clock;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo};

use crate::connection::connection_info;
use crate::fault::RedisFault;
use crate::options::{RedisOptions, Servers};

pub use cluster::Cluster;
pub use node::{Node, Version};

/// What [`inspect`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Each server that was named and, of a cluster, each that serves slots: where it is, and what
    /// it is or why it does not say.
    pub nodes: Vec<(String, Result<Node, RedisFault>)>,
    /// The cluster, where one was asked for and a server belongs to one.
    pub cluster: Option<Cluster>,
}

/// Looks at what [`RedisConnection::connect`](crate::RedisConnection::connect) would find, and
/// changes nothing.
///
/// # Errors
/// [`RedisFault`] where the options cannot be right, or the first server that answers refuses to
/// tell of its cluster. That a server does not answer is no error: see [`Inspection::nodes`].
pub async fn inspect(options: &RedisOptions, clock: &dyn Clock) -> Result<Inspection, RedisFault> {
    options.check()?;
    // Where the process has chosen already, that stands.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let named: Vec<ConnectionInfo> =
        options.urls().iter().map(|url| connection_info(url)).collect::<Result<_, _>>()?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.connection_timeout))
        .set_response_timeout(Some(options.response_timeout));
    let mut nodes = look_at(&named, &config, clock).await;

    let is_cluster = matches!(options.servers, Servers::Cluster(_));
    let informant = named
        .iter()
        .zip(&nodes)
        .find(|(_, (_, found))| found.as_ref().is_ok_and(|node| node.is_in_cluster));
    let Some((informant, _)) = informant.filter(|_| is_cluster) else {
        return Ok(Inspection { nodes, cluster: None });
    };
    let client = Client::open(informant.clone())?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let cluster = Cluster::ask(&mut connection).await?;
    let known: Vec<String> = named.iter().map(place).collect();
    let others: Vec<ConnectionInfo> = cluster
        .serving
        .iter()
        .map(|(host, port)| cluster::beside(informant, host, *port))
        .filter(|server| !known.contains(&place(server)))
        .collect();
    nodes.extend(look_at(&others, &config, clock).await);
    Ok(Inspection { nodes, cluster: Some(cluster) })
}

async fn look_at(
    servers: &[ConnectionInfo],
    config: &AsyncConnectionConfig,
    clock: &dyn Clock,
) -> Vec<(String, Result<Node, RedisFault>)> {
    join_all(
        servers
            .iter()
            .map(|server| async move { (place(server), look_at_one(server, config, clock).await) }),
    )
    .await
}

async fn look_at_one(
    server: &ConnectionInfo,
    config: &AsyncConnectionConfig,
    clock: &dyn Clock,
) -> Result<Node, RedisFault> {
    let client = Client::open(server.clone())?;
    let mut connection = client.get_multiplexed_async_connection_with_config(config).await?;
    Node::ask(&mut connection, clock).await
}

/// Host and port; what else an address holds is secret.
fn place(server: &ConnectionInfo) -> String {
    server.addr().to_string()
}
