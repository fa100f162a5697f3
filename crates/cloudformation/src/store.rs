//! What CloudFormation keeps: stacks, their resources, events, change sets, templates, exports.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use undercast_kernel::{Context, Principal, keyspace};
use undercast_smithy::Document;
use undercast_store::{Row, Table, Tx};

use crate::readback::Difference;

/// Account, region, stack uuid.
pub type StackKey = (String, String, String);

pub const STACKS: Table<StackKey, StackRow> = Table::new(keyspace::CLOUDFORMATION, "stacks");
/// Account, region, name → uuid of the stack that has the name now.
pub const NAMES: Table<StackKey, NameRow> = Table::new(keyspace::CLOUDFORMATION, "names");
/// … logical id.
pub const RESOURCES: Table<(String, String, String, String), ResourceRow> =
    Table::new(keyspace::CLOUDFORMATION, "resources");
/// … time and a number that orders what happened in the same millisecond.
pub const EVENTS: Table<(String, String, String, i64, u64), EventRow> =
    Table::new(keyspace::CLOUDFORMATION, "events");
/// … change set uuid.
pub const CHANGE_SETS: Table<(String, String, String, String), ChangeSetRow> =
    Table::new(keyspace::CLOUDFORMATION, "changesets");
/// Account, region, SHA-256 of the text.
pub const TEMPLATES: Table<StackKey, TemplateRow> =
    Table::new(keyspace::CLOUDFORMATION, "templates");
/// … what is still to be deleted when an update is done: stack uuid, logical id, generation.
pub const OBSOLETE: Table<(String, String, String, String, u32), ObsoleteRow> =
    Table::new(keyspace::CLOUDFORMATION, "obsolete");
/// Account, region, export name.
pub const EXPORTS: Table<StackKey, ExportRow> = Table::new(keyspace::CLOUDFORMATION, "exports");
/// Account, region, export name, uuid of the importing stack.
pub const IMPORTS: Table<(String, String, String, String), ImportRow> =
    Table::new(keyspace::CLOUDFORMATION, "imports");
/// Token of a waiting custom resource.
pub const RESPONSES: Table<String, ResponseRow> = Table::new(keyspace::CLOUDFORMATION, "responses");

/// … what is signalled: a handle (`{logical id}.{generation}`).
pub const HANDLES: Table<(String, String, String, String), HandleRow> =
    Table::new(keyspace::CLOUDFORMATION, "handles");
/// … a handle or a logical id, unique id of the signal.
pub const SIGNALS: Table<(String, String, String, String, String), SignalRow> =
    Table::new(keyspace::CLOUDFORMATION, "signals");
/// … logical id of what waits.
pub const WAITS: Table<(String, String, String, String), WaitRow> =
    Table::new(keyspace::CLOUDFORMATION, "waits");

/// Account, region, id of a drift detection.
pub const DETECTIONS: Table<StackKey, DetectionRow> =
    Table::new(keyspace::CLOUDFORMATION, "detections");
/// … logical id: how the resource was seen last.
pub const DRIFTS: Table<(String, String, String, String), DriftRow> =
    Table::new(keyspace::CLOUDFORMATION, "drifts");
/// Account, region, name of a macro.
pub const MACROS: Table<StackKey, MacroRow> = Table::new(keyspace::CLOUDFORMATION, "macros");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StackRow {
    pub id: String,
    pub name: String,
    pub uuid: String,
    pub status: String,
    pub reason: Option<String>,
    pub created_ms: i64,
    pub updated_ms: Option<i64>,
    pub deleted_ms: Option<i64>,
    pub description: Option<String>,
    pub termination_protection: bool,
    pub disable_rollback: bool,
    pub timeout_minutes: Option<i32>,
    /// What is deployed; `None` while the first change set is under review.
    pub current: Option<Definition>,
    pub outputs: Vec<OutputRow>,
    pub operation: Option<OperationRow>,
    /// The role that the last operation was given: the next one goes on with it.
    #[serde(default)]
    pub role_arn: Option<String>,
    pub change_set_id: Option<String>,
    /// The stack that this one is a resource of.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// The stack at the top.
    #[serde(default)]
    pub root_id: Option<String>,
    /// The last drift detection.
    #[serde(default)]
    pub drift: Option<DetectionRow>,
    /// Which resources updates may change.
    #[serde(default)]
    pub policy: Option<String>,
}

/// What a stack is made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// The hash under which the text is kept.
    pub template: String,
    /// The same of the text as it was given, if transforms made another of it.
    #[serde(default)]
    pub original: Option<String>,
    /// As given, or defaulted; values of SSM types are names.
    pub parameters: BTreeMap<String, String>,
    /// The values behind the names of SSM parameters.
    pub resolved: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub capabilities: Vec<String>,
    pub role_arn: Option<String>,
    pub notification_arns: Vec<String>,
}

/// Work in progress on a stack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OperationRow {
    /// Unique for each operation: rows that carry it were touched by it.
    pub token: String,
    pub kind: OperationKind,
    pub phase: Phase,
    pub target: Definition,
    pub client_token: Option<String>,
    /// `ROLLBACK`, `DELETE` or `DO_NOTHING`.
    pub on_failure: String,
    pub retain: Vec<String>,
    pub reason: Option<String>,
    /// In whose name resources are made where no role is given.
    #[serde(default)]
    pub caller: CallerRow,
    /// The task of the parent works on it, and its update waits before the cleanup until the parent knows
    /// whether it stays.
    #[serde(default)]
    pub by_parent: bool,
    /// The stack policy that holds for this operation.
    #[serde(default)]
    pub policy: Option<String>,
    /// What it takes in instead of making it: physical ids by logical ids.
    #[serde(default)]
    pub imports: BTreeMap<String, String>,
    #[serde(default)]
    pub imports_only: bool,
    /// It brings a stack back that an update left half-way.
    #[serde(default)]
    pub goes_back: bool,
    /// Why the operation is to be given up, where somebody said so.
    #[serde(default)]
    pub cancelled: Option<String>,
    /// When it is given up by itself.
    #[serde(default)]
    pub deadline_ms: Option<i64>,
    /// How such an update found the stack.
    #[serde(default)]
    pub before: Option<SettledRow>,
}

impl OperationRow {
    /// The beginning of an operation, asked for by `ctx`.
    pub fn new(tx: &Tx, ctx: &Context, kind: OperationKind, target: Definition) -> Self {
        Self {
            token: tx.ids().uuid(),
            kind,
            phase: if kind == OperationKind::Delete { Phase::Delete } else { Phase::Forward },
            target,
            client_token: None,
            on_failure: "ROLLBACK".to_owned(),
            retain: Vec::new(),
            reason: None,
            caller: CallerRow::of(ctx.principal()),
            by_parent: false,
            policy: None,
            imports: BTreeMap::new(),
            imports_only: false,
            goes_back: false,
            cancelled: None,
            deadline_ms: None,
            before: None,
        }
    }

    /// An operation that does nothing but taking resources in.
    pub fn is_import(&self) -> bool {
        self.imports_only
    }

    /// Why the operation is to be given up now.
    pub fn given_up(&self, now_ms: i64) -> Option<String> {
        let late = self.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms);
        let timeout =
            late.then(|| "Stack creation time exceeded the specified timeout.".to_owned());
        self.cancelled.clone().or(timeout).filter(|_| self.phase == Phase::Forward)
    }

    /// An update that is made and waits for the parent.
    pub fn is_held(&self) -> bool {
        self.by_parent && self.kind == OperationKind::Update && self.phase == Phase::Cleanup
    }
}

/// What a successful operation leaves on a stack beside its resources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SettledRow {
    pub current: Option<Definition>,
    pub outputs: Vec<OutputRow>,
    pub imports: BTreeSet<String>,
}

/// Who asked for an operation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum CallerRow {
    /// The account, or the cloud itself: nothing is denied to them.
    #[default]
    Account,
    User {
        name: String,
        id: String,
    },
    Role {
        name: String,
        id: String,
        session: String,
    },
    Anonymous,
}

impl CallerRow {
    pub fn of(principal: &Principal) -> Self {
        match principal.clone() {
            Principal::Root { .. } | Principal::Service { .. } => Self::Account,
            Principal::User { name, id, .. } => Self::User { name, id },
            Principal::Role { name, id, session, .. } => Self::Role { name, id, session },
            Principal::Anonymous => Self::Anonymous,
        }
    }

    /// The principal, unless it may do everything anyway.
    pub fn principal(&self, account: &str) -> Option<Principal> {
        let account = account.to_owned();
        match self.clone() {
            Self::Account => None,
            Self::User { name, id } => Some(Principal::User { account, name, id }),
            Self::Role { name, id, session } => {
                Some(Principal::Role { account, name, id, session })
            }
            Self::Anonymous => Some(Principal::Anonymous),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationKind {
    Create,
    Update,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Forward,
    Cleanup,
    RollBack,
    RollBackCleanup,
    Delete,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NameRow {
    pub uuid: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputRow {
    pub key: String,
    pub value: String,
    pub description: Option<String>,
    pub export: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResourceRow {
    pub logical_id: String,
    pub kind: String,
    pub physical_id: String,
    pub status: String,
    pub reason: Option<String>,
    pub properties: Document,
    pub attributes: BTreeMap<String, Document>,
    pub generation: u32,
    pub depends_on: Vec<String>,
    pub deletion_policy: String,
    pub update_replace_policy: String,
    pub metadata: Option<String>,
    #[serde(default)]
    pub update_policy: Option<String>,
    pub updated_ms: i64,
    /// The operation that touched the resource last.
    pub operation: String,
    pub attempt: u32,
    /// How the resource stood before that operation; `None` if the operation made it.
    pub before: Option<BeforeRow>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BeforeRow {
    pub kind: String,
    pub physical_id: String,
    pub properties: Document,
    pub attributes: BTreeMap<String, Document>,
    pub generation: u32,
    pub depends_on: Vec<String>,
    pub deletion_policy: String,
    pub update_replace_policy: String,
    #[serde(default)]
    pub metadata: Option<String>,
    #[serde(default)]
    pub update_policy: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ObsoleteRow {
    pub logical_id: String,
    pub kind: String,
    pub physical_id: String,
    pub properties: Document,
    pub generation: u32,
    pub retain: bool,
    /// The operation that made it so.
    pub operation: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventRow {
    pub id: String,
    pub logical_id: String,
    pub physical_id: String,
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub properties: Option<String>,
    pub time_ms: i64,
    pub client_token: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangeSetRow {
    pub id: String,
    pub name: String,
    pub uuid: String,
    /// `CREATE`, `UPDATE` or `IMPORT`.
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub execution_status: String,
    pub description: Option<String>,
    pub created_ms: i64,
    pub definition: Definition,
    pub changes: Vec<ChangeRow>,
    pub on_failure: Option<String>,
    pub include_nested: bool,
    /// What an import takes in: physical ids by logical ids.
    #[serde(default)]
    pub imports: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// `Add`, `Modify`, `Remove` or `Import`.
    pub action: String,
    pub logical_id: String,
    pub physical_id: Option<String>,
    pub kind: String,
    /// `True`, `False` or `Conditional`; only of `Modify`.
    pub replacement: Option<String>,
    /// The properties that differ, with whether each recreates the resource.
    pub properties: Vec<(String, String)>,
    /// All properties before and after, as far as they are known.
    #[serde(default)]
    pub before: Option<Document>,
    #[serde(default)]
    pub after: Option<Document>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TemplateRow {
    pub text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportRow {
    pub value: String,
    pub stack_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportRow {
    pub stack_name: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ResponseRow {
    /// The JSON that the custom resource's function sent; `None` while it is awaited.
    pub body: Option<String>,
}

/// The address of a wait condition's handle has a secret in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HandleRow {
    pub token: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SignalRow {
    pub unique_id: String,
    pub success: bool,
    pub reason: String,
    pub data: String,
}

/// What came of a drift detection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DetectionRow {
    pub id: String,
    pub stack_id: String,
    /// `DRIFTED` or `IN_SYNC`.
    pub status: String,
    pub drifted: i32,
    pub time_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DriftRow {
    /// `IN_SYNC`, `MODIFIED` or `DELETED`.
    pub status: String,
    pub logical_id: String,
    pub physical_id: String,
    pub kind: String,
    pub expected: String,
    pub actual: Option<String>,
    pub(crate) differences: Vec<Difference>,
    pub time_ms: i64,
}

/// A macro: the ARN of its function, and the stack that it is a resource of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MacroRow {
    pub function: String,
    pub stack_id: String,
}

/// Until when a resource waits for signals.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaitRow {
    pub deadline_ms: i64,
}

macro_rules! rows {
    ($($row:ty),* $(,)?) => {
        $(impl Row for $row {
            const VERSION: u8 = 1;
        })*
    };
}

rows!(
    StackRow,
    NameRow,
    ResourceRow,
    EventRow,
    ChangeSetRow,
    TemplateRow,
    ObsoleteRow,
    ExportRow,
    ImportRow,
    ResponseRow,
    HandleRow,
    SignalRow,
    WaitRow,
    MacroRow,
    DetectionRow,
    DriftRow,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_given_up_by_hand_and_by_time_while_it_goes_forward() {
        let mut operation = OperationRow {
            token: String::new(),
            kind: OperationKind::Create,
            phase: Phase::Forward,
            target: Definition::default(),
            client_token: None,
            on_failure: "ROLLBACK".to_owned(),
            retain: Vec::new(),
            reason: None,
            caller: CallerRow::Account,
            by_parent: false,
            policy: None,
            imports: BTreeMap::new(),
            imports_only: false,
            goes_back: false,
            cancelled: None,
            deadline_ms: Some(100),
            before: None,
        };
        assert_eq!(operation.given_up(99), None);
        assert!(operation.given_up(100).unwrap().contains("exceeded the specified timeout"));
        operation.cancelled = Some("User Initiated".to_owned());
        assert_eq!(operation.given_up(0).unwrap(), "User Initiated");
        operation.phase = Phase::Cleanup;
        assert_eq!(operation.given_up(100), None);
    }
}
