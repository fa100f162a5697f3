//! `GetAccessKeyInfo`: the account that an access key belongs to.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Iam;
use crate::api::sts::operations::GetAccessKeyInfo;
use crate::api::sts::shapes::{GetAccessKeyInfoInput, GetAccessKeyInfoOutput};

impl Handler<GetAccessKeyInfo> for Iam {
    fn authorize(&self, _: &Context, _: &GetAccessKeyInfoInput) -> Vec<Access> {
        vec![Access::new("sts:GetAccessKeyInfo", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetAccessKeyInfoInput,
    ) -> Result<GetAccessKeyInfoOutput, ServiceError> {
        let known = match ctx.kernel().credentials() {
            Some(port) => port.lookup(ctx.kernel().clone(), input.access_key_id.clone()).await?,
            None => None,
        };
        let account = known.and_then(|secret| secret.principal.account().map(str::to_owned));
        Ok(GetAccessKeyInfoOutput {
            account: Some(account.unwrap_or_else(|| ctx.account().to_owned())),
        })
    }
}
