//! What SQS keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

/// Account, region, name.
pub(crate) type QueueKey = (String, String, String);

pub(crate) const QUEUES: Table<QueueKey, QueueRow> = Table::new(keyspace::SQS, "queues");
/// Number of the queue, time of availability, number of the message: all messages of a queue in the
/// order in which they may be received.
pub(crate) const MESSAGES: Table<(u64, i64, u64), MessageRow> =
    Table::new(keyspace::SQS, "messages");
/// Number of the queue, number of the message, part: bodies that do not move with their rows.
pub(crate) const BODIES: Table<(u64, u64, u32), BodyRow> = Table::new(keyspace::SQS, "bodies");
/// Number of the queue, number of the message: where a message is whose visibility was changed after
/// its receipt handle had been given out.
pub(crate) const MOVED: Table<(u64, u64), MovedRow> = Table::new(keyspace::SQS, "moved");
/// Number of the queue, group, sequence number: the messages of a FIFO queue, which stay where they are.
pub(crate) const FIFO: Table<(u64, String, u64), MessageRow> = Table::new(keyspace::SQS, "fifo");
/// Number of the queue, group: the groups that have messages.
pub(crate) const GROUPS: Table<(u64, String), GroupRow> = Table::new(keyspace::SQS, "groups");
/// Number of the queue, when the group may give messages again, group: the same groups in the order in
/// which they may be served.
pub(crate) const TURNS: Table<(u64, i64, String), TurnRow> = Table::new(keyspace::SQS, "turns");
/// Number of the queue: a counter of the messages of a FIFO queue that are in flight.
pub(crate) const FLYING: Table<(u64,), CountRow> = Table::new(keyspace::SQS, "flying");
/// Number of the queue, scope, id: what is remembered for some minutes, so that doing it again does
/// nothing new.
pub(crate) const KNOWN: Table<(u64, String, String), KnownRow> = Table::new(keyspace::SQS, "known");
/// Number of the queue, minute, scope, id: what is to be forgotten when that minute is over.
pub(crate) const EXPIRING: Table<(u64, i64, String, String), ()> =
    Table::new(keyspace::SQS, "expiring");
/// Number of the queue, minute: there is a task for that minute.
pub(crate) const MINUTES: Table<(u64, i64), ()> = Table::new(keyspace::SQS, "minutes");
/// Number of the queue, its moves newest first, number: moves of its messages to other queues.
pub(crate) const MOVES: Table<(u64, i64, u64), MoveRow> = Table::new(keyspace::SQS, "moves");
/// Number of the queue: a counter of its messages.
pub(crate) const COUNTS: Table<(u64,), CountRow> = Table::new(keyspace::SQS, "counts");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct QueueRow {
    /// Unique for ever: a queue of the same name made later has another.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
    /// As set by the caller, in their own spelling; what is absent has its default.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) purged_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MessageRow {
    #[serde(rename = "i")]
    pub(crate) id: String,
    /// Empty if the body stands in rows of its own.
    #[serde(rename = "b")]
    pub(crate) body: String,
    /// How many rows of its own the body has.
    #[serde(rename = "p", default, skip_serializing_if = "is_zero")]
    pub(crate) parts: u32,
    #[serde(rename = "a", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) attributes: BTreeMap<String, AttributeRow>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    #[serde(rename = "s")]
    pub(crate) sender: String,
    #[serde(rename = "at")]
    pub(crate) sent_ms: i64,
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub(crate) receives: u32,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_received_ms: Option<i64>,
    /// There is a row in `MOVED`.
    #[serde(rename = "m", default, skip_serializing_if = "is_false")]
    pub(crate) moved: bool,
    /// The queue that it was in before it became a dead letter.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead_letter_of: Option<String>,
    /// Of a message in a FIFO queue.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub(crate) deduplication: Option<String>,
    /// Under which number a FIFO queue keeps the parts of the body.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(crate) parts_of: Option<u64>,
}

/// A group with messages. Whatever happens in a group writes its row, so that all of it has an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    /// Where it stands in `TURNS`.
    pub(crate) at: i64,
    /// No message has a lower number.
    pub(crate) head: u64,
    /// The highest number that was given.
    pub(crate) last: u64,
    /// The messages that were received last and not deleted since; they are the first ones.
    #[serde(default)]
    pub(crate) flying: Vec<FlightRow>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FlightRow {
    pub(crate) sequence: u64,
    pub(crate) receives: u32,
    pub(crate) until_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TurnRow {
    /// How many messages of the group are in flight.
    pub(crate) flying: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KnownRow {
    pub(crate) until_ms: i64,
    pub(crate) what: Known,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Known {
    /// A message that was sent.
    Sent { id: String, sequence: u64 },
    /// Messages that were received: group, number, times received.
    Received(Vec<(String, u64, u32)>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MoveRow {
    pub(crate) status: MoveStatus,
    pub(crate) source: QueueKey,
    /// None: each message to where it came from.
    pub(crate) destination: Option<String>,
    pub(crate) per_second: Option<i64>,
    pub(crate) moved: i64,
    pub(crate) to_move: i64,
    pub(crate) started_ms: i64,
    pub(crate) failure: Option<String>,
    /// Nothing stands before this time: where the next step begins.
    pub(crate) from_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MoveStatus {
    Running,
    Completed,
    Cancelled,
    Failed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AttributeRow {
    #[serde(rename = "t")]
    pub(crate) kind: String,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<bytes::Bytes>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BodyRow {
    pub(crate) text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MovedRow {
    pub(crate) available_ms: i64,
}

/// Never written: the counter is a sum of deltas under the key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CountRow {}

macro_rules! rows {
    ($($row:ty),* $(,)?) => {
        $(impl Row for $row {
            const VERSION: u8 = 1;
        })*
    };
}

rows!(QueueRow, MessageRow, BodyRow, MovedRow, CountRow, GroupRow, TurnRow, KnownRow, MoveRow);
