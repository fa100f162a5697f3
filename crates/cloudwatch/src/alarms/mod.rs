//! Alarms: what is kept of them, and what happens when one changes its state.
//!
//! Read first: `judge.rs` (how a state follows from data), `evaluate.rs` (when it is looked at), `act.rs` (what is
//! done then). A composite alarm follows the states of others by its rule (`rule.rs`).

pub(crate) mod act;
pub(crate) mod evaluate;
pub(crate) mod judge;
pub(crate) mod rule;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use undercast_kernel::{Arn, ServiceError};
use undercast_smithy::document::from_document;
use undercast_smithy::{Shape, Timestamp};
use undercast_store::{NewTask, Tx};

use crate::api::cloudwatch::shapes::{CompositeAlarm, MetricAlarm};
use crate::limits::HISTORY_MS;
use crate::store::{ALARMS, AlarmKey, HISTORY};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AlarmRow {
    /// Unique for ever: what was begun for an earlier alarm of the same name knows that it is gone.
    pub(crate) number: u64,
    pub(crate) is_composite: bool,
    /// What it was put with, as JSON.
    pub(crate) settings: String,
    pub(crate) actions_enabled: bool,
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) reason_data: Option<String>,
    pub(crate) updated_ms: i64,
    pub(crate) transitioned_ms: i64,
    pub(crate) configured_ms: i64,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HistoryRow {
    pub(crate) is_composite: bool,
    pub(crate) kind: String,
    pub(crate) summary: String,
    pub(crate) data: String,
}

pub(crate) const OK: &str = "OK";
pub(crate) const ALARM: &str = "ALARM";
pub(crate) const INSUFFICIENT: &str = "INSUFFICIENT_DATA";

/// A state and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) value: String,
    pub(crate) reason: String,
    pub(crate) data: Option<String>,
}

pub(crate) fn arn(key: &AlarmKey) -> String {
    Arn::new("cloudwatch", &key.1, &key.0, format!("alarm:{}", key.2)).to_string()
}

/// The name in an alarm's ARN, or the text itself.
pub(crate) fn name_of(text: &str) -> &str {
    text.split_once(":alarm:").map_or(text, |(_, name)| name)
}

impl AlarmRow {
    pub(crate) fn new(tx: &Tx, is_composite: bool, settings: &Value) -> Self {
        let now = tx.now_ms();
        Self {
            number: tx.ids().u64(),
            is_composite,
            settings: settings.to_string(),
            actions_enabled: settings.get("ActionsEnabled") != Some(&Value::Bool(false)),
            state: INSUFFICIENT.to_owned(),
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: None,
            updated_ms: now,
            transitioned_ms: now,
            configured_ms: now,
            tags: BTreeMap::new(),
        }
    }

    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.settings).unwrap_or(Value::Null)
    }

    /// What it was put with, as one of the shapes that show it: they have the same members.
    fn shape<T: Shape>(&self) -> Result<T, ServiceError> {
        from_document(&self.document()).map_err(ServiceError::internal)
    }

    pub(crate) fn metric(&self, key: &AlarmKey) -> Result<MetricAlarm, ServiceError> {
        Ok(MetricAlarm {
            alarm_arn: Some(arn(key)),
            actions_enabled: Some(self.actions_enabled),
            state_value: Some(self.state.clone()),
            state_reason: Some(self.reason.clone()),
            state_reason_data: self.reason_data.clone(),
            state_updated_timestamp: Some(Timestamp::from_millis(self.updated_ms)),
            state_transitioned_timestamp: Some(Timestamp::from_millis(self.transitioned_ms)),
            alarm_configuration_updated_timestamp: Some(Timestamp::from_millis(self.configured_ms)),
            ..self.shape()?
        })
    }

    pub(crate) fn composite(&self, key: &AlarmKey) -> Result<CompositeAlarm, ServiceError> {
        Ok(CompositeAlarm {
            alarm_arn: Some(arn(key)),
            actions_enabled: Some(self.actions_enabled),
            state_value: Some(self.state.clone()),
            state_reason: Some(self.reason.clone()),
            state_reason_data: self.reason_data.clone(),
            state_updated_timestamp: Some(Timestamp::from_millis(self.updated_ms)),
            state_transitioned_timestamp: Some(Timestamp::from_millis(self.transitioned_ms)),
            alarm_configuration_updated_timestamp: Some(Timestamp::from_millis(self.configured_ms)),
            ..self.shape()?
        })
    }

    /// The actions of a state.
    pub(crate) fn actions(&self, state: &str) -> Vec<String> {
        let member = match state {
            OK => "OKActions",
            ALARM => "AlarmActions",
            _ => "InsufficientDataActions",
        };
        let document = self.document();
        let all = document.get(member).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn shown_state(&self) -> Value {
        json!({
            "stateValue": self.state,
            "stateReason": self.reason,
            "stateReasonData": self.reason_data.as_deref().map(as_json),
        })
    }
}

fn as_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// Notes something in the history of an alarm, and forgets what is too old.
pub(crate) async fn remember(
    tx: &Tx,
    key: &AlarmKey,
    is_composite: bool,
    kind: &str,
    summary: String,
    data: &Value,
) -> Result<(), ServiceError> {
    let place = (key.0.clone(), key.1.clone(), key.2.clone(), tx.now_ms(), tx.ids().u64());
    let row = HistoryRow { is_composite, kind: kind.to_owned(), summary, data: data.to_string() };
    HISTORY.put(tx, &place, &row)?;
    forget(tx, key).await.map(drop)
}

/// Whether there is nothing more that is too old.
pub(crate) async fn forget(tx: &Tx, key: &AlarmKey) -> Result<bool, ServiceError> {
    const AT_ONCE: usize = 20;
    let before = (key.0.clone(), key.1.clone(), key.2.clone(), tx.now_ms() - HISTORY_MS);
    let range = HISTORY.prefix(key).before_key(HISTORY.key(&before));
    let old = HISTORY.scan(tx, range, AT_ONCE, false).await?;
    for (place, _) in &old {
        HISTORY.delete(tx, place)?;
    }
    Ok(old.len() < AT_ONCE)
}

/// Gives an alarm another state: history, actions, and composite alarms that look at it, all in one transaction.
pub(crate) async fn change_state(
    tx: &Tx,
    key: &AlarmKey,
    mut row: AlarmRow,
    state: State,
) -> Result<(), ServiceError> {
    let now = tx.now_ms();
    let before = row.clone();
    let has_changed = row.state != state.value;
    row.state = state.value;
    row.reason = state.reason;
    row.reason_data = state.data;
    row.updated_ms = now;
    if !has_changed {
        return Ok(ALARMS.put(tx, key, &row)?);
    }
    row.transitioned_ms = now;
    ALARMS.put(tx, key, &row)?;
    let summary = format!("Alarm updated from {} to {}", before.state, row.state);
    let data = json!({
        "version": "1.0", "oldState": before.shown_state(), "newState": row.shown_state(),
    });
    remember(tx, key, row.is_composite, "StateUpdate", summary, &data).await?;
    if row.actions_enabled {
        for action in row.actions(&row.state) {
            act::spawn(tx, key, &before, &row, action)?;
        }
    }
    evaluate::spawn_composites(tx, key)
}

/// A task of an alarm, or of all alarms of an account and region.
fn spawn(
    tx: &Tx,
    kind: &'static str,
    key: Vec<u8>,
    due_ms: i64,
    payload: &Value,
) -> Result<(), ServiceError> {
    let payload = payload.to_string().into_bytes().into();
    tx.spawn(NewTask { kind, key, due_ms, payload })?;
    Ok(())
}

fn text_key(key: &AlarmKey) -> Vec<u8> {
    json!(key).to_string().into_bytes()
}
