//! `PutSubscriptionFilter`: sends the events of a group that match a pattern to a function.

use serde_json::json;
use undercast_kernel::{Access, Arn, Context, Handler, ServiceError};

use super::{access, invalid, limit_exceeded, require};
use crate::Logs;
use crate::api::logs::operations::PutSubscriptionFilter;
use crate::api::logs::shapes::{PutSubscriptionFilterInput, PutSubscriptionFilterOutput};
use crate::filters;
use crate::pattern::Pattern;
use crate::store::{GROUPS, SUBSCRIPTIONS, SubscriptionRow};

const SUBSCRIPTIONS_MAX: u32 = 2;

impl Handler<PutSubscriptionFilter> for Logs {
    fn authorize(&self, ctx: &Context, input: &PutSubscriptionFilterInput) -> Vec<Access> {
        access(ctx, "PutSubscriptionFilter", &input.log_group_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutSubscriptionFilterInput,
    ) -> Result<PutSubscriptionFilterOutput, ServiceError> {
        if input.apply_on_transformed_logs == Some(true)
            || input.field_selection_criteria.is_some()
            || input.emit_system_fields.is_some()
        {
            return Err(ServiceError::unsupported(
                "ApplyOnTransformedLogs, FieldSelectionCriteria and EmitSystemFields",
            ));
        }
        Pattern::parse(&input.filter_pattern).map_err(invalid)?;
        check_destination(&ctx, &input).await?;
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut group) = require(&tx, &ctx, &input.log_group_name).await?;
            let own = (group.number, input.filter_name.clone());
            let old = SUBSCRIPTIONS.get(&tx, &own).await?;
            if old.is_none() {
                if group.subscriptions >= SUBSCRIPTIONS_MAX {
                    return Err(limit_exceeded());
                }
                group.subscriptions += 1;
                GROUPS.put(&tx, &key, &group)?;
            }
            let row = SubscriptionRow {
                number: old.as_ref().map_or_else(|| tx.ids().u64(), |old| old.number),
                pattern: input.filter_pattern.clone(),
                destination: input.destination_arn.clone(),
                role: input.role_arn.clone(),
                distribution: input
                    .distribution
                    .clone()
                    .unwrap_or_else(|| "ByLogStream".to_owned()),
                created_ms: old.map_or_else(|| tx.now_ms(), |old| old.created_ms),
            };
            SUBSCRIPTIONS.put(&tx, &own, &row)?;
            Ok(PutSubscriptionFilterOutput::default())
        })
        .await
    }
}

/// The function is there and lets us in.
async fn check_destination(
    ctx: &Context,
    input: &PutSubscriptionFilterInput,
) -> Result<(), ServiceError> {
    let destination = &input.destination_arn;
    let service = Arn::parse(destination).map(|arn| arn.service);
    match service.as_deref() {
        Some("lambda") => {}
        Some(other @ ("kinesis" | "firehose" | "logs")) => {
            return Err(ServiceError::unsupported(format!("the subscription of {other}")));
        }
        _ => return Err(invalid("destinationArn is no ARN of a destination")),
    }
    let refused = || {
        invalid(
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.",
        )
    };
    let own = ctx.kernel().service_context(filters::PRINCIPAL, ctx.account(), ctx.region());
    let function = json!({"FunctionName": destination});
    let found = ctx.kernel().call(&own, "lambda", "GetFunctionConfiguration", &function).await;
    found.map_err(|_| refused())?;
    filters::may_invoke(&own, &input.log_group_name, destination).await.map_err(|_| refused())
}
