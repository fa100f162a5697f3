//! `ListEmailIdentities`: who sends.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::kind;
use crate::api::sesv2::operations::ListEmailIdentities;
use crate::api::sesv2::shapes::{
    IdentityInfo, ListEmailIdentitiesInput, ListEmailIdentitiesOutput,
};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<ListEmailIdentities> for Ses {
    fn authorize(&self, _: &Context, _: &ListEmailIdentitiesInput) -> Vec<Access> {
        engine::access_all("ListEmailIdentities")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListEmailIdentitiesInput,
    ) -> Result<ListEmailIdentitiesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (names, next_token) =
                engine::identities(&tx, &ctx, input.next_token.as_ref(), input.page_size, |_| true)
                    .await?;
            let all = names.into_iter().map(|name| IdentityInfo {
                identity_type: Some(kind(&name)),
                identity_name: Some(name),
                sending_enabled: Some(true),
                verification_status: Some("SUCCESS".to_owned()),
            });
            Ok(ListEmailIdentitiesOutput { email_identities: Some(all.collect()), next_token })
        })
        .await
    }
}
