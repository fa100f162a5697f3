//! `CreateEmailIdentity`: makes an address or domain a sender, at once.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{dkim, kind};
use crate::api::sesv2::operations::CreateEmailIdentity;
use crate::api::sesv2::shapes::{CreateEmailIdentityInput, CreateEmailIdentityOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<CreateEmailIdentity> for Ses {
    fn authorize(&self, ctx: &Context, input: &CreateEmailIdentityInput) -> Vec<Access> {
        engine::access(ctx, "CreateEmailIdentity", &input.email_identity)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateEmailIdentityInput,
    ) -> Result<CreateEmailIdentityOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            if input.dkim_signing_attributes.is_some() {
                return Err(ServiceError::unsupported("a DKIM key of one's own"));
            }
            engine::no_configuration_set(
                input.configuration_set_name.as_ref(),
                "NotFoundException",
            )?;
            let name = &input.email_identity;
            let (made, is_new) = engine::verify(&tx, &ctx, name).await?;
            if !is_new {
                return Err(ServiceError::new(
                    "AlreadyExistsException",
                    format!("Email identity {name} already exist."),
                ));
            }
            Ok(CreateEmailIdentityOutput {
                identity_type: Some(kind(name)),
                verified_for_sending_status: Some(true),
                dkim_attributes: Some(dkim(name, &made)),
            })
        })
        .await
    }
}
