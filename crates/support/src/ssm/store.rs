//! What the parameter store keeps.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

/// Account, region, name.
pub(crate) type ParameterKey = (String, String, String);

pub(crate) const PARAMETERS: Table<ParameterKey, ParameterRow> =
    Table::new(keyspace::SSM, "parameters");
/// … version.
pub(crate) const VERSIONS: Table<(String, String, String, i64), VersionRow> =
    Table::new(keyspace::SSM, "versions");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ParameterRow {
    pub(crate) version: i64,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) latest: VersionRow,
    /// When its policy has it deleted.
    #[serde(default)]
    pub(crate) expires_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    pub(crate) kind: String,
    /// Of a `SecureString`, what the key service made of it.
    pub(crate) value: String,
    /// The key that a `SecureString` is encrypted with.
    #[serde(default)]
    pub(crate) key_id: Option<String>,
    /// The JSON that was given, if policies were.
    #[serde(default)]
    pub(crate) policies: Option<String>,
    /// Only in the table of versions: the copy in the parameter has none.
    #[serde(default)]
    pub(crate) labels: BTreeSet<String>,
    pub(crate) description: Option<String>,
    pub(crate) allowed_pattern: Option<String>,
    pub(crate) tier: String,
    pub(crate) data_type: String,
    pub(crate) modified_ms: i64,
    pub(crate) modified_by: String,
}

impl Row for ParameterRow {
    const VERSION: u8 = 1;
}

impl Row for VersionRow {
    const VERSION: u8 = 1;
}
