//! `TagResource`: tags a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, changeable, require};
use crate::api::kms::operations::TagResource;
use crate::api::kms::shapes::{TagResourceInput, TagResourceOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<TagResource> for Kms {
    fn authorize(&self, ctx: &Context, input: &TagResourceInput) -> Vec<Access> {
        access(ctx, "TagResource", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagResourceInput,
    ) -> Result<TagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            row.tags.extend(input.tags.iter().map(|t| (t.tag_key.clone(), t.tag_value.clone())));
            KEYS.put(&tx, &key, &row)?;
            Ok(TagResourceOutput::default())
        })
        .await
    }
}
