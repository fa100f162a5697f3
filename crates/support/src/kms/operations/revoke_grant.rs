//! `RevokeGrant`: takes a grant back.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, dry_run, end_grant, require};
use crate::api::kms::operations::RevokeGrant;
use crate::api::kms::shapes::{RevokeGrantInput, RevokeGrantOutput};
use crate::kms::Kms;

impl Handler<RevokeGrant> for Kms {
    fn authorize(&self, ctx: &Context, input: &RevokeGrantInput) -> Vec<Access> {
        access(ctx, "RevokeGrant", &input.key_id)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RevokeGrantInput,
    ) -> Result<RevokeGrantOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, _) = require(&tx, &ctx, &input.key_id).await?;
            dry_run(input.dry_run)?;
            end_grant(&tx, &key, &input.grant_id).await?;
            Ok(RevokeGrantOutput::default())
        })
        .await
    }
}
