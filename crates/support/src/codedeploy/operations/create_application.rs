//! `CreateApplication`: makes an application for functions.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PLATFORM, application_arn, key, on, tags};
use crate::api::codedeploy::operations::CreateApplication;
use crate::api::codedeploy::shapes::{CreateApplicationInput, CreateApplicationOutput};
use crate::codedeploy::CodeDeploy;
use crate::codedeploy::store::{APPLICATIONS, ApplicationRow};

impl Handler<CreateApplication> for CodeDeploy {
    fn authorize(&self, ctx: &Context, input: &CreateApplicationInput) -> Vec<Access> {
        on("CreateApplication", application_arn(ctx, &input.application_name))
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateApplicationInput,
    ) -> Result<CreateApplicationOutput, ServiceError> {
        let platform = input.compute_platform.as_deref().unwrap_or("Server");
        if platform != PLATFORM {
            let what = format!("CodeDeploy for the compute platform {platform}");
            return Err(ServiceError::unsupported(what));
        }
        ctx.transact(input, |tx, ctx, input| async move {
            let name = &input.application_name;
            if APPLICATIONS.get(&tx, &key(&ctx, name)).await?.is_some() {
                let message = format!("Application already exists: {name}");
                return Err(ServiceError::new("ApplicationAlreadyExistsException", message));
            }
            let row = ApplicationRow {
                id: tx.ids().uuid(),
                created_ms: tx.now_ms(),
                tags: tags(input.tags.as_ref()),
            };
            APPLICATIONS.put(&tx, &key(&ctx, name), &row)?;
            Ok(CreateApplicationOutput { application_id: Some(row.id) })
        })
        .await
    }
}
