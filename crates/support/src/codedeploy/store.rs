//! What CodeDeploy keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

use super::appspec::AppSpec;
use super::config::Routing;

/// Account, region, name.
pub(crate) type Key = (String, String, String);
/// … application, group.
pub(crate) type GroupKey = (String, String, String, String);

pub(crate) const APPLICATIONS: Table<Key, ApplicationRow> =
    Table::new(keyspace::CODEDEPLOY, "applications");
pub(crate) const GROUPS: Table<GroupKey, GroupRow> = Table::new(keyspace::CODEDEPLOY, "groups");
pub(crate) const CONFIGS: Table<Key, ConfigRow> = Table::new(keyspace::CODEDEPLOY, "configs");
/// Account, region, deployment id.
pub(crate) const DEPLOYMENTS: Table<Key, DeploymentRow> =
    Table::new(keyspace::CODEDEPLOY, "deployments");
/// Account, region, token of a stack's operation: the id of its deployment.
pub(crate) const TOKENS: Table<Key, String> = Table::new(keyspace::CODEDEPLOY, "tokens");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApplicationRow {
    pub(crate) id: String,
    pub(crate) created_ms: i64,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    pub(crate) id: String,
    pub(crate) config: String,
    pub(crate) role: String,
    pub(crate) rollback: Option<RollbackRow>,
    #[serde(default)]
    pub(crate) alarms: AlarmsRow,
    pub(crate) tags: BTreeMap<String, String>,
    /// What runs now.
    pub(crate) active: Option<String>,
    pub(crate) attempted: Option<String>,
    pub(crate) succeeded: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RollbackRow {
    pub(crate) enabled: bool,
    pub(crate) events: Vec<String>,
}

/// CloudWatch alarms that stop a deployment when they go off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AlarmsRow {
    pub(crate) enabled: bool,
    pub(crate) ignores_failures: bool,
    pub(crate) names: Vec<String>,
}

impl AlarmsRow {
    /// Those that are minded.
    pub(crate) fn minded(&self) -> &[String] {
        if self.enabled { &self.names } else { &[] }
    }
}

impl RollbackRow {
    pub(crate) fn wants(&self, event: &str) -> bool {
        self.enabled && self.events.iter().any(|e| e == event)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ConfigRow {
    pub(crate) id: String,
    pub(crate) routing: Routing,
    pub(crate) created_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Created,
    InProgress,
    Succeeded,
    Failed,
    Stopped,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Created => "Created",
            Status::InProgress => "InProgress",
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Stopped => "Stopped",
        }
    }

    pub(crate) fn is_final(self) -> bool {
        !matches!(self, Status::Created | Status::InProgress)
    }
}

/// What has to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Check,
    Before,
    Traffic,
    After,
    /// How it ends is decided; a release that is left over has to go before it is shown.
    TidyUp,
    Over,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeploymentRow {
    pub(crate) application: String,
    pub(crate) group: String,
    pub(crate) config: String,
    pub(crate) routing: Routing,
    pub(crate) spec: AppSpec,
    pub(crate) revision: RevisionRow,
    pub(crate) previous: Option<RevisionRow>,
    pub(crate) status: Status,
    pub(crate) phase: Phase,
    /// The status that it ends with, from `TidyUp` on.
    pub(crate) outcome: Option<Status>,
    /// Another deployment takes this one back when it is over.
    pub(crate) goes_back: bool,
    pub(crate) hook: Option<HookRow>,
    /// Ids of hooks that have reported.
    pub(crate) hooks_done: Vec<String>,
    /// Code and message.
    pub(crate) error: Option<(String, String)>,
    pub(crate) description: Option<String>,
    pub(crate) creator: String,
    pub(crate) rollback: Option<RollbackRow>,
    #[serde(default)]
    pub(crate) alarms: AlarmsRow,
    /// They are not those of the group.
    #[serde(default)]
    pub(crate) has_own_alarms: bool,
    /// In whose name aliases are moved and hooks invoked.
    pub(crate) role: String,
    /// The deployment that this one undoes.
    pub(crate) undoes: Option<String>,
    pub(crate) undone_by: Option<String>,
    pub(crate) created_ms: i64,
    pub(crate) started_ms: Option<i64>,
    pub(crate) completed_ms: Option<i64>,
}

impl DeploymentRow {
    /// Nothing changes how it ends any more.
    pub(crate) fn is_decided(&self) -> bool {
        self.outcome.is_some()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RevisionRow {
    /// `String` or `AppSpecContent`.
    pub(crate) kind: String,
    pub(crate) content: String,
    pub(crate) sha256: String,
}

/// A hook that was asked and has not led on yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HookRow {
    pub(crate) id: String,
    pub(crate) is_invoked: bool,
    pub(crate) deadline_ms: i64,
    pub(crate) succeeded: Option<bool>,
}

impl Row for ApplicationRow {
    const VERSION: u8 = 1;
}
impl Row for GroupRow {
    const VERSION: u8 = 1;
}
impl Row for ConfigRow {
    const VERSION: u8 = 1;
}
impl Row for DeploymentRow {
    const VERSION: u8 = 1;
}
