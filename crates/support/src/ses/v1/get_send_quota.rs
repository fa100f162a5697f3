//! `GetSendQuota`: how much may be sent, and was.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::ses::operations::GetSendQuota;
use crate::api::ses::shapes::{GetSendQuotaInput, GetSendQuotaOutput};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<GetSendQuota> for Ses {
    fn authorize(&self, _: &Context, _: &GetSendQuotaInput) -> Vec<Access> {
        engine::access_all("GetSendQuota")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetSendQuotaInput,
    ) -> Result<GetSendQuotaOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let _ = input;
            Ok(GetSendQuotaOutput {
                max24_hour_send: Some(engine::PER_DAY),
                max_send_rate: Some(engine::PER_SECOND),
                sent_last24_hours: Some(engine::sent_today(&tx, &ctx).await?),
            })
        })
        .await
    }
}
