//! `PutItem`: writes a whole item.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{condition, mutate, old_wanted, on_items, shows_failed};
use crate::Dynamo;
use crate::api::dynamodb::operations::PutItem;
use crate::api::dynamodb::shapes::{PutItemInput, PutItemOutput};
use crate::engine::mutation::{Action, Mutation};
use crate::expression::legacy;
use crate::value::{item_from_wire, item_to_wire};

impl Handler<PutItem> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &PutItemInput) -> Vec<Access> {
        vec![on_items(self, ctx, "PutItem", &input.table_name, [&input.item])]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: PutItemInput,
    ) -> Result<PutItemOutput, ServiceError> {
        legacy::check_unmixed(
            &[
                ("Expected", input.expected.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            &[("ConditionExpression", input.condition_expression.is_some())],
        )?;
        let expected = legacy::expected(input.expected, input.conditional_operator.as_deref())?;
        let condition = condition(
            input.condition_expression.as_deref(),
            input.expression_attribute_names,
            input.expression_attribute_values,
        )?;
        let want_old = old_wanted(input.return_values.as_deref())?;
        let item = item_from_wire(input.item)?;
        let mutation = Mutation {
            condition: condition.or(expected),
            want_old,
            show_failed: shows_failed(input.return_values_on_condition_check_failure.as_deref()),
            ..Mutation::new(&input.table_name, Action::Put(item))
        };
        let applied = mutate(self, &ctx, mutation).await?;
        applied.units.count_written(&ctx, &applied.table);
        let wanted = input.return_consumed_capacity;
        Ok(PutItemOutput {
            consumed_capacity: applied.units.answer(wanted.as_deref(), &applied.table),
            attributes: applied.old.filter(|_| want_old).map(item_to_wire),
            item_collection_metrics: None,
        })
    }
}
