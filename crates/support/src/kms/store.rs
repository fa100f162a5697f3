//! What the key service keeps: keys and their names, without material.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

/// Account, region, key id.
pub(crate) const KEYS: Table<(String, String, String), KeyRow> = Table::new(keyspace::KMS, "keys");
/// Account, region, alias name.
pub(crate) const ALIASES: Table<(String, String, String), AliasRow> =
    Table::new(keyspace::KMS, "aliases");

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
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AliasRow {
    pub(crate) key_id: String,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
}

impl Row for KeyRow {
    const VERSION: u8 = 1;
}

impl Row for AliasRow {
    const VERSION: u8 = 1;
}
