//! What the registry keeps: repositories, without images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

/// Account, region, name.
pub(crate) const REPOSITORIES: Table<(String, String, String), RepositoryRow> =
    Table::new(keyspace::ECR, "repositories");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RepositoryRow {
    pub(crate) created_ms: i64,
    pub(crate) mutability: String,
    pub(crate) scan_on_push: bool,
    pub(crate) encryption: String,
    pub(crate) policy: Option<String>,
    pub(crate) lifecycle: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Row for RepositoryRow {
    const VERSION: u8 = 1;
}
