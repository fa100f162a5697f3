//! The material of keys: made, sealed, opened, rotated.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::Tx;

use super::crypto::{self, Spec};
use super::store::{KEYS, Key, KeyRow, MATERIALS, MaterialRow};

/// Opened material.
pub(crate) struct Material {
    pub(crate) number: u32,
    pub(crate) id: String,
    pub(crate) bytes: Vec<u8>,
}

/// Whose secret it is, for the vault.
fn seal_name(key: &Key, number: u32) -> String {
    format!("kms:{}:{}:{}:{number}", key.0, key.1, key.2)
}

fn place(key: &Key, number: u32) -> (String, String, String, u32) {
    (key.0.clone(), key.1.clone(), key.2.clone(), number)
}

/// Keeps material under a number.
pub(crate) fn put(
    tx: &Tx,
    kernel: &Kernel,
    key: &Key,
    number: u32,
    bytes: &[u8],
    rotation: &str,
) -> Result<Material, ServiceError> {
    let text = BASE64_STANDARD.encode(bytes);
    let sealed = kernel.settings().vault.seal(tx.ids(), &seal_name(key, number), &text)?;
    let id: String =
        crypto::random(tx.ids(), 32).iter().map(|byte| format!("{byte:02x}")).collect();
    let row = MaterialRow {
        sealed,
        id: id.clone(),
        created_ms: tx.now_ms(),
        rotation: rotation.to_owned(),
    };
    MATERIALS.put(tx, &place(key, number), &row)?;
    Ok(Material { number, id, bytes: bytes.to_vec() })
}

/// The material with a number, if the key has it.
pub(crate) async fn numbered(
    tx: &Tx,
    kernel: &Kernel,
    key: &Key,
    number: u32,
) -> Result<Option<Material>, ServiceError> {
    let Some(row) = MATERIALS.get(tx, &place(key, number)).await? else { return Ok(None) };
    let text = kernel.settings().vault.open(&seal_name(key, number), &row.sealed)?;
    let bytes = BASE64_STANDARD.decode(text).map_err(ServiceError::internal)?;
    Ok(Some(Material { number, id: row.id, bytes }))
}

/// The material that encrypts and signs now. Symmetric keys of the time before keys had any get theirs here.
pub(crate) async fn current(
    tx: &Tx,
    kernel: &Kernel,
    key: &Key,
    row: &KeyRow,
) -> Result<Material, ServiceError> {
    if let Some(material) = numbered(tx, kernel, key, row.material).await? {
        return Ok(material);
    }
    if Spec::parse(&row.spec) != Some(Spec::Symmetric) {
        return Err(ServiceError::internal(format!("key {} has lost its material", key.2)));
    }
    put(tx, kernel, key, row.material, &crypto::random(tx.ids(), 32), "")
}

/// Gives a symmetric key new material. What the old one encrypted it still decrypts.
pub(crate) async fn rotate(
    tx: &Tx,
    kernel: &Kernel,
    key: &Key,
    row: &mut KeyRow,
    rotation: &str,
) -> Result<(), ServiceError> {
    current(tx, kernel, key, row).await?;
    row.material += 1;
    put(tx, kernel, key, row.material, &crypto::random(tx.ids(), 32), rotation)?;
    KEYS.put(tx, key, row)?;
    Ok(())
}
