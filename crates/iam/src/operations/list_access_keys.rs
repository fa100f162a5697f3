//! `ListAccessKeys`: the keys of a user.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{access, keys_of, require_user, user_name};

use crate::Iam;
use crate::api::iam::operations::ListAccessKeys;
use crate::api::iam::shapes::{AccessKeyMetadata, ListAccessKeysInput, ListAccessKeysOutput};

impl Handler<ListAccessKeys> for Iam {
    fn authorize(&self, ctx: &Context, input: &ListAccessKeysInput) -> Vec<Access> {
        access(ctx, "ListAccessKeys", "user", input.user_name.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListAccessKeysInput,
    ) -> Result<ListAccessKeysOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = user_name(&ctx, input.user_name.as_deref())?;
            require_user(&tx, &ctx, &name).await?;
            let keys =
                keys_of(&tx, &ctx, &name).await?.into_iter().map(|(id, row)| AccessKeyMetadata {
                    user_name: Some(name.clone()),
                    access_key_id: Some(id),
                    status: Some(if row.active { "Active" } else { "Inactive" }.to_owned()),
                    create_date: Some(Timestamp::from_millis(row.created_ms)),
                });
            Ok(ListAccessKeysOutput {
                access_key_metadata: keys.collect(),
                is_truncated: Some(false),
                marker: None,
            })
        })
        .await
    }
}
