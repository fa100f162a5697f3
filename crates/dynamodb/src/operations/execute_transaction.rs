//! `ExecuteTransaction`: up to a hundred statements of PartiQL, all or none.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::shows_failed;
use super::transact_write_items::{Token, capacities};
use crate::Dynamo;
use crate::api::dynamodb::operations::ExecuteTransaction;
use crate::api::dynamodb::shapes::{
    ExecuteTransactionInput, ExecuteTransactionOutput, ItemResponse, ParameterizedStatement,
};
use crate::engine::capacity::Units;
use crate::engine::statement::read;
use crate::error::invalid;
use crate::expression::{Select, Statement};
use crate::value::item_to_wire;

impl Handler<ExecuteTransaction> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &ExecuteTransactionInput) -> Vec<Access> {
        let read = |s: &ParameterizedStatement| read(&s.statement, s.parameters.clone()).ok();
        let statements = input.transact_statements.iter().filter_map(read);
        statements.map(|statement| self.statement_access(ctx, &statement)).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: ExecuteTransactionInput,
    ) -> Result<ExecuteTransactionOutput, ServiceError> {
        let mode = input.return_consumed_capacity.clone();
        let token = input.client_request_token.clone().map(|token| {
            Token::new(
                token,
                &ExecuteTransactionInput {
                    client_request_token: None,
                    return_consumed_capacity: None,
                    ..input.clone()
                },
            )
        });
        let mut statements = Vec::with_capacity(input.transact_statements.len());
        for given in input.transact_statements {
            let show_failed =
                shows_failed(given.return_values_on_condition_check_failure.as_deref());
            statements.push((read(&given.statement, given.parameters)?, show_failed));
        }
        let is_read = |statement: &Statement| match statement {
            Statement::Select(select) => Some(select.clone()),
            _ => None,
        };
        let selects: Vec<Select> = statements.iter().filter_map(|(s, _)| is_read(s)).collect();
        if selects.len() == statements.len() {
            return self.read_all(&ctx, &selects, mode.as_deref()).await;
        }
        if !selects.is_empty() {
            return Err(invalid(
                "The entire transaction must consist of either read statements or write statements, you cannot mix both in one transaction.",
            ));
        }
        let applied = self
            .once(&ctx, token, statements, |tx, ctx, statements| async move {
                let mut mutations = Vec::with_capacity(statements.len());
                for (statement, show_failed) in statements.iter() {
                    mutations.push(self.mutation_of(&tx, &ctx, statement, *show_failed).await?);
                }
                self.apply_all(&tx, &ctx, &mutations).await
            })
            .await?;
        Ok(ExecuteTransactionOutput {
            responses: None,
            consumed_capacity: capacities(applied, mode.as_deref()),
        })
    }
}

impl Dynamo {
    /// Items of one moment.
    async fn read_all(
        &self,
        ctx: &Context,
        selects: &[Select],
        mode: Option<&str>,
    ) -> Result<ExecuteTransactionOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let mut responses = Vec::with_capacity(selects.len());
        let mut consumed = BTreeMap::new();
        for select in selects {
            let (table, item, units) =
                self.select_one(&tx, ctx, select, true, "ExecuteTransaction").await?;
            let name = table.name().to_owned();
            let entry = consumed.entry(name).or_insert((table, Units::default()));
            entry.1.add(&units.doubled());
            responses.push(ItemResponse { item: item.map(item_to_wire) });
        }
        let consumed = consumed.values();
        let consumed: Vec<_> =
            consumed.filter_map(|(table, units)| units.answer(mode, table)).collect();
        Ok(ExecuteTransactionOutput {
            responses: Some(responses),
            consumed_capacity: Some(consumed).filter(|c| !c.is_empty()),
        })
    }
}
