//! `DeleteChangeSet`: drops a change set. One that does not exist is no error.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::access;
use super::create_change_set::find;
use crate::CloudFormation;
use crate::api::cloudformation::operations::DeleteChangeSet;
use crate::api::cloudformation::shapes::{DeleteChangeSetInput, DeleteChangeSetOutput};
use crate::stack;
use crate::store::CHANGE_SETS;

impl Handler<DeleteChangeSet> for CloudFormation {
    fn authorize(&self, ctx: &Context, input: &DeleteChangeSetInput) -> Vec<Access> {
        access(ctx, "DeleteChangeSet", input.stack_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteChangeSetInput,
    ) -> Result<DeleteChangeSetOutput, ServiceError> {
        let store = ctx.store().clone();
        store
            .transact(move |tx| {
                let (ctx, input) = (ctx.clone(), input.clone());
                async move {
                    match find(&tx, &ctx, &input.change_set_name, input.stack_name.as_ref()).await {
                        Ok((stack, set)) => {
                            let (account, region, uuid) = stack::key(&ctx, &stack.uuid);
                            CHANGE_SETS.delete(&tx, &(account, region, uuid, set.uuid))?;
                            Ok(())
                        }
                        Err(error) if error.code() == "ChangeSetNotFoundException" => Ok(()),
                        Err(error) => Err(error),
                    }
                }
            })
            .await?;
        Ok(DeleteChangeSetOutput::default())
    }
}
