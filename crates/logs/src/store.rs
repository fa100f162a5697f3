//! What CloudWatch Logs keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

/// Account, region, name.
pub(crate) type GroupKey = (String, String, String);

pub(crate) const GROUPS: Table<GroupKey, GroupRow> = Table::new(keyspace::LOGS, "groups");
/// Number of the group, name of the stream.
pub(crate) const STREAMS: Table<(u64, String), StreamRow> = Table::new(keyspace::LOGS, "streams");
/// Number of the group, time, a number that orders what happened in the same millisecond.
pub(crate) const EVENTS: Table<(u64, i64, u64), EventRow> = Table::new(keyspace::LOGS, "events");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    /// Unique for ever: a group of the same name made later has another.
    pub(crate) number: u64,
    pub(crate) created_ms: i64,
    pub(crate) retention_days: Option<i32>,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) class: String,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StreamRow {
    pub(crate) created_ms: i64,
    pub(crate) first_ms: Option<i64>,
    pub(crate) last_ms: Option<i64>,
    pub(crate) ingested_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EventRow {
    #[serde(rename = "s")]
    pub(crate) stream: String,
    #[serde(rename = "m")]
    pub(crate) message: String,
    #[serde(rename = "i")]
    pub(crate) ingested_ms: i64,
}

impl Row for GroupRow {
    const VERSION: u8 = 1;
}

impl Row for StreamRow {
    const VERSION: u8 = 1;
}

impl Row for EventRow {
    const VERSION: u8 = 1;
}
