//! `UntagResource`: removes tags of a secret.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::allowed;
use crate::api::secretsmanager::operations::UntagResource;
use crate::api::secretsmanager::shapes::{UntagResourceInput, UntagResourceOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::require;
use crate::secretsmanager::store::SECRETS;

impl Handler<UntagResource> for SecretsManager {
    fn authorize(&self, _: &Context, _: &UntagResourceInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, ServiceError> {
        allowed(&ctx, "UntagResource", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            row.tags.retain(|name, _| !input.tag_keys.contains(name));
            SECRETS.put(&tx, &key, &row)?;
            Ok(UntagResourceOutput::default())
        })
        .await
    }
}
