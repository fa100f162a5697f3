//! `ListRetirableGrants`: the grants that a principal can retire.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{GRANTS_MAX, grants_page};
use crate::api::kms::operations::ListRetirableGrants;
use crate::api::kms::shapes::{ListGrantsOutput, ListRetirableGrantsInput};
use crate::kms::Kms;
use crate::kms::store::GRANTS;

impl Handler<ListRetirableGrants> for Kms {
    fn authorize(&self, _: &Context, _: &ListRetirableGrantsInput) -> Vec<Access> {
        vec![Access::new("kms:ListRetirableGrants", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListRetirableGrantsInput,
    ) -> Result<ListGrantsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let all = GRANTS.scan(&tx, GRANTS.prefix(&scope), GRANTS_MAX, false).await?;
            let wanted = all
                .into_iter()
                .filter(|(_, grant)| grant.retiring.as_ref() == Some(&input.retiring_principal));
            Ok(grants_page(&ctx, wanted, input.limit, input.marker.as_deref()))
        })
        .await
    }
}
