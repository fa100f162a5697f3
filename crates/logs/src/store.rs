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

/// Number of the group, name of the filter.
pub(crate) const FILTERS: Table<(u64, String), FilterRow> = Table::new(keyspace::LOGS, "filters");
pub(crate) const SUBSCRIPTIONS: Table<(u64, String), SubscriptionRow> =
    Table::new(keyspace::LOGS, "subscriptions");
/// What has still to be delivered: number of the subscription, time of arrival, and a number that keeps the order.
pub(crate) const OUTGOING: Table<(u64, i64, u64), OutgoingRow> =
    Table::new(keyspace::LOGS, "outgoing");

/// A metric filter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FilterRow {
    pub(crate) pattern: String,
    pub(crate) namespace: String,
    pub(crate) metric: String,
    /// A number, or the field that has it.
    pub(crate) value: String,
    pub(crate) default: Option<f64>,
    pub(crate) unit: Option<String>,
    /// The fields that have the values of dimensions.
    pub(crate) dimensions: BTreeMap<String, String>,
    pub(crate) created_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SubscriptionRow {
    /// Unique for ever.
    pub(crate) number: u64,
    pub(crate) pattern: String,
    pub(crate) destination: String,
    pub(crate) role: Option<String>,
    pub(crate) distribution: String,
    pub(crate) created_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OutgoingRow {
    pub(crate) stream: String,
    pub(crate) at_ms: i64,
    pub(crate) number: u64,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    /// Unique for ever: a group of the same name made later has another.
    pub(crate) number: u64,
    pub(crate) created_ms: i64,
    pub(crate) retention_days: Option<i32>,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) class: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// How many metric filters and subscriptions it has.
    #[serde(default)]
    pub(crate) filters: u32,
    #[serde(default)]
    pub(crate) subscriptions: u32,
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

impl Row for FilterRow {
    const VERSION: u8 = 1;
}

impl Row for SubscriptionRow {
    const VERSION: u8 = 1;
}

impl Row for OutgoingRow {
    const VERSION: u8 = 1;
}
