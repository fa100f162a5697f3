//! Stacks, for `undercast ls`.

use undercast_kernel::{Kernel, Listed, ServiceError};

use crate::store::STACKS;

pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = kernel
        .db()
        .transact(|tx| async move {
            Ok::<_, ServiceError>(STACKS.scan(&tx, STACKS.all(), 10_000, false).await?)
        })
        .await?;
    Ok(rows
        .into_iter()
        .filter(|(_, row)| row.deleted_ms.is_none())
        .map(|((account, region, _), row)| Listed {
            kind: "AWS::CloudFormation::Stack",
            account,
            region,
            name: row.name,
            arn: row.id,
            note: row.status,
        })
        .collect())
}
