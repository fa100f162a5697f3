//! `DescribeLogGroups`: the log groups of an account and region.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, key, shown_group};
use crate::Logs;
use crate::api::logs::operations::DescribeLogGroups;
use crate::api::logs::shapes::{DescribeLogGroupsInput, DescribeLogGroupsOutput};
use crate::store::GROUPS;

impl Handler<DescribeLogGroups> for Logs {
    fn authorize(&self, ctx: &Context, input: &DescribeLogGroupsInput) -> Vec<Access> {
        access(ctx, "DescribeLogGroups", input.log_group_name_prefix.as_deref().unwrap_or_default())
    }

    async fn handle(
        &self,
        ctx: Context,
        input: DescribeLogGroupsInput,
    ) -> Result<DescribeLogGroupsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let prefix = input.log_group_name_prefix.clone().unwrap_or_default();
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let range = match &input.next_token {
                Some(last) => GROUPS.after(&scope, &key(&ctx, last)),
                None => GROUPS.starting_with(&scope, &prefix),
            };
            let size = usize::try_from(input.limit.unwrap_or(50)).unwrap_or(50);
            let rows = GROUPS.scan(&tx, range, 10_000, false).await?;
            let wanted = |name: &str| {
                name.starts_with(&prefix)
                    && input
                        .log_group_name_pattern
                        .as_ref()
                        .is_none_or(|p| name.to_lowercase().contains(&p.to_lowercase()))
            };
            let mut rows: Vec<_> = rows.into_iter().filter(|(key, _)| wanted(&key.2)).collect();
            let more = rows.len() > size;
            rows.truncate(size);
            let next_token = rows.last().filter(|_| more).map(|(key, _)| key.2.clone());
            let groups = rows.into_iter().map(|(key, row)| shown_group(&ctx, key.2, row)).collect();
            Ok(DescribeLogGroupsOutput { log_groups: Some(groups), next_token })
        })
        .await
    }
}
