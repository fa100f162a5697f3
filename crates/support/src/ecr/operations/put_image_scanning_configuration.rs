//! `PutImageScanningConfiguration`: whether images would be scanned when pushed.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::PutImageScanningConfiguration;
use crate::api::ecr::shapes::{
    PutImageScanningConfigurationInput, PutImageScanningConfigurationOutput,
};
use crate::ecr::Ecr;
use crate::ecr::store::REPOSITORIES;

impl Handler<PutImageScanningConfiguration> for Ecr {
    fn authorize(&self, ctx: &Context, input: &PutImageScanningConfigurationInput) -> Vec<Access> {
        access(ctx, "PutImageScanningConfiguration", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutImageScanningConfigurationInput,
    ) -> Result<PutImageScanningConfigurationOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let (key, mut row) = require(&tx, &ctx, &input.repository_name).await?;
            row.scan_on_push = input.image_scanning_configuration.scan_on_push.unwrap_or(false);
            REPOSITORIES.put(&tx, &key, &row)?;
            Ok(PutImageScanningConfigurationOutput {
                registry_id: Some(key.0),
                repository_name: Some(key.2),
                image_scanning_configuration: Some(input.image_scanning_configuration.clone()),
            })
        })
        .await
    }
}
