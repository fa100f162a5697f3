//! What DynamoDB keeps.
//!
//! Items stand under the number of their table, then four bytes of the hash of their partition key, the partition
//! key, and at the end the sort key as it is. So a partition lies together and in order, and a segment of a scan is
//! one range. Entries of indexes stand in the same key space under the number of their index. `engine/key.rs` makes these keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

/// Account, region, name.
pub(crate) type TableKey = (String, String, String);
/// Account, region, table, label.
pub(crate) type StreamKey = (String, String, String, String);

pub(crate) const TABLES: Table<TableKey, TableRow> = Table::new(keyspace::DYNAMODB, "tables");
/// Items and entries of indexes: the leading parts of their keys. Their values are not rows (`value/codec.rs`).
pub(crate) const ITEMS: Table<(u64, u32, Vec<u8>), ()> = Table::new(keyspace::DYNAMODB, "i");
/// Number of the expiry index, seconds; then the key of the item.
pub(crate) const EXPIRIES: Table<(u64, i64), ()> = Table::new(keyspace::DYNAMODB, "expiry");
/// Number of a table or index: counters of its items and of their bytes.
pub(crate) const COUNTS: Table<(u64,), ()> = Table::new(keyspace::DYNAMODB, "counts");
pub(crate) const SIZES: Table<(u64,), ()> = Table::new(keyspace::DYNAMODB, "sizes");
/// Account, region, token of a transaction.
pub(crate) const TOKENS: Table<TableKey, TokenRow> = Table::new(keyspace::DYNAMODB, "tokens");
/// Account, region, table, label: streams, with those that ended less than a day ago.
pub(crate) const STREAMS: Table<StreamKey, StreamInfoRow> =
    Table::new(keyspace::DYNAMODB, "streams");
/// Number of a stream, shard, moment, bucket: changes that have no sequence number yet.
pub(crate) const CHANGES: Table<(u64, u32, u64, u32), RecordRow> =
    Table::new(keyspace::DYNAMODB, "changes");
/// Number of a stream, shard, sequence number.
pub(crate) const RECORDS: Table<(u64, u32, u64), RecordRow> =
    Table::new(keyspace::DYNAMODB, "records");
/// Number of a stream, moment, bucket, which one: images that are too large to stand in one row.
pub(crate) const IMAGES: Table<(u64, u64, u32, u8), ByteBuf> =
    Table::new(keyspace::DYNAMODB, "images");
/// Number of a stream, bucket: the moment of the last change to one of its keys.
pub(crate) const MOMENTS: Table<(u64, u32), u64> = Table::new(keyspace::DYNAMODB, "moments");
/// Number of a stream, shard: the next sequence number.
pub(crate) const SEQUENCES: Table<(u64, u32), u64> = Table::new(keyspace::DYNAMODB, "sequences");
/// The time from which on tokens may go, and which ones.
pub(crate) const TOKEN_TIMES: Table<(i64, String, String, String), ()> =
    Table::new(keyspace::DYNAMODB, "tokentimes");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableRow {
    /// Unique for ever: a table of the same name made later has another.
    pub(crate) number: u64,
    /// A UUID.
    pub(crate) id: String,
    pub(crate) created_ms: i64,
    /// Name and type: `S`, `N` or `B`; in the order of the caller.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) hash: String,
    pub(crate) range: Option<String>,
    pub(crate) indexes: Vec<IndexRow>,
    pub(crate) billing: BillingRow,
    #[serde(default)]
    pub(crate) stream: Option<StreamRow>,
    #[serde(default)]
    pub(crate) sse: Option<SseRow>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    /// `STANDARD_INFREQUENT_ACCESS`, where it was ever said.
    #[serde(default)]
    pub(crate) class: Option<String>,
    #[serde(default)]
    pub(crate) class_changed_ms: Option<i64>,
    #[serde(default)]
    pub(crate) protected: bool,
    #[serde(default)]
    pub(crate) ttl: Option<TtlRow>,
    #[serde(default)]
    pub(crate) backups: Option<BackupsRow>,
    /// Of requests on demand: reads, writes.
    #[serde(default)]
    pub(crate) limits: Option<UnitsRow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct UnitsRow {
    pub(crate) read: i64,
    pub(crate) write: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BillingRow {
    pub(crate) on_demand: bool,
    /// The mode was named once, and is therefore described.
    pub(crate) named: bool,
    pub(crate) on_demand_since_ms: Option<i64>,
    pub(crate) units: UnitsRow,
    pub(crate) increased_ms: Option<i64>,
    pub(crate) decreased_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct IndexRow {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) global: bool,
    pub(crate) hash: String,
    pub(crate) range: Option<String>,
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub(crate) projection: String,
    pub(crate) include: Vec<String>,
    pub(crate) units: UnitsRow,
    #[serde(default)]
    pub(crate) limits: Option<UnitsRow>,
    /// Older items are still being entered.
    pub(crate) backfilling: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamRow {
    pub(crate) enabled: bool,
    /// `NEW_IMAGE`, ….
    pub(crate) view: String,
    /// `2026-11-24T08:00:00.000`.
    pub(crate) label: String,
    /// Unique for ever; 0 where an older version made it, which wrote no records.
    #[serde(default)]
    pub(crate) number: u64,
}

/// A stream by itself: it outlives its table by a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamInfoRow {
    pub(crate) number: u64,
    pub(crate) view: String,
    pub(crate) created_ms: i64,
    pub(crate) hash: String,
    pub(crate) range: Option<String>,
    /// Disabled, or its table was deleted.
    pub(crate) ended_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChangeKind {
    Insert,
    Modify,
    Remove,
}

/// One change of one item. Images are encoded as items are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecordRow {
    pub(crate) at_ms: i64,
    pub(crate) kind: ChangeKind,
    /// Of the partition key.
    pub(crate) spread: u32,
    pub(crate) moment: u64,
    /// The item expired.
    pub(crate) expired: bool,
    /// By AWS's rules: keys and images.
    pub(crate) size: u64,
    pub(crate) keys: ByteBuf,
    pub(crate) new: ImageRow,
    pub(crate) old: ImageRow,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ImageRow {
    None,
    Here(ByteBuf),
    /// In `IMAGES`.
    Apart,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SseRow {
    pub(crate) kms_key_arn: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TtlRow {
    pub(crate) attribute: String,
    /// Of the expiry index.
    pub(crate) number: u64,
    pub(crate) backfilling: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BackupsRow {
    pub(crate) enabled: bool,
    pub(crate) days: i32,
    pub(crate) since_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TokenRow {
    /// BLAKE3 of the request.
    pub(crate) request: Vec<u8>,
    pub(crate) until_ms: i64,
}

macro_rules! rows {
    ($($row:ty),* $(,)?) => {
        $(impl Row for $row {
            const VERSION: u8 = 1;
        })*
    };
}

rows!(TableRow, TokenRow, StreamInfoRow, RecordRow);
