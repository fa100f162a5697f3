//! `DeleteIdentity`: an identity sends no more.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::DeleteIdentity;
use crate::api::ses::shapes::{DeleteIdentityInput, DeleteIdentityOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::IDENTITIES;

impl Handler<DeleteIdentity> for Ses {
    fn authorize(&self, ctx: &Context, input: &DeleteIdentityInput) -> Vec<Access> {
        engine::access(ctx, "DeleteIdentity", &input.identity)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteIdentityInput,
    ) -> Result<DeleteIdentityOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            IDENTITIES.delete(&tx, &engine::key(&ctx, &input.identity))?;
            Ok(DeleteIdentityOutput::default())
        })
        .await
    }
}
