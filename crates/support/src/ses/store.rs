//! What SES keeps: who may send, templates, and what was sent.

use serde::{Deserialize, Serialize};
use undercast_kernel::keyspace;
use undercast_store::{Row, Table};

/// Account, region, and a name of its own.
pub(crate) type Key = (String, String, String);

pub(crate) const IDENTITIES: Table<Key, IdentityRow> = Table::new(keyspace::SES, "identities");
pub(crate) const TEMPLATES: Table<Key, TemplateRow> = Table::new(keyspace::SES, "templates");
/// The mailbox, by message id; ids are in the order of time.
pub(crate) const MESSAGES: Table<Key, MessageRow> = Table::new(keyspace::SES, "messages");
/// When each message of the mailbox was sent: small rows to count.
pub(crate) const SENT: Table<Key, i64> = Table::new(keyspace::SES, "sent");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdentityRow {
    pub(crate) created_ms: i64,
    /// What would stand in the DNS of a domain.
    pub(crate) token: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TemplateRow {
    pub(crate) created_ms: i64,
    pub(crate) subject: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct MessageRow {
    pub(crate) sent_ms: i64,
    pub(crate) source: String,
    pub(crate) to: Vec<String>,
    pub(crate) cc: Vec<String>,
    pub(crate) bcc: Vec<String>,
    pub(crate) reply_to: Vec<String>,
    pub(crate) subject: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    /// As it was given, where the sender made the message.
    pub(crate) raw: Option<String>,
    pub(crate) template: Option<String>,
    pub(crate) template_data: Option<String>,
}

impl Row for IdentityRow {
    const VERSION: u8 = 1;
}

impl Row for TemplateRow {
    const VERSION: u8 = 1;
}

impl Row for MessageRow {
    const VERSION: u8 = 1;
}
