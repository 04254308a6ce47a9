//! Bytes that are sealed where a store has no room to say that they are.

use messaging_core::domain::sealed::SEALED_BYTES as MARK;
use messaging_core::ports::store_error::StoreError;

use crate::DoesNotOpen;
use crate::vault::{Place, Vault};

/// Mark, version of the key (four bytes, the highest first), and what is sealed. Of nothing, nothing: so
/// a store sees that there is none.
pub(crate) async fn seal(
    vault: &Vault,
    place: &Place<'_>,
    bytes: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let keys = vault.keys(place.tenant).await?;
    let (version, sealed) = vault.seal(&keys, place, &bytes).map_err(|error| bad(place, error))?;
    let mut blob = Vec::with_capacity(sealed.len() + 5);
    blob.push(MARK);
    blob.extend_from_slice(&version.to_be_bytes());
    blob.extend_from_slice(&sealed);
    Ok(blob)
}

/// Under which version of the key it is sealed; `None` for what is not.
pub(crate) fn version(blob: &[u8]) -> Option<u32> {
    let [MARK, rest @ ..] = blob else { return None };
    rest.first_chunk().map(|version| u32::from_be_bytes(*version))
}

/// What was sealed; bytes that were not, as they are.
pub(crate) async fn open(
    vault: &Vault,
    place: &Place<'_>,
    blob: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    let [MARK, rest @ ..] = blob.as_slice() else { return Ok(blob) };
    let Some((version, sealed)) = rest.split_first_chunk() else {
        return Err(bad(place, DoesNotOpen));
    };
    let version = u32::from_be_bytes(*version);
    let keys = vault.known_keys(place.tenant, Some(version)).await?;
    let keys = keys.ok_or_else(|| bad(place, DoesNotOpen))?;
    Vault::open_with(&keys, place, version, sealed).map_err(|error| bad(place, error))
}

fn bad(place: &Place<'_>, error: DoesNotOpen) -> StoreError {
    let row: String = place.row.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    StoreError::corrupt(place.field, row, error)
}
