//! `StopQuery`: stops a query that runs.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{invalid, no_query, query_key};
use crate::Logs;
use crate::api::logs::operations::StopQuery;
use crate::api::logs::shapes::{StopQueryInput, StopQueryOutput};
use crate::store::QUERIES;

impl Handler<StopQuery> for Logs {
    fn authorize(&self, _: &Context, _: &StopQueryInput) -> Vec<Access> {
        vec![Access::new("logs:StopQuery", "*")]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: StopQueryInput,
    ) -> Result<StopQueryOutput, ServiceError> {
        ctx.transact(input, |tx, ctx, input| async move {
            let key = query_key(&ctx, &input.query_id);
            let mut row = QUERIES.get(&tx, &key).await?.ok_or_else(no_query)?;
            if row.status != "Running" {
                return Err(invalid(format!("Query {} is not in Running state", input.query_id)));
            }
            row.status = "Cancelled".to_owned();
            QUERIES.put(&tx, &key, &row)?;
            Ok(StopQueryOutput { success: Some(true) })
        })
        .await
    }
}
