//! `UntagResource`: removes tags of a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, changeable, require};
use crate::api::kms::operations::UntagResource;
use crate::api::kms::shapes::{UntagResourceInput, UntagResourceOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<UntagResource> for Kms {
    fn authorize(&self, ctx: &Context, input: &UntagResourceInput) -> Vec<Access> {
        access(ctx, "UntagResource", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.key_id).await?;
            changeable(&ctx, &key.2, &row)?;
            row.tags.retain(|name, _| !input.tag_keys.contains(name));
            KEYS.put(&tx, &key, &row)?;
            Ok(UntagResourceOutput::default())
        })
        .await
    }
}
