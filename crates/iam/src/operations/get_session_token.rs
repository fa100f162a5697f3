//! `GetSessionToken`: temporary credentials of the caller itself.

use undercast_kernel::Principal;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::shown_credentials;
use crate::ports::issue;
use crate::store::Owner;

use crate::Iam;
use crate::api::sts::operations::GetSessionToken;
use crate::api::sts::shapes::{GetSessionTokenInput, GetSessionTokenOutput};

impl Handler<GetSessionToken> for Iam {
    fn authorize(&self, _: &Context, _: &GetSessionTokenInput) -> Vec<Access> {
        vec![Access::new("sts:GetSessionToken", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetSessionTokenInput,
    ) -> Result<GetSessionTokenOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let owner = match ctx.principal() {
                Principal::Root { .. } => Owner::Root,
                Principal::User { name, id, .. } => {
                    Owner::User { name: name.clone(), id: id.clone() }
                }
                _ => {
                    return Err(ServiceError::access_denied(
                        "Cannot call GetSessionToken with session credentials",
                    ));
                }
            };
            let seconds = i64::from(input.duration_seconds.unwrap_or(43_200));
            let issued = issue(&tx, &ctx, ctx.account().to_owned(), owner, seconds)?;
            Ok(GetSessionTokenOutput { credentials: Some(shown_credentials(&issued)) })
        })
        .await
    }
}
