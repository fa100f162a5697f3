//! `GetQueueUrl`: the URL of a queue.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::GetQueueUrl;
use crate::api::sqs::shapes::{GetQueueUrlInput, GetQueueUrlOutput};
use crate::engine::queue::arn;
use crate::error::no_queue;
use crate::store::QUEUES;

impl Handler<GetQueueUrl> for Sqs {
    fn authorize(&self, ctx: &Context, input: &GetQueueUrlInput) -> Vec<Access> {
        vec![Access::new("sqs:GetQueueUrl", arn(ctx, &input.queue_name))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetQueueUrlInput,
    ) -> Result<GetQueueUrlOutput, ServiceError> {
        let account =
            input.queue_owner_aws_account_id.clone().unwrap_or_else(|| ctx.account().to_owned());
        let key = (account.clone(), ctx.region().to_owned(), input.queue_name.clone());
        if QUEUES.read(ctx.store(), &key).await?.is_none() {
            return Err(no_queue());
        }
        let url = format!("{}/{account}/{}", ctx.public_url(), input.queue_name);
        Ok(GetQueueUrlOutput { queue_url: Some(url) })
    }
}
