//! Running Lua in Redis: loaded once, called by its hash.

use redis::{Cmd, ErrorKind, ServerErrorKind, Value};

use crate::connection::RedisConnection;
use crate::fault::RedisFault;

/// A piece of Lua that Redis runs.
#[derive(Debug)]
pub(crate) struct Script {
    source: String,
    hash: String,
}

impl Script {
    pub(crate) fn new(source: impl Into<String>) -> Self {
        let source = source.into();
        let hash = redis::Script::new(&source).get_hash().to_owned();
        Self { source, hash }
    }

    /// Runs it about a partition. A server that does not know it (new, emptied, or the other half of
    /// a failover) is sent the whole of it once.
    pub(crate) async fn run(
        &self,
        connection: &RedisConnection,
        partition: usize,
        keys: &[impl AsRef<[u8]>],
        arguments: &[impl AsRef<[u8]>],
    ) -> Result<Value, RedisFault> {
        let command = |name, body: &str| {
            let mut command = Cmd::new();
            command.arg(name).arg(body).arg(keys.len());
            for key in keys {
                command.arg(key.as_ref());
            }
            for argument in arguments {
                command.arg(argument.as_ref());
            }
            command
        };
        match connection.send(partition, &command("EVALSHA", &self.hash)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                Ok(connection.send(partition, &command("EVAL", &self.source)).await?)
            }
            result => Ok(result?),
        }
    }
}
