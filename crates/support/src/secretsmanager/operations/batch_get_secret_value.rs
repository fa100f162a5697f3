//! `BatchGetSecretValue`: the current values of several secrets.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{allowed, matching, page};
use crate::api::secretsmanager::operations::BatchGetSecretValue;
use crate::api::secretsmanager::shapes::{APIErrorType, SecretValueEntry};
use crate::api::secretsmanager::shapes::{BatchGetSecretValueInput, BatchGetSecretValueOutput};
use crate::secretsmanager::SecretsManager;
use crate::secretsmanager::engine::{self};
use crate::secretsmanager::error::invalid;

impl Handler<BatchGetSecretValue> for SecretsManager {
    fn authorize(&self, _: &Context, _: &BatchGetSecretValueInput) -> Vec<Access> {
        vec![Access::new("secretsmanager:BatchGetSecretValue", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: BatchGetSecretValueInput,
    ) -> Result<BatchGetSecretValueOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let ids: Vec<String> = match (&input.secret_id_list, &input.filters) {
                (Some(_), Some(_)) => {
                    return Err(invalid(
                        "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
                    ));
                }
                (Some(ids), None) => ids.clone(),
                (None, Some(filters)) => matching(&tx, &ctx, filters, false)
                    .await?
                    .into_iter()
                    .map(|(name, _)| name)
                    .collect(),
                (None, None) => {
                    return Err(invalid(
                        "Either 'SecretIdList' or 'Filters' must be provided, but not both.",
                    ));
                }
            };
            let size = usize::try_from(input.max_results.unwrap_or(20)).unwrap_or(20);
            let (ids, next_token) = page(ids, |id| id.clone(), size, input.next_token.as_deref());
            let (mut values, mut errors) = (Vec::new(), Vec::new());
            for id in ids {
                let read = match allowed(&ctx, "GetSecretValue", &id).await {
                    Ok(()) => engine::read(&tx, &ctx, &id, None, None).await,
                    Err(error) => Err(error),
                };
                match read {
                    Ok(read) => values.push(SecretValueEntry {
                        arn: read.arn,
                        name: read.name,
                        version_id: read.version_id,
                        secret_binary: read.secret_binary,
                        secret_string: read.secret_string,
                        version_stages: read.version_stages,
                        created_date: read.created_date,
                    }),
                    Err(error)
                        if ["AccessDenied", "Invalid", "Resource"]
                            .iter()
                            .any(|kind| error.code().starts_with(kind)) =>
                    {
                        errors.push(APIErrorType {
                            secret_id: Some(id),
                            error_code: Some(error.code().to_owned()),
                            message: Some(error.message().to_owned()),
                        })
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(BatchGetSecretValueOutput {
                secret_values: Some(values),
                next_token,
                errors: Some(errors),
            })
        })
        .await
    }
}
