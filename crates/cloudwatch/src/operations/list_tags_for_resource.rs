//! `ListTagsForResource`: the tags of an alarm or a dashboard.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tags_of;
use crate::CloudWatch;
use crate::api::cloudwatch::operations::ListTagsForResource;
use crate::api::cloudwatch::shapes::{ListTagsForResourceInput, ListTagsForResourceOutput, Tag};

impl Handler<ListTagsForResource> for CloudWatch {
    fn authorize(&self, _: &Context, input: &ListTagsForResourceInput) -> Vec<Access> {
        vec![Access::new("cloudwatch:ListTagsForResource", &input.resource_arn)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTagsForResourceInput,
    ) -> Result<ListTagsForResourceOutput, ServiceError> {
        let tags = tags_of(&ctx, input.resource_arn, |_| Ok(())).await?;
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value });
        Ok(ListTagsForResourceOutput { tags: Some(tags.collect()) })
    }
}
