//! `BatchGetItem`: reads many items, of one moment.

use std::collections::BTreeMap;

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_items;
use crate::Dynamo;
use crate::api::dynamodb::operations::BatchGetItem;
use crate::api::dynamodb::shapes::{
    AttributeValue, BatchGetItemInput, BatchGetItemOutput, KeysAndAttributes,
};
use crate::engine::capacity::{Units, read_units};
use crate::engine::table::check_name;
use crate::engine::write::load;
use crate::error::invalid;
use crate::expression::{Projection, Scope, legacy, parse_projection};
use crate::limits::{BATCH_GET_BYTES_MAX, BATCH_GET_KEYS_MAX};
use crate::value::{Item, item_from_wire, item_to_wire};

type WireItem = BTreeMap<String, AttributeValue>;

struct Wanted {
    keys: Vec<WireItem>,
    projection: Option<Projection>,
    consistent: bool,
    as_given: KeysAndAttributes,
}

impl Handler<BatchGetItem> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &BatchGetItemInput) -> Vec<Access> {
        let tables = input.request_items.iter();
        tables
            .map(|(name, wanted)| on_items(self, ctx, "BatchGetItem", name, &wanted.keys))
            .collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: BatchGetItemInput,
    ) -> Result<BatchGetItemOutput, ServiceError> {
        if input.request_items.is_empty() {
            return Err(invalid("The requestItems parameter is required for BatchGetItem"));
        }
        let total: usize = input.request_items.values().map(|wanted| wanted.keys.len()).sum();
        if total > BATCH_GET_KEYS_MAX {
            return Err(invalid("Too many items requested for the BatchGetItem call"));
        }
        let any = |given: fn(&KeysAndAttributes) -> bool| input.request_items.values().any(given);
        legacy::check_unmixed(
            &[("AttributesToGet", any(|wanted| wanted.attributes_to_get.is_some()))],
            &[("ProjectionExpression", any(|wanted| wanted.projection_expression.is_some()))],
        )?;
        let wanted = input.request_items.into_iter();
        let wanted = wanted.map(|(name, wanted)| Ok((name, read(wanted)?)));
        let wanted: Vec<(String, Wanted)> = wanted.collect::<Result<_, ServiceError>>()?;
        let tx = ctx.store().begin().await?;
        let mut output = BatchGetItemOutput::default();
        let mut responses = BTreeMap::new();
        let mut unprocessed = BTreeMap::new();
        let mut consumed = Vec::new();
        let mut bytes = 0;
        for (name, wanted) in wanted {
            check_name(&name)?;
            let table = self.tables.require(&tx, &ctx, &name).await?;
            let mut units = Units::default();
            let (mut items, mut left) = (Vec::new(), Vec::new());
            let mut seen = std::collections::BTreeSet::new();
            for given in wanted.keys {
                let key = table.schema.of_key(&item_from_wire(given.clone())?)?;
                if !seen.insert(key.in_table(table.row.number)) {
                    return Err(invalid("Provided list of item keys contains duplicates"));
                }
                if bytes >= BATCH_GET_BYTES_MAX {
                    left.push(given);
                    continue;
                }
                let Some(stored) = load(&tx, &table, &key).await? else {
                    units.table += read_units(0, wanted.consistent);
                    continue;
                };
                bytes += stored.size()?;
                units.table += read_units(stored.size()?, wanted.consistent);
                items.push(item_to_wire(project(wanted.projection.as_ref(), stored.item()?)));
            }
            units.count_read(&ctx, &table);
            consumed.extend(units.answer(input.return_consumed_capacity.as_deref(), &table));
            if !left.is_empty() {
                unprocessed
                    .insert(name.clone(), KeysAndAttributes { keys: left, ..wanted.as_given });
            }
            responses.insert(name, items);
        }
        output.responses = Some(responses);
        output.unprocessed_keys = Some(unprocessed);
        output.consumed_capacity = Some(consumed).filter(|c| !c.is_empty());
        Ok(output)
    }
}

fn read(wanted: KeysAndAttributes) -> Result<Wanted, ServiceError> {
    let text = wanted.projection_expression.as_deref();
    let names = wanted.expression_attribute_names.clone();
    let mut scope = Scope::new(names, None, text.is_some(), Some("ProjectionExpression"))?;
    let projection = text.map(|text| parse_projection(text, &mut scope)).transpose()?;
    scope.finish()?;
    let projection = projection.or(legacy::attributes(wanted.attributes_to_get.as_deref())?);
    let mut as_given = wanted;
    Ok(Wanted {
        keys: std::mem::take(&mut as_given.keys),
        projection,
        consistent: as_given.consistent_read == Some(true),
        as_given,
    })
}

pub(super) fn project(projection: Option<&Projection>, item: Item) -> Item {
    match projection {
        Some(projection) => projection.apply(&item),
        None => item,
    }
}
