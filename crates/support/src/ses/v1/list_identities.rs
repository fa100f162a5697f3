//! `ListIdentities`: who sends.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::ListIdentities;
use crate::api::ses::shapes::{ListIdentitiesInput, ListIdentitiesOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<ListIdentities> for Ses {
    fn authorize(&self, _: &Context, _: &ListIdentitiesInput) -> Vec<Access> {
        engine::access_all("ListIdentities")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListIdentitiesInput,
    ) -> Result<ListIdentitiesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let wanted = |name: &str| match input.identity_type.as_deref() {
                Some("Domain") => engine::is_domain(name),
                Some(_) => !engine::is_domain(name),
                None => true,
            };
            let (identities, next_token) =
                engine::identities(&tx, &ctx, input.next_token.as_ref(), input.max_items, wanted)
                    .await?;
            Ok(ListIdentitiesOutput { identities, next_token })
        })
        .await
    }
}
