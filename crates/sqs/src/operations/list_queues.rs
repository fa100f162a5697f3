//! `ListQueues`: the queues of an account and region.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::ListQueues;
use crate::api::sqs::shapes::{ListQueuesInput, ListQueuesOutput};
use crate::engine::queue::url;
use crate::error::parameter;
use crate::store::QUEUES;

impl Handler<ListQueues> for Sqs {
    fn authorize(&self, _: &Context, _: &ListQueuesInput) -> Vec<Access> {
        vec![Access::new("sqs:ListQueues", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListQueuesInput,
    ) -> Result<ListQueuesOutput, ServiceError> {
        let prefix = input.queue_name_prefix.clone().unwrap_or_default();
        let size = match input.max_results {
            None => 1_000,
            Some(n) => usize::try_from(n).ok().filter(|n| (1..=1_000).contains(n)).ok_or_else(|| {
                parameter("Value for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.")
            })?,
        };
        let scope = (ctx.account().to_owned(), ctx.region().to_owned());
        let range = match &input.next_token {
            Some(last) => QUEUES.after(&scope, &(scope.0.clone(), scope.1.clone(), last.clone())),
            None => QUEUES.starting_with(&scope, &prefix),
        };
        let rows = QUEUES.list(ctx.store(), range, size + 1, false).await?;
        let names: Vec<String> =
            rows.into_iter().map(|(key, _)| key.2).filter(|n| n.starts_with(&prefix)).collect();
        let more = input.max_results.is_some() && names.len() > size;
        let names: Vec<String> = names.into_iter().take(size).collect();
        let next_token = names.last().filter(|_| more).cloned();
        let urls: Vec<String> = names.iter().map(|name| url(&ctx, name)).collect();
        Ok(ListQueuesOutput { queue_urls: Some(urls).filter(|u| !u.is_empty()), next_token })
    }
}
