//! `ListAliases`: the names of keys.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{alias_arn, require};
use crate::api::kms::operations::ListAliases;
use crate::api::kms::shapes::{AliasListEntry, ListAliasesInput, ListAliasesOutput};
use crate::kms::Kms;
use crate::kms::store::ALIASES;
use undercast_smithy::Timestamp;

impl Handler<ListAliases> for Kms {
    fn authorize(&self, _: &Context, _: &ListAliasesInput) -> Vec<Access> {
        vec![Access::new("kms:ListAliases", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListAliasesInput,
    ) -> Result<ListAliasesOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let wanted = match &input.key_id {
                Some(id) => Some(require(&tx, &ctx, id).await?.0.2),
                None => None,
            };
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let rows = ALIASES.scan(&tx, ALIASES.prefix(&scope), 10_000, false).await?;
            let aliases = rows
                .into_iter()
                .filter(|(_, row)| wanted.as_ref().is_none_or(|w| *w == row.key_id))
                .map(|(key, row)| AliasListEntry {
                    alias_arn: Some(alias_arn(&ctx, &key.2)),
                    alias_name: Some(key.2),
                    target_key_id: Some(row.key_id),
                    creation_date: Some(Timestamp::from_millis(row.created_ms)),
                    last_updated_date: Some(Timestamp::from_millis(row.updated_ms)),
                });
            Ok(ListAliasesOutput {
                aliases: Some(aliases.collect()),
                next_marker: None,
                truncated: Some(false),
            })
        })
        .await
    }
}
