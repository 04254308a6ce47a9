//! A Redis Cluster, as one of its nodes knows it.

use redis::aio::MultiplexedConnection;
use redis::{ConnectionAddr, ConnectionInfo, InfoDict, Value};

use crate::fault::RedisFault;

/// A Redis Cluster, as one of its nodes knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Whether it serves.
    pub is_ok: bool,
    /// How many of its [`SLOTS`](Self::SLOTS) are served.
    pub served: u16,
    /// Those who serve slots, by host (empty for the one that was asked) and port.
    pub(super) serving: Vec<(String, u16)>,
}

impl Cluster {
    /// How many slots there are.
    pub const SLOTS: u16 = 16_384;

    /// How many nodes serve slots.
    pub fn primaries(&self) -> usize {
        self.serving.len()
    }

    pub(super) async fn ask(connection: &mut MultiplexedConnection) -> Result<Self, RedisFault> {
        let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(connection).await?;
        let slots: Value = redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await?;
        let info = InfoDict::new(&info);
        Ok(Self {
            is_ok: info.get::<String>("cluster_state").as_deref() == Some("ok"),
            served: info.get("cluster_slots_ok").unwrap_or(0),
            serving: primaries(slots).ok_or(RedisFault::Answer)?,
        })
    }
}

/// The first server of each range of slots, each once. A range is its first slot, its last, and its
/// servers, of which the first is the primary; a server is its host, its port, and more.
fn primaries(slots: Value) -> Option<Vec<(String, u16)>> {
    let mut primaries = Vec::new();
    for range in slots.into_sequence().ok()? {
        let primary = range.into_sequence().ok()?.into_iter().nth(2)?;
        let mut primary = primary.into_sequence().ok()?.into_iter();
        // A node that does not know its own address leaves it out.
        let host: Option<String> = redis::from_redis_value(primary.next()?).ok()?;
        let port: u16 = redis::from_redis_value(primary.next()?).ok()?;
        primaries.push((host.filter(|host| host != "?").unwrap_or_default(), port));
    }
    primaries.sort();
    primaries.dedup();
    Some(primaries)
}

/// Another server, reached in the same way.
pub(super) fn beside(server: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let host = |own: &str| if host.is_empty() { own.to_owned() } else { host.to_owned() };
    let address = match server.addr().clone() {
        ConnectionAddr::Tcp(own, _) => ConnectionAddr::Tcp(host(&own), port),
        ConnectionAddr::TcpTls { host: own, insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host: host(&own), port, insecure, tls_params }
        }
        other => other,
    };
    server.clone().set_addr(address)
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn range(host: Value, port: i64) -> Value {
        let server = |host, port| Value::Array(vec![host, Value::Int(port), text("an id")]);
        let replica = server(text("replica"), 1);
        Value::Array(vec![Value::Int(0), Value::Int(1), server(host, port), replica])
    }

    #[test]
    fn every_primary_is_found_once() {
        let slots = vec![range(text("b"), 2), range(text("a"), 1), range(text("b"), 2)];
        let expected = vec![("a".to_owned(), 1), ("b".to_owned(), 2)];
        assert_eq!(primaries(Value::Array(slots)), Some(expected));
        let nameless = Value::Array(vec![range(Value::Nil, 7)]);
        assert_eq!(primaries(nameless), Some(vec![(String::new(), 7)]));
        assert_eq!(primaries(Value::Int(3)), None);
    }

    #[test]
    fn a_node_beside_another_is_reached_in_the_same_way() {
        let place = |url: &str, host: &str| {
            beside(&url.into_connection_info().unwrap(), host, 7).addr().clone()
        };
        assert_eq!(place("redis://one:1", "two"), ConnectionAddr::Tcp("two".into(), 7));
        assert_eq!(place("redis://one:1", ""), ConnectionAddr::Tcp("one".into(), 7));
        assert!(matches!(place("rediss://one:1", "two"), ConnectionAddr::TcpTls { port: 7, .. }));
    }
}
