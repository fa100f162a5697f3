//! The rows of the tasks.

use serde::{Deserialize, Serialize};

use crate::env::Ids;
use crate::error::Error;
use crate::key::{Key, KeyPrefix};
use crate::table::{Row, Table};

/// The key space of the store itself. Services use those below `0xff00`.
pub(crate) const SPACE: u16 = 0xfff0;

pub(crate) const TASKS: Table<(String, TaskId), TaskRow> = Table::new(SPACE, "t");
/// What waits, in the order in which it is due.
pub(crate) const DUE: Table<(String, i64, TaskId), ()> = Table::new(SPACE, "d");
/// The task that goes by a key.
pub(crate) const KEYS: Table<(String, Vec<u8>), TaskId> = Table::new(SPACE, "k");
/// What runs, by node.
pub(crate) const LEASED: Table<(u64, String, TaskId), ()> = Table::new(SPACE, "l");
pub(crate) const DEAD: Table<(String, TaskId), TaskRow> = Table::new(SPACE, "x");
/// Nodes that run tasks on a shared store, with a number that grows while they live.
pub(crate) const NODES: Table<u64, u64> = Table::new(SPACE, "n");

/// Ids rise with the time of their making, so that new tasks lie together in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u128);

impl TaskId {
    pub(crate) fn new(now_ms: i64, ids: &dyn Ids) -> TaskId {
        let mut random = [0; 16];
        ids.fill(&mut random);
        let time = u128::from(now_ms.unsigned_abs()) << 80;
        TaskId(time | (u128::from_be_bytes(random) >> 48))
    }
}

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::fmt::Debug for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for TaskId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<TaskId, Self::Err> {
        u128::from_str_radix(text, 16).map(TaskId)
    }
}

impl Serialize for TaskId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.to_be_bytes())
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<TaskId, D::Error> {
        let bytes = serde_bytes::ByteArray::<16>::deserialize(deserializer)?;
        Ok(TaskId(u128::from_be_bytes(bytes.into_array())))
    }
}

impl KeyPrefix for TaskId {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Key for TaskId {
    fn decode(bytes: &mut &[u8]) -> Result<TaskId, Error> {
        u128::decode(bytes).map(TaskId)
    }
}

impl Row for TaskId {
    const VERSION: u8 = 1;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) node: u64,
    pub(crate) token: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TaskRow {
    #[serde(with = "serde_bytes")]
    pub(crate) key: Vec<u8>,
    pub(crate) due_ms: i64,
    #[serde(with = "serde_bytes")]
    pub(crate) payload: Vec<u8>,
    pub(crate) attempt: u32,
    pub(crate) spawned_ms: i64,
    pub(crate) lease: Option<Lease>,
    /// Spawned again while it ran: what it runs next.
    #[serde(default)]
    pub(crate) next: Option<Next>,
    #[serde(default)]
    pub(crate) last_error: Option<String>,
}

impl Row for TaskRow {
    const VERSION: u8 = 1;
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Next {
    pub(crate) due_ms: i64,
    #[serde(with = "serde_bytes")]
    pub(crate) payload: Vec<u8>,
}
