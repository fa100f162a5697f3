//! What Lambda keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::vault::{Sealed, Vault};
use undercast_kernel::{ServiceError, keyspace};
use undercast_store::{BlobId, Ids, Row, Table};

/// Account, region, name.
pub(crate) type FunctionKey = (String, String, String);
/// Account, region, name of the layer, number.
pub(crate) type LayerVersionKey = (String, String, String, u64);
/// Account, region, name, qualifier: the name of an alias, a version, or nothing.
pub(crate) type QualifiedKey = (String, String, String, String);

pub(crate) const FUNCTIONS: Table<FunctionKey, FunctionRow> = Table::new(keyspace::LAMBDA, "fn");
/// Account, region, name, number: published versions.
pub(crate) const VERSIONS: Table<(String, String, String, u64), ConfigRow> =
    Table::new(keyspace::LAMBDA, "versions");
pub(crate) const ALIASES: Table<QualifiedKey, AliasRow> = Table::new(keyspace::LAMBDA, "aliases");
pub(crate) const POLICIES: Table<QualifiedKey, PolicyRow> =
    Table::new(keyspace::LAMBDA, "policies");
/// How asynchronous invocations of a function, version or alias are treated.
pub(crate) const INVOKE_CONFIGS: Table<QualifiedKey, InvokeConfigRow> =
    Table::new(keyspace::LAMBDA, "invoke");
/// Account, region, UUID.
pub(crate) const MAPPINGS: Table<(String, String, String), MappingRow> =
    Table::new(keyspace::LAMBDA, "mappings");
/// Account, region, ARN of the source, ARN of the function: the UUID of the one mapping between them.
pub(crate) const MAPPED: Table<(String, String, String, String), String> =
    Table::new(keyspace::LAMBDA, "mapped");
/// UUID of a mapping, shard, lane: how far a log has been worked off.
pub(crate) const CHECKPOINTS: Table<(String, String, u32), CheckpointRow> =
    Table::new(keyspace::LAMBDA, "checkpoints");
/// UUID of a mapping: which node reads its log, where several share the store.
pub(crate) const LEASES: Table<(String,), LeaseRow> = Table::new(keyspace::LAMBDA, "leases");
/// UUID of a mapping: `LastProcessingResult`.
pub(crate) const RESULTS: Table<(String,), String> = Table::new(keyspace::LAMBDA, "results");
/// Account, region, name.
pub(crate) const LAYERS: Table<FunctionKey, LayerRow> = Table::new(keyspace::LAMBDA, "layers");
/// Account, region, name, number.
pub(crate) const LAYER_VERSIONS: Table<LayerVersionKey, LayerVersionRow> =
    Table::new(keyspace::LAMBDA, "layer-versions");
/// Addresses of functions and aliases.
pub(crate) const URLS: Table<QualifiedKey, UrlRow> = Table::new(keyspace::LAMBDA, "urls");
/// The id in an address: whose it is. All accounts and regions share these ids.
pub(crate) const URL_IDS: Table<(String,), UrlOwnerRow> = Table::new(keyspace::LAMBDA, "url-ids");
/// The key that signs the addresses of code.
pub(crate) const SECRETS: Table<(String,), SecretRow> = Table::new(keyspace::LAMBDA, "secrets");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FunctionRow {
    pub(crate) created_ms: i64,
    pub(crate) tags: BTreeMap<String, String>,
    /// Reserved concurrent executions.
    pub(crate) reserved: Option<u32>,
    /// The number that the next published version gets.
    pub(crate) next_version: u64,
    /// `$LATEST`.
    pub(crate) latest: ConfigRow,
}

/// The configuration of one version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ConfigRow {
    /// Changes with everything that a running instance would notice, and only with that.
    pub(crate) build: String,
    pub(crate) revision: String,
    pub(crate) modified_ms: i64,
    pub(crate) code: CodeRow,
    pub(crate) settings: SettingsRow,
}

impl ConfigRow {
    /// Everything that is unpacked for it.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &CodeRow> {
        std::iter::once(&self.code).chain(self.settings.layers.iter().map(|layer| &layer.code))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CodeRow {
    pub(crate) blob: BlobId,
    /// Of the archive, in base64.
    pub(crate) sha256: String,
    /// Of what is in it; unknown where an older version kept it.
    #[serde(default)]
    pub(crate) unzipped: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LayerRow {
    pub(crate) next_version: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LayerVersionRow {
    pub(crate) created_ms: i64,
    pub(crate) description: String,
    pub(crate) license: Option<String>,
    pub(crate) runtimes: Option<Vec<String>>,
    pub(crate) architectures: Option<Vec<String>>,
    pub(crate) code: CodeRow,
    pub(crate) policy: Option<PolicyRow>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UrlOwnerRow {
    pub(crate) key: QualifiedKey,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UrlRow {
    pub(crate) id: String,
    /// `AWS_IAM`; else anybody may call.
    pub(crate) is_signed: bool,
    /// `RESPONSE_STREAM`.
    pub(crate) streams: bool,
    pub(crate) cors: Option<CorsRow>,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CorsRow {
    pub(crate) credentials: Option<bool>,
    pub(crate) headers: Option<Vec<String>>,
    pub(crate) methods: Option<Vec<String>>,
    pub(crate) origins: Option<Vec<String>>,
    pub(crate) exposed: Option<Vec<String>>,
    pub(crate) max_age_s: Option<i32>,
}

/// A layer of a function. It has all that it needs to run: a layer that was deleted goes on here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct UsedLayerRow {
    pub(crate) arn: String,
    pub(crate) code: CodeRow,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct SettingsRow {
    pub(crate) runtime: String,
    pub(crate) handler: String,
    pub(crate) role: String,
    pub(crate) description: String,
    pub(crate) timeout_s: u32,
    pub(crate) memory_mb: u32,
    pub(crate) tmp_mb: u32,
    pub(crate) architecture: String,
    /// None if nobody ever set any.
    pub(crate) environment: Option<EnvironmentRow>,
    pub(crate) dead_letter: Option<String>,
    pub(crate) kms_key: Option<String>,
    pub(crate) tracing: String,
    pub(crate) snap_start: String,
    pub(crate) logging: LoggingRow,
    pub(crate) vpc: Option<VpcRow>,
    /// A later one wins.
    #[serde(default)]
    pub(crate) layers: Vec<UsedLayerRow>,
}

/// Environment variables as they are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum EnvironmentRow {
    /// As an older version kept them.
    Plain(BTreeMap<String, String>),
    /// JSON, sealed for the function.
    Sealed(Sealed),
}

impl EnvironmentRow {
    pub(crate) fn seal(
        vault: &Vault,
        ids: &dyn Ids,
        function: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, ServiceError> {
        let text = serde_json::to_string(variables).map_err(ServiceError::internal)?;
        Ok(Self::Sealed(vault.seal(ids, &sealed_for(function), &text)?))
    }

    pub(crate) fn open(
        &self,
        vault: &Vault,
        function: &str,
    ) -> Result<BTreeMap<String, String>, ServiceError> {
        match self {
            Self::Plain(variables) => Ok(variables.clone()),
            Self::Sealed(sealed) => {
                let text = vault.open(&sealed_for(function), sealed)?;
                serde_json::from_str(&text).map_err(ServiceError::internal)
            }
        }
    }
}

fn sealed_for(function: &str) -> String {
    format!("lambda environment of {function}")
}

impl PartialEq for EnvironmentRow {
    /// What is sealed anew is something else, whatever is in it.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Sealed(Sealed::Plain(one)), Self::Sealed(Sealed::Plain(other))) => one == other,
            (Self::Sealed(Sealed::Sealed(one)), Self::Sealed(Sealed::Sealed(other))) => {
                one == other
            }
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct LoggingRow {
    pub(crate) format: String,
    pub(crate) application_level: Option<String>,
    pub(crate) system_level: Option<String>,
    pub(crate) group: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct VpcRow {
    pub(crate) subnets: Vec<String>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) ipv6: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AliasRow {
    pub(crate) revision: String,
    /// `$LATEST` or a number.
    pub(crate) version: String,
    pub(crate) description: String,
    /// A second version and the share of invocations that it gets.
    pub(crate) weights: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PolicyRow {
    pub(crate) revision: String,
    /// JSON, in the order in which they were added.
    pub(crate) statements: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct InvokeConfigRow {
    pub(crate) modified_ms: i64,
    pub(crate) retries: Option<u32>,
    pub(crate) age_s: Option<u32>,
    pub(crate) on_success: Option<String>,
    pub(crate) on_failure: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MappingRow {
    pub(crate) source: String,
    /// ARN, with the qualifier that was given.
    pub(crate) function: String,
    pub(crate) enabled: bool,
    pub(crate) batch_size: u32,
    pub(crate) window_s: u32,
    /// Patterns as they were given.
    pub(crate) filters: Vec<String>,
    /// `ReportBatchItemFailures`.
    pub(crate) partial: bool,
    pub(crate) concurrency_max: Option<u32>,
    pub(crate) modified_ms: i64,
    pub(crate) tags: BTreeMap<String, String>,
    /// Where the source is a log in shards.
    #[serde(default)]
    pub(crate) stream: Option<StreamMappingRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamMappingRow {
    /// `LATEST` or `TRIM_HORIZON`.
    pub(crate) start: String,
    /// How many batches of a shard are worked at a time.
    pub(crate) factor: u32,
    pub(crate) bisect: bool,
    /// None: for ever.
    pub(crate) retries_max: Option<u32>,
    pub(crate) age_s_max: Option<u32>,
    pub(crate) tumbling_s: u32,
    pub(crate) on_failure: Option<String>,
}

impl Default for StreamMappingRow {
    fn default() -> Self {
        Self {
            start: String::new(),
            factor: 1,
            bisect: false,
            retries_max: None,
            age_s_max: None,
            tumbling_s: 0,
            on_failure: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckpointRow {
    /// The first record that has not been dealt with.
    pub(crate) position: u64,
    /// The tumbling window that has begun.
    #[serde(default)]
    pub(crate) window: Option<WindowRow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct LeaseRow {
    pub(crate) node: u64,
    /// Another one each time that it is taken.
    pub(crate) holder: u64,
    pub(crate) beat: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowRow {
    pub(crate) start_ms: i64,
    /// What the function made of the records so far: JSON.
    pub(crate) state: String,
}

impl MappingRow {
    /// Whether the source keeps the order of its messages.
    pub(crate) fn is_fifo(&self) -> bool {
        self.source.ends_with(".fifo")
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SecretRow {
    pub(crate) key: String,
}

macro_rules! rows {
    ($($row:ty),* $(,)?) => {
        $(impl Row for $row {
            const VERSION: u8 = 1;
        })*
    };
}

rows!(
    UrlRow,
    UrlOwnerRow,
    LayerRow,
    LayerVersionRow,
    FunctionRow,
    ConfigRow,
    AliasRow,
    PolicyRow,
    InvokeConfigRow,
    MappingRow,
    CheckpointRow,
    LeaseRow,
    SecretRow,
);

#[cfg(test)]
mod tests {
    use undercast_kernel::Env;

    use super::*;

    #[test]
    fn variables_open_for_their_function_alone() {
        let (vault, ids) = (Vault::new(&[7; 32]), Env::system().ids);
        let variables = BTreeMap::from([("TOKEN".to_owned(), "secret".to_owned())]);
        let row = EnvironmentRow::seal(&vault, &*ids, "f", &variables).unwrap();
        let EnvironmentRow::Sealed(Sealed::Sealed(bytes)) = &row else { panic!("not sealed") };
        assert!(!bytes.windows(6).any(|part| part == b"secret"));
        assert_eq!(row.open(&vault, "f").unwrap(), variables);
        assert!(row.open(&vault, "g").is_err());
        assert!(row.open(&Vault::new(&[8; 32]), "f").is_err());
        assert_eq!(row, row.clone());
        assert_ne!(row, EnvironmentRow::seal(&vault, &*ids, "f", &variables).unwrap());
    }

    #[test]
    fn variables_of_an_older_version_are_read() {
        let row: EnvironmentRow = serde_json::from_str(r#"{"A":"b"}"#).unwrap();
        let variables = row.open(&Vault::default(), "f").unwrap();
        assert_eq!(variables, BTreeMap::from([("A".to_owned(), "b".to_owned())]));
    }
}
