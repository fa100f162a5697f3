//! `PutDashboard`: keeps a dashboard.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::dashboard_arn;
use crate::CloudWatch;
use crate::api::cloudwatch::operations::PutDashboard;
use crate::api::cloudwatch::shapes::{PutDashboardInput, PutDashboardOutput};
use crate::limits::DASHBOARD_BYTES_MAX;
use crate::store::{DASHBOARDS, DashboardRow};

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("DashboardInvalidInputError", message)
}

impl Handler<PutDashboard> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &PutDashboardInput) -> Vec<Access> {
        vec![Access::new("cloudwatch:PutDashboard", dashboard_arn(ctx, &input.dashboard_name))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutDashboardInput,
    ) -> Result<PutDashboardOutput, ServiceError> {
        let name = &input.dashboard_name;
        let is_name = (1..=255).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_name {
            return Err(invalid(
                "The dashboard name must only consist of alphanumeric characters, dash and underscore, and be at most 255 characters long.",
            ));
        }
        if input.dashboard_body.len() > DASHBOARD_BYTES_MAX {
            return Err(invalid("The field DashboardBody is too long."));
        }
        let body: Result<serde_json::Value, _> = serde_json::from_str(&input.dashboard_body);
        if !body.is_ok_and(|body| body.is_object()) {
            return Err(invalid("The field DashboardBody must be a valid JSON object"));
        }
        ctx.transact(input, |tx, ctx, input| async move {
            let key = (ctx.account().to_owned(), String::new(), input.dashboard_name.clone());
            let old = DASHBOARDS.get(&tx, &key).await?;
            let tags = input.tags.iter().flatten().map(|t| (t.key.clone(), t.value.clone()));
            let row = DashboardRow {
                body: input.dashboard_body.clone(),
                modified_ms: tx.now_ms(),
                tags: old.map_or_else(|| tags.collect(), |old| old.tags),
            };
            DASHBOARDS.put(&tx, &key, &row)?;
            Ok(PutDashboardOutput { dashboard_validation_messages: Some(Vec::new()) })
        })
        .await
    }
}
