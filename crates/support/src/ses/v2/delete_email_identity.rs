//! `DeleteEmailIdentity`: an identity sends no more.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::no_identity;
use crate::api::sesv2::operations::DeleteEmailIdentity;
use crate::api::sesv2::shapes::{DeleteEmailIdentityInput, DeleteEmailIdentityOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::IDENTITIES;

impl Handler<DeleteEmailIdentity> for Ses {
    fn authorize(&self, ctx: &Context, input: &DeleteEmailIdentityInput) -> Vec<Access> {
        engine::access(ctx, "DeleteEmailIdentity", &input.email_identity)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteEmailIdentityInput,
    ) -> Result<DeleteEmailIdentityOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = engine::key(&ctx, &input.email_identity);
            if IDENTITIES.get(&tx, &key).await?.is_none() {
                return Err(no_identity(&input.email_identity));
            }
            IDENTITIES.delete(&tx, &key)?;
            Ok(DeleteEmailIdentityOutput::default())
        })
        .await
    }
}
