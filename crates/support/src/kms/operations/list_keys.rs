//! `ListKeys`: the keys of an account and region.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{arn, key};
use crate::api::kms::operations::ListKeys;
use crate::api::kms::shapes::{KeyListEntry, ListKeysInput, ListKeysOutput};
use crate::kms::Kms;
use crate::kms::store::KEYS;

impl Handler<ListKeys> for Kms {
    fn authorize(&self, _: &Context, _: &ListKeysInput) -> Vec<Access> {
        vec![Access::new("kms:ListKeys", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListKeysInput,
    ) -> Result<ListKeysOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let range = match &input.marker {
                Some(last) => KEYS.after(&scope, &key(&ctx, last)),
                None => KEYS.prefix(&scope),
            };
            let size = usize::try_from(input.limit.unwrap_or(100)).unwrap_or(100);
            let mut rows = KEYS.scan(&tx, range, size + 1, false).await?;
            let more = rows.len() > size;
            rows.truncate(size);
            let next_marker = rows.last().filter(|_| more).map(|(key, _)| key.2.clone());
            let keys = rows.into_iter().map(|(key, _)| KeyListEntry {
                key_arn: Some(arn(&ctx, &key.2)),
                key_id: Some(key.2),
            });
            Ok(ListKeysOutput { keys: Some(keys.collect()), next_marker, truncated: Some(more) })
        })
        .await
    }
}
