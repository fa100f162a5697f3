//! `VerifyEmailIdentity`: makes an address a sender, at once.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::VerifyEmailIdentity;
use crate::api::ses::shapes::{VerifyEmailIdentityInput, VerifyEmailIdentityOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<VerifyEmailIdentity> for Ses {
    fn authorize(&self, _: &Context, _: &VerifyEmailIdentityInput) -> Vec<Access> {
        engine::access_all("VerifyEmailIdentity")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: VerifyEmailIdentityInput,
    ) -> Result<VerifyEmailIdentityOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if engine::is_domain(&input.email_address) {
                return Err(ServiceError::new(
                    "InvalidParameterValue",
                    format!("Invalid email address<{}>.", input.email_address),
                ));
            }
            engine::verify(&tx, &ctx, &input.email_address).await?;
            Ok(VerifyEmailIdentityOutput::default())
        })
        .await
    }
}
