//! `ExecuteStatement`: one statement of PartiQL.

use undercast_kernel::smithy::document::to_document;
use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::shows_failed;
use crate::Dynamo;
use crate::api::dynamodb::operations::ExecuteStatement;
use crate::api::dynamodb::shapes::{
    ConsumedCapacity, ExecuteStatementInput, ExecuteStatementOutput,
};
use crate::engine::statement::{Place, read, returned};
use crate::error::invalid;
use crate::expression::{Select, Statement};
use crate::value::item_to_wire;

impl Handler<ExecuteStatement> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &ExecuteStatementInput) -> Vec<Access> {
        let statement = read(&input.statement, input.parameters.clone()).ok();
        statement.iter().map(|statement| self.statement_access(ctx, statement)).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ExecuteStatementInput,
    ) -> Result<ExecuteStatementOutput, ServiceError> {
        match read(&input.statement, input.parameters.clone())? {
            Statement::Select(select) => self.execute_select(&ctx, &input, &select).await,
            Statement::Exists(_) => Err(invalid("EXISTS can only be used within a transaction.")),
            statement => {
                let show_failed =
                    shows_failed(input.return_values_on_condition_check_failure.as_deref());
                let mode = input.return_consumed_capacity.as_deref();
                let (item, consumed) = self.write(&ctx, statement, show_failed, mode).await?;
                Ok(ExecuteStatementOutput {
                    items: Some(item.into_iter().collect()),
                    consumed_capacity: consumed,
                    ..ExecuteStatementOutput::default()
                })
            }
        }
    }
}

impl Dynamo {
    async fn execute_select(
        &self,
        ctx: &Context,
        input: &ExecuteStatementInput,
        select: &Select,
    ) -> Result<ExecuteStatementOutput, ServiceError> {
        let parameters = input.parameters.iter().flatten().map(to_document);
        let parameters: Vec<_> = parameters.collect();
        let request = serde_json::json!([input.statement, parameters]).to_string();
        let request = blake3::hash(request.as_bytes()).to_hex().to_string();
        let place = match &input.next_token {
            Some(token) => Place::parse(token, &request)?,
            None => Place::default(),
        };
        let tx = ctx.store().begin().await?;
        let limit = input.limit.and_then(|limit| usize::try_from(limit).ok());
        let consistent = input.consistent_read == Some(true);
        let read = self.select(&tx, ctx, select, place, limit, consistent).await?;
        let page = read.page;
        let mode = input.return_consumed_capacity.as_deref();
        Ok(ExecuteStatementOutput {
            items: Some(page.items.into_iter().map(item_to_wire).collect()),
            next_token: read.next.map(|place| place.shown(&request)),
            consumed_capacity: page.units.answer(mode, &read.table),
            last_evaluated_key: page.last.map(item_to_wire),
        })
    }

    /// Executes a statement that changes an item; what it returns of it, and what that cost.
    pub(super) async fn write(
        &self,
        ctx: &Context,
        statement: Statement,
        show_failed: bool,
        mode: Option<&str>,
    ) -> Result<(Option<super::WireItem>, Option<ConsumedCapacity>), ServiceError> {
        let (applied, item) = ctx
            .transact(statement, |tx, ctx, statement| async move {
                let mutation = self.mutation_of(&tx, &ctx, &statement, show_failed).await?;
                let applied = self.apply(&tx, &ctx, &mutation).await?;
                let item = returned(&statement, &applied);
                Ok((applied, item))
            })
            .await?;
        self.expiries.note(ctx.lane(), applied.due);
        Ok((item.map(item_to_wire), applied.units.answer(mode, &applied.table)))
    }
}
