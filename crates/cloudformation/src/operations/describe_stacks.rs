//! `DescribeStacks`: one stack by name or id, or all that are not deleted.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{PAGE, access, current_template, offset, page, shown_parameters, shown_tags, time};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DescribeStacks;
use crate::api::cloudformation::shapes::{
    DescribeStacksInput, DescribeStacksOutput, Output, RollbackConfiguration, Stack,
    StackDriftInformation,
};
use crate::stack;
use crate::store::{OperationRow, STACKS, StackRow};

impl Handler<DescribeStacks> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DescribeStacksInput) -> Vec<Access> {
        access(ctx, "DescribeStacks", input.stack_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeStacksInput,
    ) -> Result<DescribeStacksOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let store = ctx.store().clone();
        let stacks = store
            .transact(move |tx| {
                let (ctx, name) = (ctx.clone(), input.stack_name.clone());
                async move {
                    let rows = match name.filter(|name| !name.is_empty()) {
                        Some(name) => vec![stack::require(&tx, &ctx, &name).await?],
                        None => all(&tx, &ctx).await?,
                    };
                    let mut stacks = Vec::with_capacity(rows.len());
                    for row in rows {
                        stacks.push(shown(&tx, &ctx, row).await?);
                    }
                    Ok::<_, ServiceError>(stacks)
                }
            })
            .await?;
        let (stacks, next_token) = page(stacks, start, PAGE);
        Ok(DescribeStacksOutput { stacks: Some(stacks), next_token })
    }
}

async fn all(tx: &Tx, ctx: &Context) -> Result<Vec<StackRow>, ServiceError> {
    let prefix = (ctx.account().to_owned(), ctx.region().to_owned());
    let rows = STACKS.scan(tx, STACKS.prefix(&prefix), 10_000, false).await?;
    let mut rows: Vec<_> =
        rows.into_iter().map(|(_, row)| row).filter(|row| row.deleted_ms.is_none()).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.created_ms));
    Ok(rows)
}

async fn shown(tx: &Tx, ctx: &Context, row: StackRow) -> Result<Stack, ServiceError> {
    let template = current_template(tx, ctx, &row).await?;
    let current = row.current.clone();
    let target = row.operation.as_ref().map(|o: &OperationRow| o.target.clone());
    let definition = current.or(target).unwrap_or_default();
    let outputs: Vec<Output> = row
        .outputs
        .iter()
        .map(|output| Output {
            output_key: Some(output.key.clone()),
            output_value: Some(output.value.clone()),
            description: output.description.clone(),
            export_name: output.export.clone(),
        })
        .collect();
    Ok(Stack {
        stack_id: Some(row.id),
        stack_name: row.name,
        change_set_id: row.change_set_id,
        description: row.description,
        parameters: Some(shown_parameters(&definition, template.as_ref()))
            .filter(|p| !p.is_empty()),
        creation_time: time(row.created_ms),
        deletion_time: row.deleted_ms.map(time),
        last_updated_time: row.updated_ms.map(time),
        rollback_configuration: Some(RollbackConfiguration::default()),
        stack_status: row.status,
        stack_status_reason: row.reason,
        disable_rollback: Some(row.disable_rollback),
        notification_arns: Some(definition.notification_arns),
        timeout_in_minutes: row.timeout_minutes,
        capabilities: Some(definition.capabilities).filter(|c| !c.is_empty()),
        outputs: Some(outputs).filter(|o| !o.is_empty()),
        role_arn: definition.role_arn,
        parent_id: row.parent_id,
        root_id: row.root_id,
        tags: Some(shown_tags(&definition.tags)),
        enable_termination_protection: Some(row.termination_protection),
        drift_information: Some(StackDriftInformation {
            last_check_timestamp: row.drift.as_ref().map(|drift| time(drift.time_ms)),
            stack_drift_status: row.drift.map_or("NOT_CHECKED".to_owned(), |drift| drift.status),
        }),
        ..Stack::default()
    })
}
