//! `DeleteStack`: deletes a stack and its resources. One that does not exist is no error.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{access_with_role, check_role, refuse_if_imported};
use crate::CloudFormation;
use crate::api::cloudformation::operations::DeleteStack;
use crate::api::cloudformation::shapes::{DeleteStackInput, DeleteStackOutput};
use crate::deploy;
use crate::error::validation;
use crate::stack;
use crate::store::{CHANGE_SETS, Definition, OperationKind, OperationRow, StackRow};

impl Handler<DeleteStack> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DeleteStackInput) -> Vec<Access> {
        access_with_role(ctx, "DeleteStack", &input.stack_name, input.role_arn.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteStackInput,
    ) -> Result<DeleteStackOutput, ServiceError> {
        check_role(&ctx, input.role_arn.as_deref()).await?;
        let store = ctx.store().clone();
        store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let Some(mut row) = stack::find(&tx, &ctx, &input.stack_name).await? else { return Ok(()) };
                    if row.deleted_ms.is_some() || row.status == "DELETE_IN_PROGRESS" {
                        return Ok(());
                    }
                    if row.termination_protection {
                        return Err(validation(format!("Stack [{}] cannot be deleted while TerminationProtection is enabled", row.name)));
                    }
                    if row.operation.is_some() {
                        return Err(validation(format!("Stack:{} is in {} state and can not be deleted.", row.id, row.status)));
                    }
                    let retain = input.retain_resources.clone().unwrap_or_default();
                    if !retain.is_empty() && row.status != "DELETE_FAILED" {
                        return Err(validation("Invalid operation on stack. The RetainResources parameter can only be used on a stack in DELETE_FAILED state."));
                    }
                    let how = How {
                        role_arn: input.role_arn.clone(),
                        client_token: input.client_request_token.clone(),
                        retain,
                        by_parent: false,
                    };
                    begin(&tx, &ctx, &mut row, how).await?;
                    Ok::<_, ServiceError>(())
                }
            })
            .await?;
        Ok(DeleteStackOutput::default())
    }
}

/// What is said about a deletion.
#[derive(Default)]
pub(crate) struct How {
    pub(crate) role_arn: Option<String>,
    pub(crate) client_token: Option<String>,
    pub(crate) retain: Vec<String>,
    pub(crate) by_parent: bool,
}

/// Begins the deletion of a stack that nothing is done to at the moment.
pub(crate) async fn begin(
    tx: &Tx,
    ctx: &Context,
    row: &mut StackRow,
    how: How,
) -> Result<(), ServiceError> {
    for name in row.outputs.iter().filter_map(|output| output.export.as_ref()) {
        refuse_if_imported(tx, ctx, name, "delete export").await?;
    }
    let target = Definition {
        role_arn: how.role_arn.or(row.role_arn.clone()),
        ..row.current.clone().unwrap_or_default()
    };
    row.operation = Some(OperationRow {
        client_token: how.client_token,
        retain: how.retain,
        by_parent: how.by_parent,
        ..OperationRow::new(tx, ctx, OperationKind::Delete, target)
    });
    let reason = Some("User Initiated".to_owned());
    stack::set_status(tx, ctx, row, "DELETE_IN_PROGRESS", reason)?;
    let key = stack::key(ctx, &row.uuid);
    for (key, _) in CHANGE_SETS.scan(tx, CHANGE_SETS.prefix(&key), 1_000, false).await? {
        CHANGE_SETS.delete(tx, &key)?;
    }
    deploy::begin(tx, ctx, row)
}
