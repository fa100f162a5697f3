//! `GetParameter`: one parameter, by name, `name:version`, `name:label` or ARN.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, not_found, read};
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
        let parameter = read(&ctx, &input.name, input.with_decryption).await?;
        let parameter = parameter.ok_or_else(|| not_found(&input.name))?;
        Ok(GetParameterOutput { parameter: Some(parameter) })
    }
}
