//! `GetParameters`: several parameters by name.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, read};
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
        let (mut parameters, mut invalid) = (Vec::new(), Vec::new());
        for name in &input.names {
            match read(&ctx, name, input.with_decryption).await {
                Ok(Some(parameter)) => parameters.push(parameter),
                Ok(None) => invalid.push(name.clone()),
                Err(error) if error.code() == "ParameterVersionNotFound" => {
                    invalid.push(name.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(GetParametersOutput { parameters: Some(parameters), invalid_parameters: Some(invalid) })
    }
}
