//! `RetireGrant`: ends a grant that has done its work.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, dry_run, end_grant, invalid, read_grant_token, require};
use crate::api::kms::operations::RetireGrant;
use crate::api::kms::shapes::{RetireGrantInput, RetireGrantOutput};
use crate::kms::Kms;

impl Handler<RetireGrant> for Kms {
    fn authorize(&self, ctx: &Context, input: &RetireGrantInput) -> Vec<Access> {
        match &input.key_id {
            Some(id) => access(ctx, "RetireGrant", id),
            None => Vec::new(),
        }
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RetireGrantInput,
    ) -> Result<RetireGrantOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (id, grant) = match (&input.grant_token, &input.key_id, &input.grant_id) {
                (Some(token), None, None) => read_grant_token(token)?,
                (None, Some(id), Some(grant)) => (id.clone(), grant.clone()),
                _ => {
                    return Err(invalid(
                        "Either a grant token, or a key id and a grant id have to be given.",
                    ));
                }
            };
            let (key, _) = require(&tx, &ctx, &id).await?;
            dry_run(input.dry_run)?;
            end_grant(&tx, &key, &grant).await?;
            Ok(RetireGrantOutput::default())
        })
        .await
    }
}
