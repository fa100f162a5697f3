//! Payloads of waiting events: in the task itself, or as a blob where they are large.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use undercast_kernel::{Db, ServiceError};
use undercast_store::{BlobId, Tx};

/// Two of these fit into the row of a task, however they have to be escaped.
const INLINE_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Payload {
    Text(String),
    /// Of something that is not text; never an event, which is JSON.
    Large {
        hash: [u8; 32],
        len: u64,
    },
}

impl Payload {
    pub(super) async fn keep(db: &Db, bytes: Bytes) -> Result<Self, ServiceError> {
        if bytes.len() <= INLINE_BYTES_MAX
            && let Ok(text) = std::str::from_utf8(&bytes)
        {
            return Ok(Self::Text(text.to_owned()));
        }
        let id = db.blobs().put(bytes).await?;
        Ok(Self::Large { hash: id.hash.0, len: id.len })
    }

    fn blob(&self) -> Option<BlobId> {
        match self {
            Self::Text(_) => None,
            Self::Large { hash, len } => {
                Some(BlobId { hash: undercast_store::BlobHash(*hash), len: *len })
            }
        }
    }

    pub(super) async fn load(&self, db: &Db) -> Result<Bytes, ServiceError> {
        match (self, self.blob()) {
            (_, Some(blob)) => Ok(db.blobs().get(&blob).await?),
            (Self::Text(text), None) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            (Self::Large { .. }, None) => Ok(Bytes::new()),
        }
    }

    pub(super) fn is_small(&self) -> bool {
        self.blob().is_none()
    }

    pub(super) fn link(&self, tx: &Tx, owner: &[u8]) -> Result<(), ServiceError> {
        if let Some(blob) = self.blob() {
            tx.link_blob(&blob, owner)?;
        }
        Ok(())
    }

    pub(super) fn unlink(&self, tx: &Tx, owner: &[u8]) -> Result<(), ServiceError> {
        if let Some(blob) = self.blob() {
            tx.unlink_blob(&blob, owner)?;
        }
        Ok(())
    }
}
