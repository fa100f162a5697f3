//! `TagResource`: tags a secret.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, check_tags};
use crate::api::secretsmanager::operations::TagResource;
use crate::api::secretsmanager::shapes::{TagResourceInput, TagResourceOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{require, tag_map};
use crate::secretsmanager::store::SECRETS;

impl Handler<TagResource> for SecretsManager {
    fn authorize(&self, _: &Context, _: &TagResourceInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagResourceInput,
    ) -> Result<TagResourceOutput, ServiceError> {
        allowed(&ctx, "TagResource", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.secret_id).await?;

            row.tags.extend(tag_map(input.tags.iter()));
            check_tags(&row)?;
            SECRETS.put(&tx, &key, &row)?;
            Ok(TagResourceOutput::default())
        })
        .await
    }
}
