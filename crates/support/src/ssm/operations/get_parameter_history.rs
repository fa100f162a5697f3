//! `GetParameterHistory`: the versions of a parameter.

use std::sync::Arc;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, arn, key, not_found, page};
use crate::api::ssm::operations::GetParameterHistory;
use crate::api::ssm::shapes::{
    GetParameterHistoryInput, GetParameterHistoryOutput, ParameterHistory,
};
use crate::ssm::Ssm;
use crate::ssm::store::{PARAMETERS, VERSIONS};
use crate::ssm::{policy, secure};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

impl Handler<GetParameterHistory> for Ssm {
    fn authorize(&self, ctx: &Context, input: &GetParameterHistoryInput) -> Vec<Access> {
        access(ctx, "GetParameterHistory", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetParameterHistoryInput,
    ) -> Result<GetParameterHistoryOutput, ServiceError> {
        let with_decryption = input.with_decryption;
        let run = |tx: Tx, ctx: Context, input: Arc<GetParameterHistoryInput>| async move {
            let key = key(&ctx, &input.name);
            if PARAMETERS.get(&tx, &key).await?.is_none() {
                return Err(not_found(&input.name));
            }
            let size = usize::try_from(input.max_results.unwrap_or(50)).unwrap_or(50);
            let last = input.next_token.as_deref().and_then(|token| token.parse::<i64>().ok());
            let rows = VERSIONS.scan(&tx, VERSIONS.prefix(&key), 200, false).await?;
            let rows = rows.into_iter().filter(|(place, _)| last.is_none_or(|last| place.3 > last));
            let rows = rows.map(|(place, row)| (place.3.to_string(), (place, row))).collect();
            Ok(page(rows, size))
        };
        let (rows, next_token) = ctx.transact(input, run).await?;
        let mut parameters = Vec::new();
        for (_, (place, row)) in rows {
            let value = match (with_decryption, &row.key_id) {
                (Some(true), Some(key_id)) => {
                    secure::decrypt(&ctx, key_id, &arn(&ctx, &place.2), &row.value).await?
                }
                _ => row.value,
            };
            parameters.push(ParameterHistory {
                name: Some(place.2),
                r#type: Some(row.kind),
                key_id: row.key_id,
                last_modified_date: Some(Timestamp::from_millis(row.modified_ms)),
                last_modified_user: Some(row.modified_by),
                description: row.description,
                value: Some(value),
                allowed_pattern: row.allowed_pattern,
                version: Some(place.3),
                labels: Some(row.labels.into_iter().collect()),
                tier: Some(row.tier),
                policies: Some(policy::shown(row.policies.as_ref())),
                data_type: Some(row.data_type),
            });
        }
        Ok(GetParameterHistoryOutput { parameters: Some(parameters), next_token })
    }
}
