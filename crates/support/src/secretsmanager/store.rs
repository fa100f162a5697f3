//! What Secrets Manager keeps: secrets with the list of their versions, and the values, sealed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use undercast_kernel::{Sealed, keyspace};
use undercast_store::{Row, Table};

/// Account, region, name.
pub(crate) type Key = (String, String, String);

pub(crate) const SECRETS: Table<Key, SecretRow> = Table::new(keyspace::SECRETSMANAGER, "secrets");
/// Account, region, name, version.
pub(crate) const VALUES: Table<(String, String, String, String), ValueRow> =
    Table::new(keyspace::SECRETSMANAGER, "values");

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SecretRow {
    /// The six characters behind the name in the ARN.
    pub(crate) suffix: String,
    pub(crate) description: Option<String>,
    pub(crate) kms_key: Option<String>,
    pub(crate) created_ms: i64,
    pub(crate) changed_ms: i64,
    /// The day on which a value was last read.
    pub(crate) accessed_ms: Option<i64>,
    pub(crate) rotated_ms: Option<i64>,
    /// When somebody deleted it, and when it goes.
    pub(crate) deleted_ms: Option<i64>,
    pub(crate) deletion_ms: Option<i64>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) policy: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) versions: BTreeMap<String, Version>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Rotation {
    pub(crate) is_enabled: bool,
    pub(crate) function: String,
    pub(crate) after_days: Option<i64>,
    pub(crate) duration: Option<String>,
    pub(crate) schedule: Option<String>,
    pub(crate) next_ms: Option<i64>,
    /// The version of the rotation that is under way.
    pub(crate) running: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) created_ms: i64,
    pub(crate) stages: BTreeSet<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ValueRow {
    pub(crate) sealed: Sealed,
    /// The text is base64 of a binary value.
    pub(crate) is_binary: bool,
}

impl Row for SecretRow {
    const VERSION: u8 = 1;
}

impl Row for ValueRow {
    const VERSION: u8 = 1;
}
