//! `ListSecretVersionIds`: the versions of a secret.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, page};
use crate::api::secretsmanager::operations::ListSecretVersionIds;
use crate::api::secretsmanager::shapes::SecretVersionsListEntry;
use crate::api::secretsmanager::shapes::{ListSecretVersionIdsInput, ListSecretVersionIdsOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{arn, find};
use crate::secretsmanager::error::not_found;
use undercast_smithy::Timestamp;

impl Handler<ListSecretVersionIds> for SecretsManager {
    fn authorize(&self, _: &Context, _: &ListSecretVersionIdsInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListSecretVersionIdsInput,
    ) -> Result<ListSecretVersionIdsOutput, ServiceError> {
        allowed(&ctx, "ListSecretVersionIds", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = find(&tx, &ctx, &input.secret_id).await?.ok_or_else(not_found)?;
            let all = input.include_deprecated.unwrap_or(false);
            let versions: Vec<_> = row
                .versions
                .iter()
                .filter(|(_, version)| all || !version.stages.is_empty())
                .collect();
            let size = usize::try_from(input.max_results.unwrap_or(100)).unwrap_or(100);
            let (versions, next_token) =
                page(versions, |(id, _)| (*id).clone(), size, input.next_token.as_deref());
            let list = versions.into_iter().map(|(id, version)| SecretVersionsListEntry {
                version_id: Some(id.clone()),
                version_stages: Some(version.stages.iter().cloned().collect()),
                created_date: Some(Timestamp::from_millis(version.created_ms)),
                kms_key_ids: Some(vec![
                    row.kms_key.clone().unwrap_or_else(|| "DefaultEncryptionKey".to_owned()),
                ]),
                ..SecretVersionsListEntry::default()
            });
            Ok(ListSecretVersionIdsOutput {
                versions: Some(list.collect()),
                next_token,
                arn: Some(arn(&ctx, &key.2, &row)),
                name: Some(key.2),
            })
        })
        .await
    }
}
