//! `GetDashboard`: shows a dashboard.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{dashboard_arn, no_dashboard};
use crate::CloudWatch;
use crate::api::cloudwatch::operations::GetDashboard;
use crate::api::cloudwatch::shapes::{GetDashboardInput, GetDashboardOutput};
use crate::store::DASHBOARDS;

impl Handler<GetDashboard> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &GetDashboardInput) -> Vec<Access> {
        vec![Access::new("cloudwatch:GetDashboard", dashboard_arn(ctx, &input.dashboard_name))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetDashboardInput,
    ) -> Result<GetDashboardOutput, ServiceError> {
        let name = input.dashboard_name;
        let key = (ctx.account().to_owned(), String::new(), name.clone());
        let row = DASHBOARDS.read(ctx.store(), &key).await?;
        let row = row.ok_or_else(|| no_dashboard(&name))?;
        Ok(GetDashboardOutput {
            dashboard_arn: Some(dashboard_arn(&ctx, &name)),
            dashboard_body: Some(row.body),
            dashboard_name: Some(name),
        })
    }
}
