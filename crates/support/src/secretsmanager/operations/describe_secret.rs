//! `DescribeSecret`: a secret without its values.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, shown};
use crate::api::secretsmanager::operations::DescribeSecret;
use crate::api::secretsmanager::shapes::{DescribeSecretInput, DescribeSecretOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::find;
use crate::secretsmanager::error::not_found;

impl Handler<DescribeSecret> for SecretsManager {
    fn authorize(&self, _: &Context, _: &DescribeSecretInput) -> Vec<Access> {
        Vec::new()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeSecretInput,
    ) -> Result<DescribeSecretOutput, ServiceError> {
        allowed(&ctx, "DescribeSecret", &input.secret_id).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, row) = find(&tx, &ctx, &input.secret_id).await?.ok_or_else(not_found)?;
            let entry = shown(&ctx, &key.2, &row);
            Ok(DescribeSecretOutput {
                arn: entry.arn,
                name: entry.name,
                description: entry.description,
                kms_key_id: entry.kms_key_id,
                rotation_enabled: entry.rotation_enabled,
                rotation_lambda_arn: entry.rotation_lambda_arn,
                rotation_rules: entry.rotation_rules,
                last_rotated_date: entry.last_rotated_date,
                last_changed_date: entry.last_changed_date,
                last_accessed_date: entry.last_accessed_date,
                deleted_date: entry.deleted_date,
                next_rotation_date: entry.next_rotation_date,
                tags: entry.tags,
                version_ids_to_stages: entry.secret_versions_to_stages,
                created_date: entry.created_date,
                ..DescribeSecretOutput::default()
            })
        })
        .await
    }
}
