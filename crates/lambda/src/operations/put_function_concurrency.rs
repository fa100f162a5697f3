//! `PutFunctionConcurrency`: reserves concurrency for a function, and limits it to that.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Lambda;
use crate::api::lambda::operations::PutFunctionConcurrency;
use crate::api::lambda::shapes::{Concurrency, PutFunctionConcurrencyInput};
use crate::error::invalid;
use crate::limits::{CONCURRENCY_MAX, UNRESERVED_MIN};
use crate::name::FunctionName;
use crate::store::FUNCTIONS;

impl Handler<PutFunctionConcurrency> for Lambda {
    fn authorize(&self, ctx: &Context, input: &PutFunctionConcurrencyInput) -> Vec<Access> {
        super::access(ctx, "PutFunctionConcurrency", &input.function_name, None)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutFunctionConcurrencyInput,
    ) -> Result<Concurrency, ServiceError> {
        let name = FunctionName::parse(&ctx, &input.function_name, None)?;
        let wanted = u32::try_from(input.reserved_concurrent_executions).unwrap_or_default();
        ctx.transact(name, move |tx, _, name| async move {
            let mut row = super::require(&tx, &name).await?;
            let scope = (name.account.clone(), name.region.clone());
            let all = FUNCTIONS.scan(&tx, FUNCTIONS.prefix(&scope), 10_000, false).await?;
            let others = all.iter().filter(|(key, _)| key.2 != name.name);
            let others: u32 = others.filter_map(|(_, row)| row.reserved).sum();
            if others.saturating_add(wanted) > CONCURRENCY_MAX - UNRESERVED_MIN {
                return Err(invalid(format!(
                    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
                )));
            }
            row.reserved = Some(wanted);
            FUNCTIONS.put(&tx, &name.key(), &row)?;
            Ok(Concurrency {
                reserved_concurrent_executions: i32::try_from(wanted).ok(),
            })
        })
        .await
    }
}
