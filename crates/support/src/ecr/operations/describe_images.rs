//! `DescribeImages`: the images of a repository. None can be pushed yet, so a named one does not exist.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::DescribeImages;
use crate::api::ecr::shapes::{DescribeImagesInput, DescribeImagesOutput};
use crate::ecr::Ecr;

impl Handler<DescribeImages> for Ecr {
    fn authorize(&self, ctx: &Context, input: &DescribeImagesInput) -> Vec<Access> {
        access(ctx, "DescribeImages", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeImagesInput,
    ) -> Result<DescribeImagesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {

            require(&tx, &ctx, &input.repository_name).await?;
            if input.image_ids.as_ref().is_some_and(|ids| !ids.is_empty()) {
                return Err(ServiceError::new("ImageNotFoundException", format!("The image requested does not exist within the repository with name '{}' in the registry with id '{}'", input.repository_name, ctx.account())));
            }
            Ok(DescribeImagesOutput { image_details: Some(Vec::new()), next_token: None })
})
.await
    }
}
