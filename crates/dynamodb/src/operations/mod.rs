//! One file for each operation; what several of them share is here.

mod batch_execute_statement;
mod batch_get_item;
mod batch_write_item;
mod create_table;
mod delete_item;
mod delete_table;
mod describe_continuous_backups;
mod describe_endpoints;
mod describe_limits;
mod describe_stream;
mod describe_table;
mod describe_time_to_live;
mod execute_statement;
mod execute_transaction;
mod get_item;
mod get_records;
mod get_shard_iterator;
mod list_streams;
mod list_tables;
mod list_tags_of_resource;
mod put_item;
mod query;
mod scan;
mod tag_resource;
mod transact_get_items;
mod transact_write_items;
mod untag_resource;
mod update_continuous_backups;
mod update_item;
mod update_table;
mod update_time_to_live;

use std::collections::BTreeMap;

use undercast_kernel::smithy::Document;
use undercast_kernel::smithy::document::from_document;
use undercast_kernel::{Access, Arn, Context, Kernel, ServiceError};

use crate::Dynamo;
use crate::api::dynamodb::shapes::AttributeValue;
use crate::engine::mutation::{Applied, Mutation};
use crate::engine::stream;
use crate::engine::table::{arn, check_name, table_key};
use crate::error::{invalid, no_arn};
use crate::expression::{Condition, Kind, Scope, parse_condition};
use crate::store::{TABLES, TableKey};

type WireItem = BTreeMap<String, AttributeValue>;

/// Reads the tables that are there, so that the first calls know their keys for authorization.
pub(crate) async fn warm(kernel: &Kernel, dynamo: &Dynamo) -> Result<(), ServiceError> {
    let tx = kernel.db().begin().await?;
    for (key, row) in TABLES.scan(&tx, TABLES.all(), 1_000, false).await? {
        dynamo.tables.find(&tx, &key).await?;
        if row.stream.is_some_and(|stream| stream.enabled && stream.number == 0) {
            let begun = kernel.db().transact(|tx| stream::begin_old(tx, &key));
            begun.await?;
        }
    }
    Ok(())
}

fn table_arn(ctx: &Context, name: &str) -> String {
    arn(&table_key(ctx, name))
}

fn on_table(ctx: &Context, action: &str, name: &str) -> Vec<Access> {
    vec![Access::new(format!("dynamodb:{action}"), table_arn(ctx, name))]
}

pub(crate) fn scalar_text(value: &AttributeValue) -> Option<String> {
    use base64::Engine as _;
    if let Some(text) = value.s.as_ref().or(value.n.as_ref()) {
        return Some(text.clone());
    }
    let bytes = value.b.as_ref()?;
    Some(base64::engine::general_purpose::STANDARD.encode(&bytes.0))
}

/// An item as an error carries it.
fn wire_item(document: &Document) -> Option<WireItem> {
    let members = document.as_object()?.iter();
    let members = members.map(|(name, value)| Some((name.clone(), from_document(value).ok()?)));
    members.collect()
}

/// Access to one or more items: the values of their partition keys are a condition key.
fn on_items<'a>(
    dynamo: &Dynamo,
    ctx: &Context,
    action: &str,
    name: &str,
    items: impl IntoIterator<Item = &'a WireItem>,
) -> Access {
    let key = table_key(ctx, name);
    let mut access = Access::new(format!("dynamodb:{action}"), arn(&key));
    let table = dynamo.tables.peek(&key);
    let mut values = Vec::new();
    for item in items {
        match &table {
            Some(table) => values.extend(item.get(&table.row.hash).and_then(scalar_text)),
            // Which attribute is the partition key is not known here yet: all of them have to be allowed.
            None => values.extend(item.values().filter_map(scalar_text)),
        }
    }
    values.sort_unstable();
    values.dedup();
    if !values.is_empty() {
        access.conditions.push(("dynamodb:LeadingKeys".to_owned(), values));
    }
    access
}

/// Names and values of a request with one expression, which is a condition.
fn condition(
    text: Option<&str>,
    names: Option<BTreeMap<String, String>>,
    values: Option<WireItem>,
) -> Result<Option<Condition>, ServiceError> {
    let mut scope = Scope::new(names, values, text.is_some(), Some("ConditionExpression"))?;
    let condition = text.map(|text| parse_condition(Kind::Condition, text, &mut scope));
    let condition = condition.transpose()?;
    scope.finish()?;
    Ok(condition)
}

fn shows_failed(parameter: Option<&str>) -> bool {
    parameter == Some("ALL_OLD")
}

/// What `PutItem` and `DeleteItem` can return.
fn old_wanted(return_values: Option<&str>) -> Result<bool, ServiceError> {
    match return_values {
        None | Some("NONE") => Ok(false),
        Some("ALL_OLD") => Ok(true),
        Some(_) => Err(invalid("ReturnValues can only be ALL_OLD or NONE")),
    }
}

/// One mutation in a transaction of its own.
async fn mutate(
    dynamo: &Dynamo,
    ctx: &Context,
    mutation: Mutation,
) -> Result<Applied, ServiceError> {
    check_name(&mutation.table)?;
    let applied =
        ctx.transact(mutation, |tx, ctx, mutation| async move {
            dynamo.apply(&tx, &ctx, &mutation).await
        })
        .await?;
    dynamo.expiries.note(ctx.lane(), applied.due);
    Ok(applied)
}

/// The table that a tagging operation is about.
fn tagged(resource: &str) -> Result<TableKey, ServiceError> {
    let arn = Arn::parse(resource).filter(|arn| arn.service == "dynamodb");
    let Some(arn) = arn else {
        return Err(invalid(format!(
            "Invalid TableArn: Invalid ResourceArn provided as input {resource}"
        )));
    };
    match arn.resource.strip_prefix("table/") {
        Some(name) if !name.contains('/') => Ok((arn.account, arn.region, name.to_owned())),
        _ => Err(no_arn(resource)),
    }
}
