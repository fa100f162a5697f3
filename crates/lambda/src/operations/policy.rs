//! What the operations on policies share.

use serde_json::Value;
use undercast_kernel::ServiceError;
use undercast_store::Tx;

use super::require;
use crate::error::{invalid, no_alias, no_function};
use crate::functions;
use crate::name::{FunctionName, LATEST, number};
use crate::store::{ALIASES, FunctionRow, PolicyRow, QualifiedKey};

/// Where the policy of this function, version or alias is kept; they have to exist.
pub(super) async fn scope(
    tx: &Tx,
    name: &FunctionName,
) -> Result<(QualifiedKey, FunctionRow), ServiceError> {
    let row = require(tx, name).await?;
    let Some(qualifier) = name.qualifier.as_deref() else {
        return Ok((name.qualified_key(""), row));
    };
    if qualifier == LATEST {
        return Err(invalid("We currently do not support adding policies for $LATEST."));
    }
    let key = name.qualified_key(qualifier);
    if number(qualifier).is_some() {
        let config = functions::config(tx, name, row.clone(), qualifier).await?;
        config.ok_or_else(|| no_function(name.arn_with(qualifier)))?;
    } else if ALIASES.get(tx, &key).await?.is_none() {
        return Err(match qualifier.contains('$') {
            true => no_function(name.arn_with(qualifier)),
            false => no_alias(name.arn_with(qualifier)),
        });
    }
    Ok((key, row))
}

pub(super) fn sid(statement: &str) -> String {
    let statement: Value = serde_json::from_str(statement).unwrap_or_default();
    let sid = statement.get("Sid").and_then(Value::as_str);
    sid.unwrap_or_default().to_owned()
}

/// The whole policy. The statements are texts already, and stay byte for byte what they were.
pub(super) fn document(row: &PolicyRow) -> String {
    let statements = row.statements.join(",");
    format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{statements}]}}"#)
}
