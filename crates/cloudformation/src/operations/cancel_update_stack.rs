//! `CancelUpdateStack`: gives an update up while it is made; what it did is rolled back.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::access;
use crate::CloudFormation;
use crate::api::cloudformation::operations::CancelUpdateStack;
use crate::api::cloudformation::shapes::{CancelUpdateStackInput, CancelUpdateStackOutput};
use crate::error::validation;
use crate::nested;
use crate::stack;
use crate::store::{OperationKind, Phase, STACKS, StackRow};

impl Handler<CancelUpdateStack> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &CancelUpdateStackInput) -> Vec<Access> {
        access(ctx, "CancelUpdateStack", &input.stack_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CancelUpdateStackInput,
    ) -> Result<CancelUpdateStackOutput, ServiceError> {
        let name = input.stack_name;
        let store = ctx.store().clone();
        store
            .transact(move |tx| {
                let (ctx, name) = (ctx.clone(), name.clone());
                async move {
                    let row = stack::require(&tx, &ctx, &name).await?;
                    let updates = row.operation.as_ref().is_some_and(|operation| {
                        operation.kind == OperationKind::Update
                            && operation.phase == Phase::Forward
                            && row.status == "UPDATE_IN_PROGRESS"
                    });
                    if !updates {
                        return Err(validation(
                            "CancelUpdateStack cannot be called from current stack status",
                        ));
                    }
                    cancel(&tx, &ctx, row).await
                }
            })
            .await?;
        Ok(CancelUpdateStackOutput::default())
    }
}

/// Marks the operations of a stack and of those within it.
async fn cancel(tx: &Tx, ctx: &Context, stack: StackRow) -> Result<(), ServiceError> {
    let mut open = vec![stack];
    while let Some(mut stack) = open.pop() {
        let Some(operation) = stack.operation.as_mut().filter(|o| o.phase == Phase::Forward) else {
            continue;
        };
        operation.cancelled = Some("User Initiated".to_owned());
        STACKS.put(tx, &stack::key(ctx, &stack.uuid), &stack)?;
        let resources = stack::resources(tx, ctx, &stack.uuid).await?;
        for row in resources.into_values().filter(|row| row.kind == nested::KIND) {
            if let Some(uuid) = stack::uuid_of(&row.physical_id) {
                open.extend(STACKS.get(tx, &stack::key(ctx, &uuid)).await?);
            }
        }
    }
    Ok(())
}
