//! `GetParameterHistory`: the versions of a parameter.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, not_found};
use crate::api::ssm::operations::GetParameterHistory;
use crate::api::ssm::shapes::{
    GetParameterHistoryInput, GetParameterHistoryOutput, ParameterHistory,
};
use crate::ssm::Ssm;
use crate::ssm::store::{PARAMETERS, VERSIONS};
use undercast_smithy::Timestamp;

impl Handler<GetParameterHistory> for Ssm {
    fn authorize(&self, ctx: &Context, input: &GetParameterHistoryInput) -> Vec<Access> {
        access(ctx, "GetParameterHistory", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetParameterHistoryInput,
    ) -> Result<GetParameterHistoryOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = key(&ctx, &input.name);
            if PARAMETERS.get(&tx, &key).await?.is_none() {
                return Err(not_found(&input.name));
            }
            let rows = VERSIONS.scan(&tx, VERSIONS.prefix(&key), 200, false).await?;
            let parameters = rows.into_iter().map(|(key, row)| ParameterHistory {
                name: Some(key.2),
                r#type: Some(row.kind),
                last_modified_date: Some(Timestamp::from_millis(row.modified_ms)),
                last_modified_user: Some(row.modified_by),
                description: row.description,
                value: Some(row.value),
                allowed_pattern: row.allowed_pattern,
                version: Some(key.3),
                labels: Some(Vec::new()),
                tier: Some(row.tier),
                policies: Some(Vec::new()),
                data_type: Some(row.data_type),
                ..ParameterHistory::default()
            });
            Ok(GetParameterHistoryOutput {
                parameters: Some(parameters.collect()),
                next_token: None,
            })
        })
        .await
    }
}
