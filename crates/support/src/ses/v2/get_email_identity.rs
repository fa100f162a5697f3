//! `GetEmailIdentity`: an identity.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{dkim, kind, no_identity};
use crate::api::sesv2::operations::GetEmailIdentity;
use crate::api::sesv2::shapes::{GetEmailIdentityInput, GetEmailIdentityOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};
use crate::ses::store::IDENTITIES;

impl Handler<GetEmailIdentity> for Ses {
    fn authorize(&self, ctx: &Context, input: &GetEmailIdentityInput) -> Vec<Access> {
        engine::access(ctx, "GetEmailIdentity", &input.email_identity)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetEmailIdentityInput,
    ) -> Result<GetEmailIdentityOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let name = &input.email_identity;
            let row = IDENTITIES.get(&tx, &engine::key(&ctx, name)).await?;
            let row = row.ok_or_else(|| no_identity(name))?;
            Ok(GetEmailIdentityOutput {
                identity_type: Some(kind(name)),
                feedback_forwarding_status: Some(true),
                verified_for_sending_status: Some(true),
                dkim_attributes: Some(dkim(name, &row)),
                verification_status: Some("SUCCESS".to_owned()),
                ..GetEmailIdentityOutput::default()
            })
        })
        .await
    }
}
