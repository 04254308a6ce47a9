//! What a node does of all that the service does.

/// What a node does of all that the service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRole {
    /// Serves the HTTP API, and applies the webhooks it keeps.
    Api,
    /// Sends, and takes its turn in what one node does for all; serves its health and metrics.
    Worker,
    /// Both.
    All,
}

impl NodeRole {
    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "api" => Some(Self::Api),
            "worker" => Some(Self::Worker),
            "all" => Some(Self::All),
            _ => None,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::All => "all",
        }
    }

    /// Whether it serves the HTTP API.
    pub(crate) const fn serves(self) -> bool {
        !matches!(self, Self::Worker)
    }

    /// Whether it sends.
    pub(crate) const fn sends(self) -> bool {
        !matches!(self, Self::Api)
    }
}
