//! Who calls.

use crate::Arn;

/// The identity behind a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The account itself.
    Root {
        account: String,
    },
    User {
        account: String,
        name: String,
        id: String,
    },
    /// A role that somebody took on; `session` names who.
    Role {
        account: String,
        name: String,
        id: String,
        session: String,
    },
    /// A service of ours acting by itself: `lambda.amazonaws.com`.
    Service {
        name: &'static str,
        account: String,
    },
    Anonymous,
}

impl Principal {
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account }
            | Self::User { account, .. }
            | Self::Role { account, .. }
            | Self::Service { account, .. } => Some(account),
            Self::Anonymous => None,
        }
    }

    /// The ARN that `GetCallerIdentity` answers and denials name.
    pub fn arn(&self) -> String {
        match self {
            Self::Root { account } => Arn::new("iam", "", account, "root").to_string(),
            Self::User { account, name, .. } => {
                Arn::new("iam", "", account, format!("user/{name}")).to_string()
            }
            Self::Role { account, name, session, .. } => {
                Arn::new("sts", "", account, format!("assumed-role/{name}/{session}")).to_string()
            }
            Self::Service { name, .. } => (*name).to_owned(),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }

    /// The unique id: `AIDA…`, `AROA…:session` or the account.
    pub fn user_id(&self) -> String {
        match self {
            Self::Root { account } | Self::Service { account, .. } => account.clone(),
            Self::User { id, .. } => id.clone(),
            Self::Role { id, session, .. } => format!("{id}:{session}"),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }
}
