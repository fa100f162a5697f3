//! What CloudWatch keeps.

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

use crate::aggregate::Aggregate;
use crate::alarms::{AlarmRow, HistoryRow};

/// Account, region, namespace, name, and what the dimensions come to.
pub(crate) type MetricKey = (String, String, String, String, String);
/// Id of the metric, resolution, start of the interval in seconds, unit.
pub(crate) type PointKey = (String, u32, i64, String);

pub(crate) const METRICS: Table<MetricKey, MetricRow> = Table::new(keyspace::CLOUDWATCH, "metrics");
pub(crate) const POINTS: Table<PointKey, Aggregate> = Table::new(keyspace::CLOUDWATCH, "points");
/// There while the task is that removes what is too old.
pub(crate) const SWEEPING: Table<(), bool> = Table::new(keyspace::CLOUDWATCH, "sweeping");
/// Account, region, name.
pub(crate) const DASHBOARDS: Table<(String, String, String), DashboardRow> =
    Table::new(keyspace::CLOUDWATCH, "dashboards");

/// Account, region, name.
pub(crate) type AlarmKey = (String, String, String);

pub(crate) const ALARMS: Table<AlarmKey, AlarmRow> = Table::new(keyspace::CLOUDWATCH, "alarms");
/// Account, region, name of the alarm, time, and a number that tells what happened in the same millisecond apart.
pub(crate) const HISTORY: Table<(String, String, String, i64, u64), HistoryRow> =
    Table::new(keyspace::CLOUDWATCH, "history");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricRow {
    /// What its points are kept under.
    pub(crate) id: String,
    pub(crate) dimensions: Vec<(String, String)>,
    /// When it was last written to, give or take an hour.
    pub(crate) written_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DashboardRow {
    pub(crate) body: String,
    pub(crate) modified_ms: i64,
    #[serde(default)]
    pub(crate) tags: std::collections::BTreeMap<String, String>,
}

impl Row for MetricRow {
    const VERSION: u8 = 1;
}

impl Row for Aggregate {
    const VERSION: u8 = 1;
}

impl Row for AlarmRow {
    const VERSION: u8 = 1;
}

impl Row for HistoryRow {
    const VERSION: u8 = 1;
}

impl Row for DashboardRow {
    const VERSION: u8 = 1;
}
