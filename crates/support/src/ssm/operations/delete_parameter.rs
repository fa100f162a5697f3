//! `DeleteParameter`: deletes a parameter.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, delete, not_found};
use crate::api::ssm::operations::DeleteParameter;
use crate::api::ssm::shapes::{DeleteParameterInput, DeleteParameterOutput};
use crate::ssm::Ssm;

impl Handler<DeleteParameter> for Ssm {
    fn authorize(&self, ctx: &Context, input: &DeleteParameterInput) -> Vec<Access> {
        access(ctx, "DeleteParameter", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteParameterInput,
    ) -> Result<DeleteParameterOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if !delete(&tx, &ctx, &input.name).await? {
                return Err(not_found(&input.name));
            }
            Ok(DeleteParameterOutput::default())
        })
        .await
    }
}
