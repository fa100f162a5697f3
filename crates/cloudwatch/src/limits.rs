//! The numbers that AWS documents.

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Seconds of an interval and how long intervals of that size are kept.
pub(crate) const RESOLUTIONS: [(u32, i64); 4] =
    [(1, 3 * HOUR_MS), (60, 15 * DAY_MS), (300, 63 * DAY_MS), (3600, 455 * DAY_MS)];

pub(crate) const DATA_MAX: usize = 1_000;
pub(crate) const VALUES_MAX: usize = 150;
pub(crate) const PAST_MS: i64 = 14 * DAY_MS;
pub(crate) const FUTURE_MS: i64 = 2 * HOUR_MS;
/// 2^360.
pub(crate) const VALUE_MAX: f64 =
    2_348_542_582_773_833_227_889_480_596_789_337_027_375_682_548_908_319_870_707_290_971_532_209_025_114_608_443_463_698_998_384_768_703_031_934_976.0;
/// Metrics that nothing was written to for this long are not listed.
pub(crate) const LISTED_MS: i64 = 14 * DAY_MS;
pub(crate) const LIST_PAGE: usize = 500;

pub(crate) const STATISTICS_POINTS_MAX: i64 = 1_440;
pub(crate) const QUERIES_MAX: usize = 500;
pub(crate) const DATA_POINTS_MAX: usize = 100_800;
/// How many stored intervals one metric of a query may take from the store.
pub(crate) const SCAN_MAX: usize = 120_000;

pub(crate) const DASHBOARD_BYTES_MAX: usize = 900_000;

/// How long the history of an alarm is kept.
pub(crate) const HISTORY_MS: i64 = 30 * DAY_MS;
pub(crate) const TAGS_MAX: usize = 50;
/// Alarms of an account and region, as far as one answer or one look at composite alarms goes.
pub(crate) const ALARMS_MAX: usize = 5_000;
