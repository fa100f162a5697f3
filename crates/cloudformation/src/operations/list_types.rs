//! `ListTypes`: the resource types that there are.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{PAGE, access, offset, page};
use crate::CloudFormation;
use crate::api::cloudformation::operations::ListTypes;
use crate::api::cloudformation::shapes::{ListTypesInput, ListTypesOutput, TypeSummary};
use crate::types;

impl Handler<ListTypes> for CloudFormation {
    fn authorize(&self, ctx: &Context, _: &ListTypesInput) -> Vec<Access> {
        access(ctx, "ListTypes", "")
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListTypesInput,
    ) -> Result<ListTypesOutput, ServiceError> {
        let start = offset(input.next_token.as_ref())?;
        let size = input.max_results.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE);
        // All are AWS's: an account has registered none of its own.
        let is_public = input.visibility.as_deref() == Some("PUBLIC");
        let resources = input.r#type.as_deref().unwrap_or("RESOURCE") == "RESOURCE";
        let prefix = input.filters.and_then(|f| f.type_name_prefix).unwrap_or_default();
        let names = types::names(ctx.kernel()).filter(|_| is_public && resources);
        let mut names: Vec<_> = names.filter(|name| name.starts_with(&prefix)).collect();
        names.sort_unstable();
        let summary = |name: &str| TypeSummary {
            r#type: Some("RESOURCE".to_owned()),
            type_name: Some(name.to_owned()),
            type_arn: Some(types::arn(&ctx, name)),
            is_activated: Some(true),
            ..TypeSummary::default()
        };
        let summaries = names.into_iter().map(summary).collect();
        let (summaries, next_token) = page(summaries, start, size);
        Ok(ListTypesOutput { type_summaries: Some(summaries), next_token })
    }
}
