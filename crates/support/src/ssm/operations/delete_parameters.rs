//! `DeleteParameters`: deletes several parameters.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, delete};
use crate::api::ssm::operations::DeleteParameters;
use crate::api::ssm::shapes::{DeleteParametersInput, DeleteParametersOutput};
use crate::ssm::Ssm;

impl Handler<DeleteParameters> for Ssm {
    fn authorize(&self, ctx: &Context, input: &DeleteParametersInput) -> Vec<Access> {
        input.names.iter().flat_map(|name| access(ctx, "DeleteParameters", name)).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteParametersInput,
    ) -> Result<DeleteParametersOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (mut deleted, mut invalid) = (Vec::new(), Vec::new());
            for name in &input.names {
                let list = if delete(&tx, &ctx, name).await? { &mut deleted } else { &mut invalid };
                list.push(name.clone());
            }
            Ok(DeleteParametersOutput {
                deleted_parameters: Some(deleted),
                invalid_parameters: Some(invalid),
            })
        })
        .await
    }
}
