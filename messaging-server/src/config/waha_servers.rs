//! Several WAHA servers in one setting.

use std::collections::BTreeSet;

use secrecy::SecretString;
use serde::Deserialize;

use crate::config::kind::{HTTP_URL, Kind};

/// The name of the server that `WAHA_BASE_URL` stands for.
pub(crate) const ONLY_SERVER: &str = "default";

/// One WAHA server.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WahaServerConfig {
    /// What sessions on it are kept under: it stays, whatever becomes of the address.
    pub name: String,
    /// Where it listens, without a slash at the end.
    pub url: String,
    /// The key it asks for; `WAHA_API_KEY` where left out.
    pub api_key: Option<SecretString>,
    /// How many sessions are to be put on it; as many as come where left out.
    pub capacity: Option<u64>,
}

/// How the servers are written.
pub(crate) const KIND: Kind<Vec<WahaServerConfig>> = Kind::hidden(
    "a JSON array such as [{\"name\":\"eu-1\",\"url\":\"http://waha-1:3000\",\"apiKey\":\"…\",\"capacity\":500}], \
     each name once; [] for none",
    read,
);

fn read(text: &str) -> Option<Vec<WahaServerConfig>> {
    let mut servers: Vec<WahaServerConfig> = serde_json::from_str(text).ok()?;
    let mut names = BTreeSet::new();
    for server in &mut servers {
        server.url = (HTTP_URL.read)(&server.url)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_name = (1..=100).contains(&server.name.len()) && server.name.chars().all(allowed);
        if !is_name || !names.insert(server.name.clone()) {
            return None;
        }
    }
    Some(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_with_their_addresses_tidied() {
        let servers = read(
            r#"[{"name":"eu-1","url":"http://one:3000/","capacity":2},
                {"name":"eu-2","url":"https://two","apiKey":"a key of its own"}]"#,
        )
        .unwrap();
        let places: Vec<_> = servers.iter().map(|it| (it.name.as_str(), it.url.as_str())).collect();
        assert_eq!(places, [("eu-1", "http://one:3000"), ("eu-2", "https://two")]);
        assert_eq!((servers[0].capacity, servers[1].capacity), (Some(2), None));
        assert!(!format!("{servers:?}").contains("a key of its own"));
    }

    #[test]
    fn there_may_be_none() {
        assert_eq!(read("[]").map(|servers| servers.len()), Some(0));
    }

    #[test]
    fn what_is_no_list_of_servers_is_refused() {
        for wrong in [
            "{}",
            "http://one:3000",
            r#"[{"name":"one"}]"#,
            r#"[{"name":"one","url":"one:3000"}]"#,
            r#"[{"name":"","url":"http://one"}]"#,
            r#"[{"name":"o ne","url":"http://one"}]"#,
            r#"[{"name":"one","url":"http://one","capacity":-1}]"#,
            r#"[{"name":"one","url":"http://one","key":"x"}]"#,
            r#"[{"name":"one","url":"http://one"},{"name":"one","url":"http://two"}]"#,
        ] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
