//! Why a store could not do what it was asked.

/// What an adapter's own error is kept as.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something of this name or id is there already: the caller's mistake, or a repeat.
    #[error("{entity} already exists")]
    Conflict {
        /// What is there already, such as `message` or `session name`.
        entity: &'static str,
    },
    /// The store cannot be reached, is busy or full: the same call may work later. Nothing of
    /// this call was kept.
    #[error("the store cannot be used at present")]
    Unavailable(#[source] BoxError),
    /// Something stored cannot be read: somebody must look.
    #[error("stored {entity} {id} cannot be read")]
    Corrupt {
        /// What cannot be read.
        entity: &'static str,
        /// Which one.
        id: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

impl StoreError {
    /// A store that cannot be used, for this reason.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }

    /// Something stored that cannot be read, for this reason.
    #[expect(clippy::needless_pass_by_value, reason = "ids are copied; callers read better so")]
    pub fn corrupt(entity: &'static str, id: impl ToString, source: impl Into<BoxError>) -> Self {
        Self::Corrupt { entity, id: id.to_string(), source: source.into() }
    }
}
