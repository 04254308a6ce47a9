//! PostgreSQL and Redis, asked for as a whole or in parts.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use crate::config::problem::Reported;
use crate::config::setting::Reader;
use crate::config::settings;

/// The PostgreSQL that is asked for.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// All of it in one URL.
    pub url: SecretString,
    /// The user's password, where it was given by itself.
    pub(super) password: Option<SecretString>,
    /// The schema that everything is kept in.
    pub schema: String,
    /// How many connections one node may have.
    pub connections: u32,
}

/// The Redis that is asked for.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// All of it in one URL; of a cluster, some of its nodes.
    pub urls: Vec<SecretString>,
    /// The password, where it was given by itself.
    pub(super) password: Option<SecretString>,
    /// Whether it is a cluster.
    pub cluster: bool,
    /// What all its keys begin with.
    pub prefix: String,
    /// Over how many keys the queue is spread, where it is said.
    pub partitions: Option<u16>,
}

/// Any one of the variables asks for it: falling back to the embedded store because another is
/// missing would lose an operator's messages from sight.
pub(super) fn postgres(reader: &mut Reader<'_>) -> Result<Option<PostgresConfig>, Reported> {
    let url = reader.optional(&settings::DATABASE_URL);
    let host = reader.optional(&settings::DB_HOST);
    let port = reader.optional(&settings::DB_PORT);
    let username = reader.optional(&settings::DB_USERNAME);
    let password = reader.optional(&settings::DB_PASSWORD);
    let database = reader.optional(&settings::DB_DATABASE);
    let schema = reader.required(&settings::DB_SCHEMA);
    let connections = reader.required(&settings::DB_CONNECTIONS);
    let (url, host, port) = (url?, host?, port?);
    let (username, password, database) = (username?, password?, database?);
    let (schema, connections) = (schema?, connections?);
    let parts_given = host.is_some()
        || port.is_some()
        || username.is_some()
        || password.is_some()
        || database.is_some();
    let url = match url {
        Some(url) => url,
        None if !parts_given => return Ok(None),
        None => {
            let parts = Parts {
                scheme: "postgres",
                host: host.as_deref(),
                port: port.unwrap_or(5432),
                username: username.as_deref().unwrap_or("postgres"),
                password: password.as_ref(),
                path: database.as_deref().unwrap_or("messaging_api"),
            };
            parts.url(reader, "DB_HOST")?
        }
    };
    Ok(Some(PostgresConfig { url, password, schema, connections }))
}

/// As for PostgreSQL.
pub(super) fn redis(reader: &mut Reader<'_>) -> Result<Option<RedisConfig>, Reported> {
    let urls = reader.optional(&settings::REDIS_URL);
    let host = reader.optional(&settings::REDIS_HOST);
    let port = reader.optional(&settings::REDIS_PORT);
    let password = reader.optional(&settings::REDIS_PASSWORD);
    let cluster = reader.required(&settings::REDIS_CLUSTER);
    let prefix = reader.required(&settings::REDIS_PREFIX);
    let partitions = reader.optional(&settings::QUEUE_PARTITIONS);
    let (urls, host, port, password) = (urls?, host?, port?, password?);
    let (cluster, prefix, partitions) = (cluster?, prefix?, partitions?);
    let urls = match urls {
        Some(urls) => urls,
        None if host.is_none() && port.is_none() && password.is_none() => return Ok(None),
        None => {
            let parts = Parts {
                scheme: "redis",
                host: host.as_deref(),
                port: port.unwrap_or(6379),
                username: "",
                password: password.as_ref(),
                path: "",
            };
            vec![parts.url(reader, "REDIS_HOST")?]
        }
    };
    let cluster = cluster || urls.len() > 1;
    Ok(Some(RedisConfig { urls, password, cluster, prefix, partitions }))
}

/// What a URL is made of.
struct Parts<'a> {
    scheme: &'a str,
    host: Option<&'a str>,
    port: u16,
    username: &'a str,
    password: Option<&'a SecretString>,
    path: &'a str,
}

impl Parts<'_> {
    /// The URL, with everything in it escaped that has to be.
    fn url(self, reader: &mut Reader<'_>, variable: &str) -> Result<SecretString, Reported> {
        let host = self.host.unwrap_or("localhost");
        // An address of IPv6 stands in brackets.
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let made = Url::parse(&format!("{}://{host}:{}", self.scheme, self.port)).ok();
        let filled = made.and_then(|mut url| {
            url.set_username(self.username).ok()?;
            url.set_password(self.password.map(ExposeSecret::expose_secret)).ok()?;
            if !self.path.is_empty() {
                url.path_segments_mut().ok()?.push(self.path);
            }
            Some(SecretString::from(url.as_str()))
        });
        filled.ok_or_else(|| reader.report(variable, "is no host", "a host name or an IP address"))
    }
}
