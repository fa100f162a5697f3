//! `GetLayerVersionByArn`: a version of a layer by its ARN.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetLayerVersionByArn;
use crate::api::lambda::shapes::{GetLayerVersionByArnInput, GetLayerVersionByArnOutput};
use crate::error::invalid;
use crate::layers;

impl Handler<GetLayerVersionByArn> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetLayerVersionByArnInput) -> Vec<Access> {
        let _ = ctx;
        vec![Access::new("lambda:GetLayerVersion", input.arn.clone())]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetLayerVersionByArnInput,
    ) -> Result<GetLayerVersionByArnOutput, ServiceError> {
        let key = layers::parse_version(&input.arn)
            .ok_or_else(|| invalid(format!("Invalid Layer Version ARN: {}", input.arn)))?;
        layers::get(&ctx, &key).await
    }
}
