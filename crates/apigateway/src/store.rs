//! What API Gateway keeps. The parts of an API are documents by the names that the API has for them:
//! nothing here computes with most of them, and what does reads them in `engine/compiled.rs`.

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_smithy::Document;
use undercast_store::{Row, Table};

/// Account, region, API id.
pub(crate) type ApiKey = (String, String, String);

pub(crate) const APIS: Table<ApiKey, ApiRow> = Table::new(keyspace::APIGATEWAY, "apis");
/// API id: ids are unique in the whole cloud, since hosts are made of them.
pub(crate) const OWNERS: Table<String, OwnerRow> = Table::new(keyspace::APIGATEWAY, "owners");
/// API id, `route`, `integration`, `authorizer`, `stage` or `deployment`, its id.
pub(crate) const PARTS: Table<(String, String, String), PartRow> =
    Table::new(keyspace::APIGATEWAY, "parts");
/// Account, region, domain name.
pub(crate) const DOMAINS: Table<(String, String, String), KeptRow> =
    Table::new(keyspace::APIGATEWAY, "domains");
/// Domain name: in the whole cloud, one owner.
pub(crate) const HOSTS: Table<String, OwnerRow> = Table::new(keyspace::APIGATEWAY, "hosts");
/// Domain name, id of the mapping.
pub(crate) const MAPPINGS: Table<(String, String), MappingRow> =
    Table::new(keyspace::APIGATEWAY, "mappings");
/// Account, region, id.
pub(crate) const VPC_LINKS: Table<(String, String, String), KeptRow> =
    Table::new(keyspace::APIGATEWAY, "vpc-links");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApiRow {
    pub(crate) document: Document,
    pub(crate) created_ms: i64,
    /// Grows with every change to any part: what is compiled from an older one is stale.
    pub(crate) revision: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OwnerRow {
    pub(crate) account: String,
    pub(crate) region: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PartRow {
    pub(crate) document: Document,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    /// Of a deployment: the routes and integrations as they stood.
    pub(crate) snapshot: Option<Snapshot>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) routes: Vec<Document>,
    pub(crate) integrations: Vec<Document>,
    #[serde(default)]
    pub(crate) authorizers: Vec<Document>,
}

/// A domain name or a VPC link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptRow {
    pub(crate) document: Document,
    pub(crate) created_ms: i64,
}

/// Which requests to a domain go to which API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MappingRow {
    pub(crate) id: String,
    pub(crate) api: String,
    pub(crate) stage: String,
    /// The segments that a path begins with; empty for all paths.
    pub(crate) key: String,
}

impl Row for KeptRow {
    const VERSION: u8 = 1;
}

impl Row for MappingRow {
    const VERSION: u8 = 1;
}

impl Row for ApiRow {
    const VERSION: u8 = 1;
}

impl Row for OwnerRow {
    const VERSION: u8 = 1;
}

impl Row for PartRow {
    const VERSION: u8 = 1;
}
