//! `AddPermission`: adds a statement to the policy of a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::AddPermission;
use crate::api::sqs::shapes::{AddPermissionInput, AddPermissionOutput};
use crate::engine::queue::arn_of_url;
use crate::engine::queue::{arn, require};
use crate::error::parameter;
use crate::store::QUEUES;
use serde_json::{Value, json};

impl Handler<AddPermission> for Sqs {
    fn authorize(&self, ctx: &Context, input: &AddPermissionInput) -> Vec<Access> {
        vec![Access::new("sqs:AddPermission", arn_of_url(ctx, &input.queue_url))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: AddPermissionInput,
    ) -> Result<AddPermissionOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.queue_url).await?;
            let own = arn(&ctx.within(&key.0, &key.1), &key.2);
            let mut policy = super::policy(&row, &own);
            let statements = policy.get_mut("Statement").and_then(Value::as_array_mut);
            let Some(statements) = statements else { return Err(ServiceError::internal("a policy without statements")) };
            if statements.iter().any(|s| s.get("Sid").and_then(Value::as_str) == Some(&input.label)) {
                return Err(parameter(format!("Value {} for parameter Label is invalid. Reason: Already exists.", input.label)));
            }
            let accounts: Vec<String> = input.aws_account_ids.iter().map(|a| format!("arn:aws:iam::{a}:root")).collect();
            let actions: Vec<String> = input.actions.iter().map(|a| format!("SQS:{a}")).collect();
            statements.push(json!({"Sid": input.label, "Effect": "Allow", "Principal": {"AWS": accounts}, "Action": actions, "Resource": own}));
            row.attributes.insert("Policy".to_owned(), policy.to_string());
            QUEUES.put(&tx, &key, &row)?;
            Ok(AddPermissionOutput::default())
        })
        .await
    }
}
