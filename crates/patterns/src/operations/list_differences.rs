//! `ListDifferences`: the kinds of difference that a run has found.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, shown_kind};
use crate::Release;
use crate::api::release::operations::ListDifferences;
use crate::api::release::shapes::{ListDifferencesInput, ListDifferencesOutput};
use crate::ledger::{Ledger, Order, Page};

impl Handler<ListDifferences> for Release {
    fn authorize(&self, ctx: &Context, input: &ListDifferencesInput) -> Vec<Access> {
        access(ctx, "ListDifferences", &input.name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ListDifferencesInput,
    ) -> Result<ListDifferencesOutput, ServiceError> {
        let (_, row) = self.current(&ctx, &input.name).await?;
        let page = Page {
            order: match input.order.as_deref() {
                Some("NEWEST") => Order::MostRecent,
                _ => Order::MostFrequent,
            },
            limit: usize::try_from(input.max_results.unwrap_or(50)).unwrap_or(50),
            from: input.next_token,
            ..Page::default()
        };
        let kinds = Ledger::default().kinds(ctx.store(), &row.id, &page).await?;
        Ok(ListDifferencesOutput {
            differences: Some(kinds.entries.iter().map(shown_kind).collect()),
            next_token: kinds.next,
        })
    }
}
