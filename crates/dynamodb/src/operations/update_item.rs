//! `UpdateItem`: changes parts of an item, or makes it.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{mutate, on_items, shows_failed};
use crate::Dynamo;
use crate::api::dynamodb::operations::UpdateItem;
use crate::api::dynamodb::shapes::{UpdateItemInput, UpdateItemOutput};
use crate::engine::mutation::{Action, Mutation};
use crate::expression::{Kind, Scope, Update, legacy, parse_condition, parse_update};
use crate::value::{Item, item_from_wire, item_to_wire};

impl Handler<UpdateItem> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &UpdateItemInput) -> Vec<Access> {
        vec![on_items(self, ctx, "UpdateItem", &input.table_name, [&input.key])]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateItemInput,
    ) -> Result<UpdateItemOutput, ServiceError> {
        legacy::check_unmixed(
            &[
                ("AttributeUpdates", input.attribute_updates.is_some()),
                ("Expected", input.expected.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            &[
                ("UpdateExpression", input.update_expression.is_some()),
                ("ConditionExpression", input.condition_expression.is_some()),
            ],
        )?;
        let updates = input.attribute_updates.filter(|updates| !updates.is_empty());
        let updates = updates.map(legacy::updates).transpose()?;
        let expected = legacy::expected(input.expected, input.conditional_operator.as_deref())?;
        let (update, condition) = (&input.update_expression, &input.condition_expression);
        let mut scope = Scope::new(
            input.expression_attribute_names,
            input.expression_attribute_values,
            update.is_some() || condition.is_some(),
            Some("UpdateExpression"),
        )?;
        let update = update.as_ref().map(|text| parse_update(text, &mut scope));
        let update = update.transpose()?;
        let parse = |text: &String| parse_condition(Kind::Condition, text, &mut scope);
        let condition = condition.as_ref().map(parse).transpose()?;
        scope.finish()?;
        // Removing from an item that is not there does not make it, where it was asked for in the old way.
        let skip_missing = updates.as_ref().is_some_and(Update::only_removes);
        let update = update.or(updates);
        let touched = update.as_ref().map(|update| update.touched()).unwrap_or_default();
        let key = item_from_wire(input.key)?;
        let mutation = Mutation {
            condition: condition.or(expected),
            skip_missing,
            show_failed: shows_failed(input.return_values_on_condition_check_failure.as_deref()),
            ..Mutation::new(&input.table_name, Action::Update { key, update })
        };
        let applied = mutate(self, &ctx, mutation).await?;
        let part =
            |item: Option<Item>| item.map(|item| touched.apply(&item)).filter(|i| !i.is_empty());
        let attributes = match input.return_values.as_deref() {
            Some("ALL_OLD") => applied.old,
            Some("ALL_NEW") => applied.new,
            Some("UPDATED_OLD") => part(applied.old),
            Some("UPDATED_NEW") => part(applied.new),
            _ => None,
        };
        applied.units.count_written(&ctx, &applied.table);
        let wanted = input.return_consumed_capacity;
        Ok(UpdateItemOutput {
            consumed_capacity: applied.units.answer(wanted.as_deref(), &applied.table),
            attributes: attributes.map(item_to_wire),
            item_collection_metrics: None,
        })
    }
}
