//! `DeleteApplication`: deletes an application with its groups; one that is gone is deleted, too.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{application_arn, key, on, refuse_active};
use crate::api::codedeploy::operations::DeleteApplication;
use crate::api::codedeploy::shapes::{DeleteApplicationInput, DeleteApplicationOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::{APPLICATIONS, GROUPS};

impl Handler<DeleteApplication> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &DeleteApplicationInput) -> Vec<Access> {
        on("DeleteApplication", application_arn(ctx, &input.application_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteApplicationInput,
    ) -> Result<DeleteApplicationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = key(&ctx, &input.application_name);
            let groups = GROUPS.scan(&tx, GROUPS.prefix(&key), 10_000, false).await?;
            refuse_active(&groups)?;
            for (group, _) in &groups {
                GROUPS.delete(&tx, group)?;
            }
            APPLICATIONS.delete(&tx, &key)?;
            Ok(DeleteApplicationOutput {})
        })
        .await
    }
}
