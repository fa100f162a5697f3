//! `GetAccountSettings`: quotas, and how much of them is used.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::GetAccountSettings;
use crate::api::lambda::shapes::{AccountLimit, AccountUsage};
use crate::api::lambda::shapes::{GetAccountSettingsInput, GetAccountSettingsOutput};
use crate::limits::{CONCURRENCY_MAX, TOTAL_CODE_BYTES_MAX, UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX};
use crate::store::{FUNCTIONS, VERSIONS};

impl Handler<GetAccountSettings> for Lambda {
    fn authorize(&self, _: &Context, _: &GetAccountSettingsInput) -> Vec<Access> {
        vec![Access::new("lambda:GetAccountSettings", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetAccountSettingsInput,
    ) -> Result<GetAccountSettingsOutput, ServiceError> {
        let _ = input;
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let tx = ctx.store().begin().await?;
        let functions = FUNCTIONS.scan(&tx, FUNCTIONS.prefix(&scope), 100_000, false).await?;
        let versions = VERSIONS.scan(&tx, VERSIONS.prefix(&scope), 100_000, false).await?;
        let latest = functions.iter().map(|(_, row)| row.latest.code.blob.len);
        let bytes: u64 = latest.chain(versions.iter().map(|(_, row)| row.code.blob.len)).sum();
        let reserved: u32 = functions.iter().filter_map(|(_, row)| row.reserved).sum();
        Ok(GetAccountSettingsOutput {
            account_limit: Some(AccountLimit {
                total_code_size: Some(TOTAL_CODE_BYTES_MAX),
                code_size_unzipped: i64::try_from(UNZIPPED_BYTES_MAX).ok(),
                code_size_zipped: i64::try_from(ZIP_BYTES_MAX).ok(),
                concurrent_executions: i32::try_from(CONCURRENCY_MAX).ok(),
                unreserved_concurrent_executions: i32::try_from(
                    CONCURRENCY_MAX.saturating_sub(reserved),
                )
                .ok(),
            }),
            account_usage: Some(AccountUsage {
                total_code_size: i64::try_from(bytes).ok(),
                function_count: i64::try_from(functions.len()).ok(),
            }),
        })
    }
}
