//! Tasks among the effects of an invocation.

use super::rows::{SPACE, TASKS};
use crate::recorder::Change;

/// What an invocation did to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEffect {
    Spawned {
        kind: String,
        key: Vec<u8>,
        due_ms: i64,
        payload: Vec<u8>,
    },
    /// Cancelled, completed, or replaced.
    Removed {
        kind: String,
        key: Vec<u8>,
    },
}

pub(crate) fn is_task_row(key: &[u8]) -> bool {
    key.starts_with(&SPACE.to_be_bytes())
}

pub(crate) fn task_effect(key: &[u8], change: &Change) -> Option<TaskEffect> {
    let (kind, _) = TASKS.decode_key(key)?.ok()?;
    let decode = |value| TASKS.decode_row(value).ok();
    let before = change.before.as_deref().and_then(decode);
    let after = change.after.as_deref().and_then(decode);
    match (before, after) {
        (None, Some(row)) => Some(TaskEffect::Spawned {
            kind,
            key: row.key,
            due_ms: row.due_ms,
            payload: row.payload,
        }),
        // Spawned again while it runs.
        (Some(before), Some(after)) => after.next.filter(|_| before.next.is_none()).map(|next| {
            TaskEffect::Spawned { kind, key: after.key, due_ms: next.due_ms, payload: next.payload }
        }),
        (Some(row), None) => Some(TaskEffect::Removed { kind, key: row.key }),
        (None, None) => None,
    }
}
