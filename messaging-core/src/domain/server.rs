//! The provider's servers: which there are, how they are called, and how many sessions they may hold.

use std::fmt;

use crate::domain::media_url::{MediaUrl, MediaUrlError};
use crate::domain::timestamp::Timestamp;
use crate::named::named_enum;

/// The longest name of a server, in characters.
pub const MAX_SERVER_NAME: usize = 100;

/// The longest key that is taken, in characters.
pub const MAX_SERVER_KEY: usize = 512;

/// The most sessions that a server may be said to hold.
pub const MAX_CAPACITY: u64 = 1_000_000;

/// How many servers may be added: each is asked about its sessions, and stands in the metrics.
pub const MOST_SERVERS: usize = 1000;

named_enum! {
    /// Where a server is known from.
    pub enum ServerSource {
        /// The settings of the deployment; it is changed there.
        Settings = "settings",
        /// It was added while the gateway ran.
        Api = "api",
    }
}

/// What a server asks its callers for. No Debug shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerKey(pub String);

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(hidden)")
    }
}

/// A server that was added while the gateway ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptServer {
    /// What sessions on it are kept under. It stays, whatever becomes of the address.
    pub name: String,
    /// Where it listens, without a slash at the end.
    pub url: String,
    /// What it asks for; `None` for nothing.
    pub api_key: Option<ServerKey>,
    /// How many sessions it may hold; `None` for as many as come.
    pub capacity: Option<u64>,
    /// Whether it takes no new sessions; those that are there go on.
    pub draining: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What is to be changed of a server; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerPatch {
    /// Where it listens.
    pub url: Option<String>,
    /// What it asks for.
    pub api_key: Option<Option<ServerKey>>,
    /// How many sessions it may hold. What is there stays, even if it is more.
    pub capacity: Option<Option<u64>>,
    /// Whether it takes no new sessions.
    pub draining: Option<bool>,
}

impl KeptServer {
    /// The server as a patch leaves it.
    #[must_use]
    pub fn patched(mut self, patch: &ServerPatch, now: Timestamp) -> Self {
        self.url = patch.url.clone().unwrap_or(self.url);
        self.api_key = patch.api_key.clone().unwrap_or(self.api_key);
        self.capacity = patch.capacity.unwrap_or(self.capacity);
        self.draining = patch.draining.unwrap_or(self.draining);
        self.updated_at = now;
        self
    }
}

/// What a server must have for a session to be put on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Of a server that the store does not keep: fewer sessions than so many, as many as come where
    /// that is left out.
    Below(Option<u64>),
    /// Of a server that the store keeps: it is there, takes new sessions, and has fewer than it may
    /// hold.
    AsKept,
    /// The same for an account that is there already, and so takes no more room than it has: however
    /// many there are.
    Held,
}

/// What became of a session that was to be put on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// It is kept.
    Placed,
    /// The server has as many as it may hold.
    Full,
    /// The server takes no new ones.
    Draining,
    /// The server is not there (any more).
    NoServer,
}

impl Room {
    /// Whether a server of this kind takes one more session beside those it has. `kept` is how many it
    /// may hold and whether it takes no new ones, where the store keeps it.
    pub fn judge(self, kept: Option<(Option<u64>, bool)>, placed: u64) -> Placing {
        let (capacity, draining) = match (self, kept) {
            (Self::Below(capacity), _) => (capacity, false),
            (Self::AsKept | Self::Held, None) => return Placing::NoServer,
            (Self::AsKept, Some(kept)) => kept,
            (Self::Held, Some((_, draining))) => (None, draining),
        };
        if draining {
            Placing::Draining
        } else if capacity.is_some_and(|capacity| placed >= capacity) {
            Placing::Full
        } else {
            Placing::Placed
        }
    }
}

/// What became of a server that was to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is forgotten.
    Removed,
    /// So many sessions are on it, and it is kept.
    InUse(u64),
    /// It was not there.
    NotThere,
}

/// What is wrong with a server's name, where something is.
pub fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = (1..=MAX_SERVER_NAME).contains(&name.len())
        && name.chars().all(allowed)
        // What is a step in a path would name another thing in an address.
        && !name.chars().all(|c| c == '.');
    if is_name {
        return Ok(());
    }
    Err(format!("must have 1 to {MAX_SERVER_NAME} characters: letters, digits, ., - and _ only"))
}

/// A server's address without a slash at its end, or what is wrong with it. Repeats nothing of it.
pub fn check_url(url: &str) -> Result<String, String> {
    match MediaUrl::parse(url) {
        Ok(_) if url.contains(['?', '#']) => Err("must have no query and no fragment in it".into()),
        Ok(_) => Ok(url.trim_end_matches('/').to_owned()),
        Err(MediaUrlError::Malformed | MediaUrlError::OddHost) => {
            Err("must be an address such as http://waha-1:3000".into())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// What is wrong with a key, where something is. Repeats nothing of it.
pub fn check_key(key: &ServerKey) -> Result<(), String> {
    let visible = key.0.bytes().all(|byte| (0x21..=0x7E).contains(&byte));
    if visible && (1..=MAX_SERVER_KEY).contains(&key.0.len()) {
        return Ok(());
    }
    Err(format!("must have 1 to {MAX_SERVER_KEY} characters, all of visible ASCII"))
}

/// What is wrong with a capacity, where something is.
pub fn check_capacity(capacity: u64) -> Result<(), String> {
    if capacity <= MAX_CAPACITY {
        Ok(())
    } else {
        Err(format!("may be {MAX_CAPACITY} at the most"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_address_has_a_scheme_and_a_host_and_no_more_than_a_path() {
        for (given, kept) in [
            ("http://waha-1:3000", "http://waha-1:3000"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("https://10.0.0.7/waha/", "https://10.0.0.7/waha"),
            ("https://[fd00::1]:3000", "https://[fd00::1]:3000"),
        ] {
            assert_eq!(check_url(given).as_deref(), Ok(kept));
        }
        for (wrong, why) in [
            ("", "address"),
            ("waha-1", "address"),
            ("waha-1:3000", "http://"),
            ("ftp://waha-1", "http://"),
            ("file:///etc/passwd", "http://"),
            ("http:///path", "address"),
            ("http://waha 1", "address"),
            ("http://waha-1:0", "address"),
            ("http://waha-1:70000", "address"),
            ("http://me:secret@waha-1", "password"),
            ("http://me@waha-1", "password"),
            ("http://waha-1?key=secret", "query"),
            ("http://waha-1/#part", "fragment"),
            ("http://waha-1\\@other", "address"),
            ("http://wähа", "address"),
        ] {
            let said = check_url(wrong).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_key_is_what_a_header_can_carry_and_is_never_shown() {
        for wrong in ["", "two words", "line\nbreak", "é", &"x".repeat(MAX_SERVER_KEY + 1)] {
            assert!(check_key(&ServerKey(wrong.into())).is_err(), "{wrong}");
        }
        let key = ServerKey("a-key-of-mine".into());
        assert_eq!(check_key(&key), Ok(()));
        assert!(!format!("{key:?}").contains("mine"));
    }

    #[test]
    fn a_name_can_stand_in_an_address() {
        for name in ["eu-1", "a", "EU_1.b", &"x".repeat(MAX_SERVER_NAME)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a/b", ".", "..", "é", &"x".repeat(MAX_SERVER_NAME + 1)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn room_is_judged_by_what_the_server_is_and_has() {
        use Placing::{Draining, Full, NoServer, Placed};
        let kept = |capacity, draining| Some((capacity, draining));
        for (room, of, placed, expected) in [
            (Room::Below(None), None, 1_000_000, Placed),
            (Room::Below(Some(2)), None, 1, Placed),
            (Room::Below(Some(2)), None, 2, Full),
            (Room::Below(Some(2)), None, 3, Full),
            (Room::Below(Some(2)), kept(Some(1), true), 1, Placed),
            (Room::AsKept, None, 0, NoServer),
            (Room::AsKept, kept(None, false), 9, Placed),
            (Room::AsKept, kept(Some(9), false), 8, Placed),
            (Room::AsKept, kept(Some(9), false), 9, Full),
            (Room::AsKept, kept(Some(0), false), 0, Full),
            (Room::AsKept, kept(Some(9), true), 0, Draining),
            (Room::Held, None, 0, NoServer),
            (Room::Held, kept(Some(1), false), 1, Placed),
            (Room::Held, kept(None, true), 0, Draining),
        ] {
            assert_eq!(room.judge(of, placed), expected, "{room:?} {of:?} {placed}");
        }
    }
}
