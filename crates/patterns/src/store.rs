//! What the release service keeps, beside the books of runs ([`crate::ledger`]).

use serde::{Deserialize, Serialize};
use undercast_kernel::{OutsideRule, keyspace};
use undercast_store::{Row, Table};

use crate::compare::Rules;
use crate::gate::Stats;
use crate::ladder::{self, Action, Plan};
use crate::ledger::Summary;

/// Account, region, name.
pub(crate) type RunKey = (String, String, String);

pub(crate) const RUNS: Table<RunKey, RunRow> = Table::new(keyspace::PATTERNS, "runs");
/// Account, region, a target as text: the name of the one run that watches it.
pub(crate) const WATCHED: Table<RunKey, String> = Table::new(keyspace::PATTERNS, "watched");
/// The id of a run, when it was recorded, a number: recorded traffic, oldest first.
pub(crate) const RECORDED: Table<(String, u64, u64), RecordedRow> =
    Table::new(keyspace::PATTERNS, "recorded");

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RunState {
    Running,
    Paused,
    Stopped,
}

impl RunState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            RunState::Running => "RUNNING",
            RunState::Paused => "PAUSED",
            RunState::Stopped => "STOPPED",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunRow {
    /// Of the book: another one for a run that is started anew under the same name.
    pub(crate) id: String,
    pub(crate) state: RunState,
    pub(crate) reason: String,
    pub(crate) target: TargetRow,
    pub(crate) candidate: CandidateRow,
    pub(crate) share: f64,
    pub(crate) rules: Rules,
    pub(crate) limits: LimitsRow,
    pub(crate) outside: Vec<OutsideRule>,
    pub(crate) recording: Option<RecordingRow>,
    pub(crate) accept_leaks: bool,
    pub(crate) client_token: Option<String>,
    pub(crate) created_ms: i64,
    pub(crate) changed_ms: i64,
    pub(crate) revision: u64,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum TargetRow {
    /// ARN without a qualifier, alias.
    Alias {
        function: String,
        alias: String,
    },
    /// All routes of a stage, or one.
    Stage {
        api: String,
        stage: String,
        route: Option<String>,
    },
    Mapping {
        uuid: String,
    },
}

impl TargetRow {
    /// The key of the guard that keeps a second run from watching the same.
    pub(crate) fn guard(&self, key: &RunKey) -> RunKey {
        let text = match self {
            TargetRow::Alias { function, alias } => format!("{function}:{alias}"),
            TargetRow::Stage { api, stage, route } => {
                format!("{api}/{stage}/{}", route.as_deref().unwrap_or("*"))
            }
            TargetRow::Mapping { uuid } => uuid.clone(),
        };
        (key.0.clone(), key.1.clone(), text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CandidateRow {
    /// ARN with a qualifier, where there is one.
    Function {
        arn: String,
    },
    Api {
        api: String,
        stage: String,
    },
    Url {
        url: String,
        is_safe: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LimitsRow {
    pub(crate) budget_ms: u64,
    pub(crate) concurrency: usize,
    pub(crate) waiting_max: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordingRow {
    pub(crate) pairs_max: u64,
    pub(crate) hours: u64,
}

/// The id of a run, the id of a pair: passages that samples of differences name.
pub(crate) const PASSAGES: Table<(String, String), RecordedRow> =
    Table::new(keyspace::PATTERNS, "passages");
/// The id of a run: hosts outside that its candidates wanted to reach and could not.
pub(crate) const REFUSED: Table<(String,), RefusedRow> = Table::new(keyspace::PATTERNS, "refused");

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RefusedRow {
    pub(crate) hosts: std::collections::BTreeSet<String>,
}

/// One recorded passage: what is needed to run it again and to compare.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RecordedRow {
    pub(crate) passage: serde_bytes::ByteBuf,
}

pub(crate) const RELEASES: Table<RunKey, ReleaseRow> = Table::new(keyspace::PATTERNS, "releases");
/// Account, region, function and alias: the release that moves the alias.
pub(crate) const MOVING: Table<RunKey, String> = Table::new(keyspace::PATTERNS, "moving");
/// The id of a release: what was counted since its step began, in the light.
pub(crate) const SERVED: Table<(String,), ServedRow> = Table::new(keyspace::PATTERNS, "served");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReleaseRow {
    pub(crate) id: String,
    /// Name of the function, without an ARN.
    pub(crate) function: String,
    pub(crate) alias: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) plan: Plan,
    pub(crate) state: ladder::State,
    /// Decided, and perhaps not done yet: after a crash they are done again.
    pub(crate) pending: Vec<Action>,
    /// What the book of the dark run said when the step began.
    pub(crate) base: Summary,
    pub(crate) reports: Vec<ReportRow>,
    pub(crate) rules: Rules,
    pub(crate) limits: LimitsRow,
    pub(crate) outside: Vec<OutsideRule>,
    pub(crate) accept_leaks: bool,
    pub(crate) client_token: Option<String>,
    pub(crate) created_ms: i64,
    pub(crate) changed_ms: i64,
}

/// Account, region, name: what a ladder of a template owns.
pub(crate) const LADDERS: Table<RunKey, LadderRow> = Table::new(keyspace::PATTERNS, "ladders");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LadderRow {
    /// Name of the function, without an ARN.
    pub(crate) function: String,
    pub(crate) alias: String,
    /// The alias was not there before the ladder.
    pub(crate) made_alias: bool,
}

/// One step, as it went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReportRow {
    pub(crate) step: usize,
    pub(crate) began_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    pub(crate) outcome: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServedRow {
    pub(crate) since_ms: i64,
    pub(crate) stats: Stats,
}

impl Row for ReleaseRow {
    const VERSION: u8 = 1;
}
impl Row for LadderRow {
    const VERSION: u8 = 1;
}
impl Row for ServedRow {
    const VERSION: u8 = 1;
}
impl Row for RunRow {
    const VERSION: u8 = 1;
}
impl Row for RefusedRow {
    const VERSION: u8 = 1;
}
impl Row for RecordedRow {
    const VERSION: u8 = 1;
}
