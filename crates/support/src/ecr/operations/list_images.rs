//! `ListImages`: the images of a repository. None can be pushed yet, so there are none.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, require};
use crate::api::ecr::operations::ListImages;
use crate::api::ecr::shapes::{ListImagesInput, ListImagesOutput};
use crate::ecr::Ecr;

impl Handler<ListImages> for Ecr {
    fn authorize(&self, ctx: &Context, input: &ListImagesInput) -> Vec<Access> {
        access(ctx, "ListImages", &input.repository_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListImagesInput,
    ) -> Result<ListImagesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            require(&tx, &ctx, &input.repository_name).await?;
            Ok(ListImagesOutput { image_ids: Some(Vec::new()), next_token: None })
        })
        .await
    }
}
