//! `RemovePermission`: removes a statement of the policy of a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::RemovePermission;
use crate::api::sqs::shapes::{RemovePermissionInput, RemovePermissionOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::{arn, require};
use crate::error::parameter;
use crate::store::QUEUES;
use serde_json::Value;

impl Handler<RemovePermission> for Sqs {
    fn authorize(&self, ctx: &Context, input: &RemovePermissionInput) -> Vec<Access> {
        vec![Access::new("sqs:RemovePermission", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: RemovePermissionInput,
    ) -> Result<RemovePermissionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.queue_url).await?;
            let own = arn(&ctx.within(&key.0, &key.1), &key.2);
            let mut policy = super::policy(&row, &own);
            let statements = policy.get_mut("Statement").and_then(Value::as_array_mut);
            let Some(statements) = statements else {
                return Err(ServiceError::internal("a policy without statements"));
            };
            let before = statements.len();
            statements.retain(|s| s.get("Sid").and_then(Value::as_str) != Some(&input.label));
            if statements.len() == before {
                return Err(parameter(format!(
                    "Value {} for parameter Label is invalid. Reason: can't find label.",
                    input.label
                )));
            }
            if statements.is_empty() {
                row.attributes.remove("Policy");
            } else {
                row.attributes.insert("Policy".to_owned(), policy.to_string());
            }
            QUEUES.put(&tx, &key, &row)?;
            Ok(RemovePermissionOutput::default())
        })
        .await
    }
}
