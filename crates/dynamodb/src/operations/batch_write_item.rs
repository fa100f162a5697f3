//! `BatchWriteItem`: puts and deletes many items. Each write is whole; the batch is not one.

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_items;
use crate::Dynamo;
use crate::api::dynamodb::operations::BatchWriteItem;
use crate::api::dynamodb::shapes::{BatchWriteItemInput, BatchWriteItemOutput, WriteRequest};
use crate::engine::capacity::Units;
use crate::engine::mutation::{Action, Mutation, check_new};
use crate::engine::table::{check_name, table_key};
use crate::error::invalid;
use crate::limits::BATCH_WRITES_MAX;
use crate::value::{item_bytes, item_from_wire};

/// What goes into one transaction of the store, indexes included.
const TRANSACTION_BYTES: usize = 4 << 20;

impl Handler<BatchWriteItem> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &BatchWriteItemInput) -> Vec<Access> {
        let items = |request: &WriteRequest| match (&request.put_request, &request.delete_request) {
            (Some(put), _) => Some(put.item.clone()),
            (None, Some(delete)) => Some(delete.key.clone()),
            (None, None) => None,
        };
        let tables = input.request_items.iter();
        tables
            .map(|(name, requests)| {
                let items: Vec<_> = requests.iter().filter_map(items).collect();
                on_items(self, ctx, "BatchWriteItem", name, &items)
            })
            .collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: BatchWriteItemInput,
    ) -> Result<BatchWriteItemOutput, ServiceError> {
        let wanted = input.return_consumed_capacity.clone();
        let mutations = read(input)?;
        self.check_items(&ctx, &mutations).await?;
        let mut consumed = BTreeMap::new();
        for chunk in self.chunks(&ctx, mutations) {
            let written = ctx
                .transact(chunk, |tx, ctx, chunk| async move {
                    let mut applied = Vec::with_capacity(chunk.len());
                    for mutation in chunk.iter() {
                        applied.push(self.apply(&tx, &ctx, mutation).await?);
                    }
                    Ok(applied)
                })
                .await?;
            for applied in written {
                self.expiries.note(ctx.lane(), applied.due);
                applied.units.count_written(&ctx, &applied.table);
                let name = applied.table.name().to_owned();
                let entry = consumed.entry(name).or_insert((applied.table, Units::default()));
                entry.1.add(&applied.units);
            }
        }
        let consumed = consumed.values();
        let consumed: Vec<_> =
            consumed.filter_map(|(table, units)| units.answer(wanted.as_deref(), table)).collect();
        Ok(BatchWriteItemOutput {
            unprocessed_items: Some(BTreeMap::new()),
            item_collection_metrics: None,
            consumed_capacity: Some(consumed).filter(|c| !c.is_empty()),
        })
    }
}

fn read(input: BatchWriteItemInput) -> Result<Vec<Mutation>, ServiceError> {
    if input.request_items.is_empty() || input.request_items.values().any(Vec::is_empty) {
        return Err(invalid("The batch write request list for a table cannot be null or empty"));
    }
    let total: usize = input.request_items.values().map(Vec::len).sum();
    if total > BATCH_WRITES_MAX {
        return Err(invalid("Too many items requested for the BatchWriteItem call"));
    }
    let mut mutations = Vec::with_capacity(total);
    for (name, requests) in input.request_items {
        check_name(&name)?;
        for request in requests {
            let action = match (request.put_request, request.delete_request) {
                (Some(put), None) => Action::Put(item_from_wire(put.item)?),
                (None, Some(delete)) => Action::Delete { key: item_from_wire(delete.key)? },
                _ => {
                    return Err(invalid(
                        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
                    ));
                }
            };
            mutations.push(Mutation::new(&name, action));
        }
    }
    Ok(mutations)
}

impl Dynamo {
    /// Nothing of a batch is written if one of its items is bad, or named twice.
    async fn check_items(&self, ctx: &Context, mutations: &[Mutation]) -> Result<(), ServiceError> {
        let tx = ctx.store().begin().await?;
        let mut seen = BTreeSet::new();
        for mutation in mutations {
            let table = self.tables.require(&tx, ctx, &mutation.table).await?;
            let key = mutation.key_of(&table).map_err(|error| match &mutation.action {
                // Recorded from AWS: a batch does not tell what is wrong with the key.
                Action::Put(item) if table.schema.get(item).is_none() => {
                    let missing = table.schema.names().iter().any(|name| !item.contains_key(*name));
                    if missing { crate::error::key_mismatch() } else { error }
                }
                _ => error,
            })?;
            if let Action::Put(item) = &mutation.action {
                check_new(&table, item, "Item size has exceeded the maximum allowed size")?;
            }
            if !seen.insert(key.in_table(table.row.number)) {
                return Err(invalid("Provided list of item keys contains duplicates"));
            }
        }
        Ok(())
    }

    /// Cut so that each part fits a transaction of the store.
    fn chunks(&self, ctx: &Context, mutations: Vec<Mutation>) -> Vec<Vec<Mutation>> {
        let mut chunks = vec![Vec::new()];
        let mut bytes = 0;
        for mutation in mutations {
            let table = self.tables.peek(&table_key(ctx, &mutation.table));
            let copies = 1 + table
                .map_or(0, |table| table.indexes.len() + usize::from(table.row.stream.is_some()));
            let size = match &mutation.action {
                Action::Put(item) => item_bytes(item) * copies,
                _ => 0,
            };
            if bytes > 0 && bytes + size > TRANSACTION_BYTES {
                chunks.push(Vec::new());
                bytes = 0;
            }
            bytes += size;
            if let Some(chunk) = chunks.last_mut() {
                chunk.push(mutation);
            }
        }
        chunks
    }
}
