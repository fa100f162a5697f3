//! `TransactGetItems`: reads many items, of one moment.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::batch_get_item::project;
use super::on_items;
use crate::Dynamo;
use crate::api::dynamodb::operations::TransactGetItems;
use crate::api::dynamodb::shapes::{
    Get, ItemResponse, TransactGetItemsInput, TransactGetItemsOutput,
};
use crate::engine::capacity::{Units, read_units};
use crate::engine::table::check_name;
use crate::engine::write::{Stored, load};
use crate::expression::{Projection, Scope, parse_projection};
use crate::value::{Item, item_from_wire, item_to_wire};

struct Wanted {
    table: String,
    key: Item,
    projection: Option<Projection>,
}

impl Handler<TransactGetItems> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &TransactGetItemsInput) -> Vec<Access> {
        let gets = input.transact_items.iter().map(|item| &item.get);
        gets.map(|get| on_items(self, ctx, "GetItem", &get.table_name, [&get.key])).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: TransactGetItemsInput,
    ) -> Result<TransactGetItemsOutput, ServiceError> {
        let wanted = input.transact_items.into_iter().map(|item| read(item.get));
        let wanted: Vec<Wanted> = wanted.collect::<Result<_, _>>()?;
        let tx = ctx.store().begin().await?;
        let mut responses = Vec::with_capacity(wanted.len());
        let mut consumed = BTreeMap::new();
        for wanted in wanted {
            let table = self.tables.require(&tx, &ctx, &wanted.table).await?;
            let key = table.schema.of_key(&wanted.key)?;
            let stored = load(&tx, &table, &key).await?;
            let size = stored.as_ref().map(Stored::size).transpose()?.unwrap_or(0);
            let units = Units::of_table(read_units(size, true)).doubled();
            units.count_read(&ctx, &table);
            let name = table.name().to_owned();
            consumed.entry(name).or_insert((table, Units::default())).1.add(&units);
            let item = stored.as_ref().map(Stored::item).transpose()?;
            responses.push(ItemResponse {
                item: item.map(|item| item_to_wire(project(wanted.projection.as_ref(), item))),
            });
        }
        let mode = input.return_consumed_capacity;
        let consumed = consumed.values();
        let consumed: Vec<_> =
            consumed.filter_map(|(table, units)| units.answer(mode.as_deref(), table)).collect();
        Ok(TransactGetItemsOutput {
            consumed_capacity: Some(consumed).filter(|c| !c.is_empty()),
            responses: Some(responses),
        })
    }
}

fn read(get: Get) -> Result<Wanted, ServiceError> {
    check_name(&get.table_name)?;
    let text = get.projection_expression.as_deref();
    let names = get.expression_attribute_names;
    let mut scope = Scope::new(names, None, text.is_some(), Some("ProjectionExpression"))?;
    let projection = text.map(|text| parse_projection(text, &mut scope)).transpose()?;
    scope.finish()?;
    Ok(Wanted { table: get.table_name, key: item_from_wire(get.key)?, projection })
}
