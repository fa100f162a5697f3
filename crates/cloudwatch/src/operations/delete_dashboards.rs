//! `DeleteDashboards`: deletes all of them or, if one is not there, none.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{dashboard_arn, no_dashboard};
use crate::CloudWatch;
use crate::api::cloudwatch::operations::DeleteDashboards;
use crate::api::cloudwatch::shapes::{DeleteDashboardsInput, DeleteDashboardsOutput};
use crate::store::DASHBOARDS;

impl Handler<DeleteDashboards> for CloudWatch {
    fn authorize(&self, ctx: &Context, input: &DeleteDashboardsInput) -> Vec<Access> {
        let of =
            |name: &String| Access::new("cloudwatch:DeleteDashboards", dashboard_arn(ctx, name));
        input.dashboard_names.iter().map(of).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DeleteDashboardsInput,
    ) -> Result<DeleteDashboardsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            for name in &input.dashboard_names {
                let key = (ctx.account().to_owned(), String::new(), name.clone());
                DASHBOARDS.get(&tx, &key).await?.ok_or_else(|| no_dashboard(name))?;
                DASHBOARDS.delete(&tx, &key)?;
            }
            Ok(DeleteDashboardsOutput::default())
        })
        .await
    }
}
