//! `CreateQueue`: makes a queue, or answers the one that is there with the same attributes.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Sqs;
use crate::api::sqs::operations::CreateQueue;
use crate::api::sqs::shapes::{CreateQueueInput, CreateQueueOutput};
use crate::engine::queue::{arn, check_attributes, check_name, check_throughput, key, url};
use crate::error::parameter;
use crate::limits::TAGS_MAX;
use crate::store::{QUEUES, QueueRow};
use crate::tasks::spawn_retention;
use std::collections::BTreeMap;

impl Handler<CreateQueue> for Sqs {
    fn authorize(&self, ctx: &Context, input: &CreateQueueInput) -> Vec<Access> {
        vec![Access::new("sqs:CreateQueue", arn(ctx, &input.queue_name))]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: CreateQueueInput,
    ) -> Result<CreateQueueOutput, ServiceError> {
        let mut attributes = input.attributes.clone().unwrap_or_default();
        let kind = attributes.get("FifoQueue").map(String::as_str);
        check_name(&input.queue_name, kind == Some("true"))?;
        if kind == Some("false") {
            // What every standard queue is; some tools say so.
            attributes.remove("FifoQueue");
        }
        let url = url(&ctx, &input.queue_name);
        ctx.transact((input, attributes), |tx, ctx, input| async move {
            let (input, attributes) = &*input;
            check_attributes(&tx, &ctx, &input.queue_name, attributes).await?;
            check_throughput(attributes)?;
            let key = key(&ctx, &input.queue_name);
            if let Some(row) = QUEUES.get(&tx, &key).await? {
                return same(&row, attributes);
            }
            let tags = input.tags.clone().unwrap_or_default();
            if tags.len() > TAGS_MAX {
                return Err(parameter(format!(
                    "Too many tags added for queue {}.",
                    input.queue_name
                )));
            }
            let row = QueueRow {
                number: tx.ids().u64(),
                name: input.queue_name.clone(),
                created_ms: tx.now_ms(),
                modified_ms: tx.now_ms(),
                attributes: attributes
                    .iter()
                    .filter(|(_, v)| !v.is_empty())
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
                tags,
                purged_ms: None,
            };
            QUEUES.put(&tx, &key, &row)?;
            spawn_retention(&tx, &key, &row)
        })
        .await?;
        Ok(CreateQueueOutput { queue_url: Some(url) })
    }
}

/// A queue of that name is there: it has to have the attributes that are asked for.
fn same(row: &QueueRow, wanted: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    let defaults = super::get_queue_attributes::defaults(row.is_fifo());
    for (name, value) in wanted {
        let have = row
            .attributes
            .get(name)
            .map(String::as_str)
            .or_else(|| defaults.get(name.as_str()).copied());
        if have.unwrap_or_default() != value {
            return Err(ServiceError::new(
                "QueueNameExists",
                format!(
                    "A queue already exists with the same name and a different value for attribute {name}"
                ),
            ));
        }
    }
    Ok(())
}
