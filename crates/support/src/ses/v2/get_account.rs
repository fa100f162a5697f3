//! `GetAccount`: what the account may send.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::api::sesv2::operations::GetAccount;
use crate::api::sesv2::shapes::{GetAccountInput, GetAccountOutput, SendQuota};
use crate::ses::Ses;
use crate::ses::engine::{self};

impl Handler<GetAccount> for Ses {
    fn authorize(&self, _: &Context, _: &GetAccountInput) -> Vec<Access> {
        engine::access_all("GetAccount")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetAccountInput,
    ) -> Result<GetAccountOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let _ = input;
            Ok(GetAccountOutput {
                dedicated_ip_auto_warmup_enabled: Some(false),
                enforcement_status: Some("HEALTHY".to_owned()),
                production_access_enabled: Some(true),
                send_quota: Some(SendQuota {
                    max24_hour_send: Some(engine::PER_DAY),
                    max_send_rate: Some(engine::PER_SECOND),
                    sent_last24_hours: Some(engine::sent_today(&tx, &ctx).await?),
                }),
                sending_enabled: Some(true),
                ..GetAccountOutput::default()
            })
        })
        .await
    }
}
