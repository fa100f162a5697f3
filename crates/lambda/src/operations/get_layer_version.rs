//! `GetLayerVersion`: a version of a layer, and where its archive is.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetLayerVersion;
use crate::api::lambda::shapes::{GetLayerVersionInput, GetLayerVersionOutput};
use crate::layers;

impl Handler<GetLayerVersion> for Lambda {
    fn authorize(&self, ctx: &Context, input: &GetLayerVersionInput) -> Vec<Access> {
        super::layer_access(ctx, "GetLayerVersion", &input.layer_name, Some(input.version_number))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetLayerVersionInput,
    ) -> Result<GetLayerVersionOutput, ServiceError> {
        let key = layers::version_key(&ctx, &input.layer_name, input.version_number)?;
        layers::get(&ctx, &key).await
    }
}
