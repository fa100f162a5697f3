//! `ListGrants`: what is granted on a key.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{GRANTS_MAX, access, grants_page, require};
use crate::api::kms::operations::ListGrants;
use crate::api::kms::shapes::{ListGrantsInput, ListGrantsOutput};
use crate::kms::Kms;
use crate::kms::store::GRANTS;

impl Handler<ListGrants> for Kms {
    fn authorize(&self, ctx: &Context, input: &ListGrantsInput) -> Vec<Access> {
        access(ctx, "ListGrants", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListGrantsInput,
    ) -> Result<ListGrantsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, _) = require(&tx, &ctx, &input.key_id).await?;
            let all = GRANTS.scan(&tx, GRANTS.prefix(&key), GRANTS_MAX, false).await?;
            let wanted = all.into_iter().filter(|(place, grant)| {
                input.grant_id.as_ref().is_none_or(|id| *id == place.3)
                    && input
                        .grantee_principal
                        .as_ref()
                        .is_none_or(|grantee| *grantee == grant.grantee)
            });
            Ok(grants_page(&ctx, wanted, input.limit, input.marker.as_deref()))
        })
        .await
    }
}
