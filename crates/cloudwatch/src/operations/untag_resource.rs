//! `UntagResource`: takes tags from an alarm or a dashboard.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tags_of;
use crate::CloudWatch;
use crate::api::cloudwatch::operations::UntagResource;
use crate::api::cloudwatch::shapes::{UntagResourceInput, UntagResourceOutput};

impl Handler<UntagResource> for CloudWatch {
    fn authorize(&self, _: &Context, input: &UntagResourceInput) -> Vec<Access> {
        vec![Access::new("cloudwatch:UntagResource", &input.resource_arn)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UntagResourceInput,
    ) -> Result<UntagResourceOutput, ServiceError> {
        let keys = input.tag_keys;
        tags_of(&ctx, input.resource_arn, move |tags| {
            tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await?;
        Ok(UntagResourceOutput::default())
    }
}
