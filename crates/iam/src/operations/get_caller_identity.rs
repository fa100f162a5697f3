//! `GetCallerIdentity`: who the caller is. Needs no permission.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::sts::operations::GetCallerIdentity;
use crate::api::sts::shapes::{GetCallerIdentityInput, GetCallerIdentityOutput};

impl Handler<GetCallerIdentity> for Iam {
    fn authorize(&self, _: &Context, _: &GetCallerIdentityInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetCallerIdentityInput,
    ) -> Result<GetCallerIdentityOutput, ServiceError> {
        let _ = input;
        Ok(GetCallerIdentityOutput {
            user_id: Some(ctx.principal().user_id()),
            account: Some(ctx.account().to_owned()),
            arn: Some(ctx.principal().arn()),
        })
    }
}
