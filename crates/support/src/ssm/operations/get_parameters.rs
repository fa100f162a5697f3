//! `GetParameters`: several parameters by name.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, find};
use crate::api::ssm::operations::GetParameters;
use crate::api::ssm::shapes::{GetParametersInput, GetParametersOutput};
use crate::ssm::Ssm;

impl Handler<GetParameters> for Ssm {
    fn authorize(&self, ctx: &Context, input: &GetParametersInput) -> Vec<Access> {
        input.names.iter().flat_map(|name| access(ctx, "GetParameters", name)).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetParametersInput,
    ) -> Result<GetParametersOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (mut parameters, mut invalid) = (Vec::new(), Vec::new());
            for name in &input.names {
                match find(&tx, &ctx, name).await? {
                    Some(parameter) => parameters.push(parameter),
                    None => invalid.push(name.clone()),
                }
            }
            Ok(GetParametersOutput {
                parameters: Some(parameters),
                invalid_parameters: Some(invalid),
            })
        })
        .await
    }
}
