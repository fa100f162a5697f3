//! `BatchExecuteStatement`: many statements of PartiQL, each by itself.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::shows_failed;
use crate::Dynamo;
use crate::api::dynamodb::operations::BatchExecuteStatement;
use crate::api::dynamodb::shapes::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchStatementError,
    BatchStatementRequest, BatchStatementResponse, ConsumedCapacity,
};
use crate::engine::statement::read;
use crate::error::invalid;
use crate::expression::Statement;
use crate::value::item_to_wire;

impl Handler<BatchExecuteStatement> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &BatchExecuteStatementInput) -> Vec<Access> {
        let read = |s: &BatchStatementRequest| read(&s.statement, s.parameters.clone()).ok();
        let statements = input.statements.iter().filter_map(read);
        statements.map(|statement| self.statement_access(ctx, &statement)).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: BatchExecuteStatementInput,
    ) -> Result<BatchExecuteStatementOutput, ServiceError> {
        let statements: Vec<_> =
            input.statements.iter().map(|s| read(&s.statement, s.parameters.clone())).collect();
        let reads = statements.iter().flatten().filter(|s| s.is_read()).count();
        if reads != 0 && reads != statements.iter().flatten().count() {
            return Err(invalid(
                "The entire batch must consist of either read statements or write statements, you cannot mix both in one batch.",
            ));
        }
        let mode = input.return_consumed_capacity.as_deref();
        let mut consumed: BTreeMap<String, ConsumedCapacity> = BTreeMap::new();
        let mut responses = Vec::with_capacity(statements.len());
        for (request, statement) in input.statements.iter().zip(statements) {
            let table = statement.as_ref().ok().map(|s| s.table().to_owned());
            let result = match statement {
                Ok(statement) => self.execute_one(&ctx, request, statement, mode).await,
                Err(error) => Err(error),
            };
            let mut response = BatchStatementResponse { table_name: table, ..Default::default() };
            match result {
                Ok((item, used)) => {
                    response.item = item;
                    add(&mut consumed, used);
                }
                Err(error) if error.status().is_some_and(|status| status >= 500) => {
                    return Err(error);
                }
                Err(error) => response.error = Some(shown(&error)),
            }
            responses.push(response);
        }
        Ok(BatchExecuteStatementOutput {
            responses: Some(responses),
            consumed_capacity: Some(consumed.into_values().collect::<Vec<_>>())
                .filter(|all| !all.is_empty()),
        })
    }
}

impl Dynamo {
    async fn execute_one(
        &self,
        ctx: &Context,
        request: &BatchStatementRequest,
        statement: Statement,
        mode: Option<&str>,
    ) -> Result<(Option<super::WireItem>, Option<ConsumedCapacity>), ServiceError> {
        match statement {
            Statement::Select(select) => {
                let tx = ctx.store().begin().await?;
                let consistent = request.consistent_read == Some(true);
                let what = "BatchExecuteStatement";
                let (table, item, units) =
                    self.select_one(&tx, ctx, &select, consistent, what).await?;
                Ok((item.map(item_to_wire), units.answer(mode, &table)))
            }
            Statement::Exists(_) => Err(invalid("EXISTS can only be used within a transaction.")),
            statement => {
                let show_failed =
                    shows_failed(request.return_values_on_condition_check_failure.as_deref());
                self.write(ctx, statement, show_failed, mode).await
            }
        }
    }
}

fn add(consumed: &mut BTreeMap<String, ConsumedCapacity>, used: Option<ConsumedCapacity>) {
    let Some(used) = used else {
        return;
    };
    let name = used.table_name.clone().unwrap_or_default();
    match consumed.get_mut(&name) {
        Some(all) => {
            let sum = all.capacity_units.unwrap_or(0.0) + used.capacity_units.unwrap_or(0.0);
            all.capacity_units = Some(sum);
        }
        None => {
            consumed.insert(name, used);
        }
    }
}

fn shown(error: &ServiceError) -> BatchStatementError {
    let code = match error.code() {
        "ConditionalCheckFailedException" => "ConditionalCheckFailed",
        "DuplicateItemException" => "DuplicateItem",
        "ResourceNotFoundException" => "ResourceNotFound",
        "AccessDeniedException" => "AccessDenied",
        _ => "ValidationError",
    };
    let item = error.fields().iter().find(|(name, _)| *name == "Item");
    BatchStatementError {
        code: Some(code.to_owned()),
        message: Some(error.message().to_owned()),
        item: item.and_then(|(_, item)| super::wire_item(item)),
    }
}
