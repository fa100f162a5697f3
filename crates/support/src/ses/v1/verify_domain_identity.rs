//! `VerifyDomainIdentity`: makes a domain a sender, at once.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::VerifyDomainIdentity;
use crate::api::ses::shapes::{VerifyDomainIdentityInput, VerifyDomainIdentityOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<VerifyDomainIdentity> for Ses {
    fn authorize(&self, _: &Context, _: &VerifyDomainIdentityInput) -> Vec<Access> {
        engine::access_all("VerifyDomainIdentity")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: VerifyDomainIdentityInput,
    ) -> Result<VerifyDomainIdentityOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if !engine::is_domain(&input.domain) {
                return Err(ServiceError::new(
                    "InvalidParameterValue",
                    format!("Invalid domain name {}.", input.domain),
                ));
            }
            let (row, _) = engine::verify(&tx, &ctx, &input.domain).await?;
            Ok(VerifyDomainIdentityOutput { verification_token: row.token })
        })
        .await
    }
}
