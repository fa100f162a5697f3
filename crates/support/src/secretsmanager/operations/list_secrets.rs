//! `ListSecrets`: the secrets of an account and region.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{matching, page, shown};
use crate::api::secretsmanager::operations::ListSecrets;
use crate::api::secretsmanager::shapes::{ListSecretsInput, ListSecretsOutput};
use crate::secretsmanager::SecretsManager;

impl Handler<ListSecrets> for SecretsManager {
    fn authorize(&self, _: &Context, _: &ListSecretsInput) -> Vec<Access> {
        vec![Access::new("secretsmanager:ListSecrets", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListSecretsInput,
    ) -> Result<ListSecretsOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let all = input.include_planned_deletion.unwrap_or(false);
            let mut found =
                matching(&tx, &ctx, input.filters.as_deref().unwrap_or_default(), all).await?;
            match input.sort_by.as_deref() {
                Some("name") => {}
                Some("last-changed-date") => found.sort_by_key(|(_, row)| row.changed_ms),
                Some("last-accessed-date") => found.sort_by_key(|(_, row)| row.accessed_ms),
                _ => found.sort_by_key(|(_, row)| row.created_ms),
            }
            if input.sort_order.as_deref() != Some("asc") {
                found.reverse();
            }
            let size = usize::try_from(input.max_results.unwrap_or(100)).unwrap_or(100);
            let (found, next_token) =
                page(found, |(name, _)| name.clone(), size, input.next_token.as_deref());
            let list = found.iter().map(|(name, row)| shown(&ctx, name, row)).collect();
            Ok(ListSecretsOutput { secret_list: Some(list), next_token })
        })
        .await
    }
}
