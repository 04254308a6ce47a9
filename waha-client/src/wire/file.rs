//! A file to send: where its bytes are, what they are, and what they are called.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A file in a media send.
///
/// Written as `{"mimetype","url","filename"}` or `{"mimetype","data","filename"}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// MIME type of the bytes, such as `image/jpeg`.
    pub mimetype: String,
    /// The name the recipient sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Where the bytes are.
    #[serde(flatten)]
    pub source: FileSource,
}

/// Where a file's bytes are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSource {
    /// WAHA itself fetches the file from here; the address must be reachable from WAHA.
    Url(String),
    /// The bytes in base64 (standard alphabet, padded), without a `data:` prefix.
    Data(String),
}

impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // File names are written by people, for people: they are content.
        formatter
            .debug_struct("File")
            .field("mimetype", &self.mimetype)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may carry a signature or a key, so it is hidden like the bytes.
        match self {
            Self::Url(_) => formatter.write_str("Url(..)"),
            Self::Data(base64) => write!(formatter, "Data({} characters)", base64.len()),
        }
    }
}
