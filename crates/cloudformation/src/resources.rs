//! Stacks, and the resources that are here alone, for `undercast ls`.

use undercast_kernel::{Kernel, Listed, ServiceError};

use crate::inert;
use crate::store::{RESOURCES, STACKS};

const LISTED_MAX: usize = 10_000;

pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let (stacks, resources) = kernel
        .db()
        .transact(|tx| async move {
            let stacks = STACKS.scan(&tx, STACKS.all(), LISTED_MAX, false).await?;
            let resources = RESOURCES.scan(&tx, RESOURCES.all(), LISTED_MAX, false).await?;
            Ok::<_, ServiceError>((stacks, resources))
        })
        .await?;
    let stacks = stacks.into_iter().filter(|(_, row)| row.deleted_ms.is_none());
    let stacks = stacks.map(|((account, region, _), row)| Listed {
        kind: "AWS::CloudFormation::Stack",
        account,
        region,
        name: row.name,
        arn: row.id,
        note: row.status,
    });
    let inert = resources.into_iter().filter_map(|((account, region, ..), row)| {
        let kind = inert::find(&row.kind).filter(|_| !row.physical_id.is_empty())?.name();
        let arn = row.physical_id.clone();
        let note = "inert".to_owned();
        Some(Listed { kind, account, region, name: row.physical_id, arn, note })
    });
    Ok(stacks.chain(inert).collect())
}
