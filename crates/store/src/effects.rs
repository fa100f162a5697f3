//! What an invocation did to the store, to be looked at and compared.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::recorder::Change;
use crate::tasks::{TaskEffect, is_task_row, task_effect};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Rows whose value changed, without those of tasks.
    pub rows: Vec<Effect>,
    pub counters: Vec<(Bytes, i64)>,
    pub tasks: Vec<TaskEffect>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub key: Bytes,
    pub before: Option<Bytes>,
    pub after: Option<Bytes>,
}

impl Effects {
    pub(crate) fn of(rows: BTreeMap<Bytes, Change>, counters: BTreeMap<Bytes, i64>) -> Effects {
        let mut effects =
            Effects { counters: counters.into_iter().collect(), ..Effects::default() };
        for (key, change) in rows {
            if is_task_row(&key) {
                effects.tasks.extend(task_effect(&key, &change));
            } else if change.before != change.after {
                effects.rows.push(Effect { key, before: change.before, after: change.after });
            }
        }
        effects
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.counters.is_empty() && self.tasks.is_empty()
    }
}
