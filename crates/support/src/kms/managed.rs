//! AWS managed keys: `alias/aws/…`, made for the services when they are first asked for.

use undercast_kernel::{Context, ServiceError};
use undercast_store::Tx;

use super::material;
use super::operations::{default_policy, key};
use super::store::{ALIASES, AliasRow, KEYS, KeyRow};
use super::{crypto, tasks};

const SERVICES: &[&str] = &[
    "acm",
    "backup",
    "codecommit",
    "dynamodb",
    "ebs",
    "elasticfilesystem",
    "es",
    "kinesis",
    "lambda",
    "rds",
    "redshift",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "xray",
];

/// The key behind an alias of a service; `None` for any other alias.
pub(crate) async fn key_id(
    tx: &Tx,
    ctx: &Context,
    alias: &str,
) -> Result<Option<String>, ServiceError> {
    let Some(service) = alias.strip_prefix("alias/aws/").filter(|name| SERVICES.contains(name))
    else {
        return Ok(None);
    };
    let name = key(ctx, alias);
    if let Some(row) = ALIASES.get(tx, &name).await? {
        return Ok(Some(row.key_id));
    }
    let id = tx.ids().uuid();
    let place = key(ctx, &id);
    let mut row = KeyRow {
        description: format!(
            "Default key that protects my {service} data when no other key is defined"
        ),
        is_managed: true,
        rotation_days: Some(365),
        ..KeyRow::new(tx.now_ms(), default_policy(ctx))
    };
    material::put(tx, ctx.kernel(), &place, 0, &crypto::random(tx.ids(), 32), "")?;
    tasks::plan_rotation(tx, &place, &mut row)?;
    KEYS.put(tx, &place, &row)?;
    let (created_ms, updated_ms) = (tx.now_ms(), tx.now_ms());
    ALIASES.put(tx, &name, &AliasRow { key_id: id.clone(), created_ms, updated_ms })?;
    Ok(Some(id))
}
