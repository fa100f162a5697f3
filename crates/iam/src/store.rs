//! What IAM and STS keep.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercast_kernel::{Sealed, keyspace};
use undercast_store::{Error, Row, Table, decode_row};

/// Account, role name.
pub(crate) const ROLES: Table<(String, String), RoleRow> = Table::new(keyspace::IAM, "roles");
/// Account, user name.
pub(crate) const USERS: Table<(String, String), UserRow> = Table::new(keyspace::IAM, "users");
/// Account, policy name.
pub(crate) const POLICIES: Table<(String, String), PolicyRow> =
    Table::new(keyspace::IAM, "policies");
/// Account, policy name, version number.
pub(crate) const VERSIONS: Table<(String, String, u32), VersionRow> =
    Table::new(keyspace::IAM, "versions");
/// Account, `role` or `user`, its name, policy name.
pub(crate) const INLINE: Table<(String, String, String, String), InlineRow> =
    Table::new(keyspace::IAM, "inline");
/// Account, `role` or `user`, its name, policy ARN.
pub(crate) const ATTACHED: Table<(String, String, String, String), AttachedRow> =
    Table::new(keyspace::IAM, "attached");
/// Account, policy ARN, `role` or `user`, its name: who a policy is attached to.
pub(crate) const ATTACHMENTS: Table<(String, String, String, String), AttachedRow> =
    Table::new(keyspace::IAM, "attachments");
/// Access key id.
pub(crate) const KEYS: Table<String, KeyRow> = Table::new(keyspace::STS, "keys");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RoleRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) trust: String,
    pub(crate) description: Option<String>,
    pub(crate) max_session_s: i32,
    pub(crate) boundary: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PolicyRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) description: Option<String>,
    pub(crate) default_version: u32,
    pub(crate) last_version: u32,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    pub(crate) document: String,
    pub(crate) created_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InlineRow {
    pub(crate) document: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AttachedRow {
    pub(crate) name: String,
}

/// An access key of ours: a user's, the root's, or a temporary one of a role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) account: String,
    pub(crate) secret: Sealed,
    pub(crate) owner: Owner,
    pub(crate) active: bool,
    pub(crate) session_token: Option<Sealed>,
    pub(crate) expires_ms: Option<i64>,
    pub(crate) created_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Owner {
    Root,
    User { name: String, id: String },
    Role { name: String, id: String, session: String },
}

macro_rules! rows {
    ($($row:ty),* $(,)?) => {
        $(impl Row for $row {
            const VERSION: u8 = 1;
        })*
    };
}

rows!(RoleRow, UserRow, PolicyRow, VersionRow, InlineRow, AttachedRow);

impl Row for KeyRow {
    const VERSION: u8 = 2;

    /// Version 1 kept secrets as they are, which this one reads, too.
    fn upgrade(_: u8, bytes: &[u8]) -> Result<Self, Error> {
        decode_row(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_version_1_is_read() {
        #[derive(Serialize)]
        struct Version1 {
            account: String,
            secret: String,
            owner: Owner,
            active: bool,
            session_token: Option<String>,
            expires_ms: Option<i64>,
            created_ms: i64,
        }
        let old = Version1 {
            account: "1".into(),
            secret: "s".into(),
            owner: Owner::Root,
            active: true,
            session_token: Some("t".into()),
            expires_ms: None,
            created_ms: 5,
        };
        let mut bytes = vec![1];
        bytes.extend(rmp_serde::to_vec_named(&old).unwrap());
        let row = KEYS.decode_row(&bytes).unwrap();
        assert!(matches!(row.secret, Sealed::Plain(secret) if secret == "s"));
        assert!(matches!(row.session_token, Some(Sealed::Plain(token)) if token == "t"));
    }
}
