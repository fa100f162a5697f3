//! `GetParameter`: one parameter, by name, `name:version` or ARN.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, find, not_found};
use crate::api::ssm::operations::GetParameter;
use crate::api::ssm::shapes::{GetParameterInput, GetParameterOutput};
use crate::ssm::Ssm;

impl Handler<GetParameter> for Ssm {
    fn authorize(&self, ctx: &Context, input: &GetParameterInput) -> Vec<Access> {
        access(ctx, "GetParameter", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetParameterInput,
    ) -> Result<GetParameterOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let parameter = find(&tx, &ctx, &input.name).await?;
            let parameter = parameter.ok_or_else(|| not_found(&input.name))?;
            Ok(GetParameterOutput { parameter: Some(parameter) })
        })
        .await
    }
}
