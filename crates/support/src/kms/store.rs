//! What the key service keeps: keys, their material (sealed), their names, and what is granted on them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::{Sealed, keyspace};
use undercast_store::{Row, Table};

/// Account, region, key id.
pub(crate) type Key = (String, String, String);

pub(crate) const KEYS: Table<Key, KeyRow> = Table::new(keyspace::KMS, "keys");
/// Account, region, alias name.
pub(crate) const ALIASES: Table<Key, AliasRow> = Table::new(keyspace::KMS, "aliases");
/// Account, region, key id, number.
pub(crate) const MATERIALS: Table<(String, String, String, u32), MaterialRow> =
    Table::new(keyspace::KMS, "materials");
/// Account, region, key id, grant id.
pub(crate) const GRANTS: Table<(String, String, String, String), GrantRow> =
    Table::new(keyspace::KMS, "grants");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) created_ms: i64,
    pub(crate) description: String,
    pub(crate) policy: String,
    pub(crate) enabled: bool,
    pub(crate) rotation_days: Option<i32>,
    pub(crate) deletion_ms: Option<i64>,
    pub(crate) multi_region: bool,
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default = "symmetric")]
    pub(crate) spec: String,
    #[serde(default = "encrypts")]
    pub(crate) usage: String,
    /// Made by us for a service, behind `alias/aws/…`.
    #[serde(default)]
    pub(crate) is_managed: bool,
    /// The number of the material that encrypts.
    #[serde(default)]
    pub(crate) material: u32,
    /// When it is rotated next.
    #[serde(default)]
    pub(crate) rotation_ms: Option<i64>,
    /// How often somebody asked for a rotation.
    #[serde(default)]
    pub(crate) on_demand: u32,
}

impl KeyRow {
    /// An enabled symmetric key.
    pub(crate) fn new(created_ms: i64, policy: String) -> Self {
        Self {
            created_ms,
            description: String::new(),
            policy,
            enabled: true,
            rotation_days: None,
            deletion_ms: None,
            multi_region: false,
            tags: BTreeMap::new(),
            spec: symmetric(),
            usage: encrypts(),
            is_managed: false,
            material: 0,
            rotation_ms: None,
            on_demand: 0,
        }
    }
}

fn symmetric() -> String {
    "SYMMETRIC_DEFAULT".to_owned()
}

fn encrypts() -> String {
    "ENCRYPT_DECRYPT".to_owned()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AliasRow {
    pub(crate) key_id: String,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MaterialRow {
    /// Base64 of raw bytes, or of a private key as PKCS #8.
    pub(crate) sealed: Sealed,
    /// What is shown for it.
    pub(crate) id: String,
    pub(crate) created_ms: i64,
    /// `AUTOMATIC` or `ON_DEMAND`; empty for the first.
    pub(crate) rotation: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GrantRow {
    pub(crate) created_ms: i64,
    pub(crate) name: Option<String>,
    pub(crate) grantee: String,
    pub(crate) retiring: Option<String>,
    pub(crate) operations: Vec<String>,
    pub(crate) subset: Option<BTreeMap<String, String>>,
    pub(crate) equals: Option<BTreeMap<String, String>>,
}

impl Row for KeyRow {
    const VERSION: u8 = 1;
}

impl Row for AliasRow {
    const VERSION: u8 = 1;
}

impl Row for MaterialRow {
    const VERSION: u8 = 1;
}

impl Row for GrantRow {
    const VERSION: u8 = 1;
}
