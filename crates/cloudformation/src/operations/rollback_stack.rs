//! `RollbackStack`: takes a stack whose operation failed, and was not rolled back, to where it stood last.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::{access_with_role, check_role};
use crate::CloudFormation;
use crate::api::cloudformation::operations::RollbackStack;
use crate::api::cloudformation::shapes::{RollbackStackInput, RollbackStackOutput};
use crate::deploy;
use crate::error::validation;
use crate::stack;
use crate::store::{Definition, OperationKind, OperationRow, Phase, StackRow};

impl Handler<RollbackStack> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &RollbackStackInput) -> Vec<Access> {
        access_with_role(ctx, "RollbackStack", &input.stack_name, input.role_arn.as_deref())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RollbackStackInput,
    ) -> Result<RollbackStackOutput, ServiceError> {
        check_role(&ctx, input.role_arn.as_deref()).await?;
        if input.retain_except_on_create == Some(true) {
            return Err(ServiceError::unsupported("RetainExceptOnCreate"));
        }
        let store = ctx.store().clone();
        let stack_id = store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    let mut row = stack::require(&tx, &ctx, &input.stack_name).await?;
                    begin(&tx, &ctx, &mut row, input).await?;
                    Ok::<_, ServiceError>(row.id)
                }
            })
            .await?;
        Ok(RollbackStackOutput { stack_id: Some(stack_id), ..RollbackStackOutput::default() })
    }
}

async fn begin(
    tx: &Tx,
    ctx: &Context,
    row: &mut StackRow,
    input: RollbackStackInput,
) -> Result<(), ServiceError> {
    let target = Definition {
        role_arn: input.role_arn.or(row.role_arn.clone()),
        ..row.current.clone().unwrap_or_default()
    };
    let (status, operation) = match (row.status.as_str(), row.current.is_some()) {
        ("UPDATE_FAILED", true) => {
            // The last template that worked is brought about again.
            let operation = OperationRow::new(tx, ctx, OperationKind::Update, target);
            let operation =
                OperationRow { goes_back: true, on_failure: "DO_NOTHING".to_owned(), ..operation };
            ("UPDATE_ROLLBACK_IN_PROGRESS", operation)
        }
        ("CREATE_FAILED", false) => {
            let mut operation = OperationRow::new(tx, ctx, OperationKind::Create, target);
            operation.phase = Phase::RollBackCleanup;
            // The failed creation's token stands on what it made.
            let made = stack::resources(tx, ctx, &row.uuid).await?;
            if let Some(one) = made.into_values().next() {
                operation.token = one.operation;
            }
            ("ROLLBACK_IN_PROGRESS", operation)
        }
        _ => {
            return Err(validation(format!(
                "Stack:{} is in {} state and can not be rolled back.",
                row.id, row.status
            )));
        }
    };
    row.operation = Some(OperationRow { client_token: input.client_request_token, ..operation });
    stack::set_status(tx, ctx, row, status, Some("User Initiated".to_owned()))?;
    deploy::begin(tx, ctx, row)
}
