//! `TagResource`: gives an alarm or a dashboard tags.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tags_of;
use crate::CloudWatch;
use crate::api::cloudwatch::operations::TagResource;
use crate::api::cloudwatch::shapes::{TagResourceInput, TagResourceOutput};
use crate::error::invalid_value;
use crate::limits::TAGS_MAX;

impl Handler<TagResource> for CloudWatch {
    fn authorize(&self, _: &Context, input: &TagResourceInput) -> Vec<Access> {
        vec![Access::new("cloudwatch:TagResource", &input.resource_arn)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TagResourceInput,
    ) -> Result<TagResourceOutput, ServiceError> {
        let new = input.tags;
        tags_of(&ctx, input.resource_arn, move |tags| {
            tags.extend(new.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
            match tags.len() > TAGS_MAX {
                true => Err(invalid_value(format!("A resource has at most {TAGS_MAX} tags."))),
                false => Ok(()),
            }
        })
        .await?;
        Ok(TagResourceOutput::default())
    }
}
