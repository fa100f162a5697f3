//! `GetApplication`: one application.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_smithy::Timestamp;

use super::{PLATFORM, application, application_arn, on};
use crate::api::codedeploy::operations::GetApplication;
use crate::api::codedeploy::shapes::{ApplicationInfo, GetApplicationInput, GetApplicationOutput};
use crate::codedeploy::CodeDeploy;

impl Handler<GetApplication> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &GetApplicationInput) -> Vec<Access> {
        on("GetApplication", application_arn(ctx, &input.application_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetApplicationInput,
    ) -> Result<GetApplicationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let row = application(&tx, &ctx, &input.application_name).await?;
            let info = ApplicationInfo {
                application_id: Some(row.id),
                application_name: Some(input.application_name.clone()),
                create_time: Some(Timestamp::from_millis(row.created_ms)),
                linked_to_git_hub: Some(false),
                compute_platform: Some(PLATFORM.to_owned()),
                ..ApplicationInfo::default()
            };
            Ok(GetApplicationOutput { application: Some(info) })
        })
        .await
    }
}
