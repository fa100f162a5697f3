//! `DeleteLayerVersion`: removes a version; functions that use it keep it.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::DeleteLayerVersion;
use crate::api::lambda::shapes::{DeleteLayerVersionInput, DeleteLayerVersionOutput};
use crate::layers;
use crate::store::LAYER_VERSIONS;

impl Handler<DeleteLayerVersion> for Lambda {
    fn authorize(&self, ctx: &Context, input: &DeleteLayerVersionInput) -> Vec<Access> {
        super::layer_access(
            ctx,
            "DeleteLayerVersion",
            &input.layer_name,
            Some(input.version_number),
        )
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteLayerVersionInput,
    ) -> Result<DeleteLayerVersionOutput, ServiceError> {
        let key = layers::version_key(&ctx, &input.layer_name, input.version_number)?;
        ctx.transact(key, |tx, _, key| async move {
            if let Some(row) = LAYER_VERSIONS.get(&tx, &key).await? {
                tx.unlink_blob(&row.code.blob, &layers::owner(&key))?;
                LAYER_VERSIONS.delete(&tx, &key)?;
            }
            Ok(DeleteLayerVersionOutput::default())
        })
        .await
    }
}
