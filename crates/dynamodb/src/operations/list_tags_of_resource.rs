//! `ListTagsOfResource`: the tags of a table, ten at a time.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::tagged;
use crate::Dynamo;
use crate::api::dynamodb::operations::ListTagsOfResource;
use crate::api::dynamodb::shapes::{ListTagsOfResourceInput, ListTagsOfResourceOutput, Tag};
use crate::error::no_arn;
use crate::store::TABLES;

const PAGE: usize = 10;

impl Handler<ListTagsOfResource> for Dynamo {
    fn authorize(&self, _: &Context, input: &ListTagsOfResourceInput) -> Vec<Access> {
        vec![Access::new("dynamodb:ListTagsOfResource", &input.resource_arn)]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTagsOfResourceInput,
    ) -> Result<ListTagsOfResourceOutput, ServiceError> {
        let key = tagged(&input.resource_arn)?;
        let row = TABLES.read(ctx.store(), &key).await?;
        let row = row.ok_or_else(|| no_arn(&input.resource_arn))?;
        let behind = |key: &String| input.next_token.as_ref().is_none_or(|token| key > token);
        let mut rest = row.tags.into_iter().filter(|(key, _)| behind(key));
        let tags: Vec<Tag> =
            rest.by_ref().take(PAGE).map(|(key, value)| Tag { key, value }).collect();
        let more = rest.next().is_some();
        Ok(ListTagsOfResourceOutput {
            next_token: tags.last().filter(|_| more).map(|tag| tag.key.clone()),
            tags: Some(tags),
        })
    }
}
