//! Statements of PartiQL at work: on the pages of queries and scans, and on the mutations of items.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use undercast_kernel::smithy::document::{from_document, to_document};
use undercast_kernel::{Access, Context, ServiceError};
use undercast_store::Tx;

use super::capacity::{Units, read_units};
use super::key::{check_types, query, whole};
use super::mutation::{Action, Applied, Mutation};
use super::read::{Page, Plan, check_consistent, select};
use super::table::{Table, arn, check_name, table_key};
use super::write::{Stored, load};
use crate::Dynamo;
use crate::api::dynamodb::shapes::AttributeValue;
use crate::error::invalid;
use crate::expression::{
    Condition, Keys, Path, Projection, RangeCondition, Returning, Select, Statement, and,
    equal_values, parse_statement,
};
use crate::operations::scalar_text;
use crate::value::{Item, from_wire, item_from_wire, item_to_wire, to_wire};

/// Reads a statement and its parameters.
pub(crate) fn read(
    text: &str,
    parameters: Option<Vec<AttributeValue>>,
) -> Result<Statement, ServiceError> {
    let parameters = parameters.unwrap_or_default().into_iter().map(from_wire);
    let statement = parse_statement(text, parameters.collect::<Result<_, _>>()?)?;
    check_name(statement.table())?;
    Ok(statement)
}

fn mandatory_keys() -> ServiceError {
    invalid("Where clause does not contain a mandatory equality on all key attributes")
}

/// Where a page of a statement begins: among the partitions that it asks for, behind an item.
#[derive(Debug, Default)]
pub(crate) struct Place {
    partition: usize,
    behind: Option<Item>,
}

impl Place {
    /// A token is good for the request that it was given for.
    pub(crate) fn parse(token: &str, request: &str) -> Result<Self, ServiceError> {
        let parsed = || {
            let bytes = BASE64.decode(token).ok()?;
            let token: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
            if token.get("request")?.as_str()? != request {
                return None;
            }
            let partition = usize::try_from(token.get("partition")?.as_u64()?).ok()?;
            let behind = match token.get("behind")? {
                serde_json::Value::Null => None,
                key => {
                    let key = key.as_object()?.iter();
                    let key =
                        key.map(|(name, value)| Some((name.clone(), from_document(value).ok()?)));
                    Some(item_from_wire(key.collect::<Option<_>>()?).ok()?)
                }
            };
            Some(Self { partition, behind })
        };
        parsed().ok_or_else(|| invalid("NextToken does not match request"))
    }

    pub(crate) fn shown(&self, request: &str) -> String {
        let key = |item: &Item| -> serde_json::Map<String, serde_json::Value> {
            let wire = item_to_wire(item.clone());
            wire.iter().map(|(name, value)| (name.clone(), to_document(value))).collect()
        };
        let token = json!({
            "request": request,
            "partition": self.partition,
            "behind": self.behind.as_ref().map(key),
        });
        BASE64.encode(token.to_string())
    }
}

/// What one call reads.
pub(crate) struct Read {
    pub(crate) table: Arc<Table>,
    pub(crate) page: Page,
    pub(crate) next: Option<Place>,
}

impl Dynamo {
    /// What the caller of a statement has to be allowed.
    pub(crate) fn statement_access(&self, ctx: &Context, statement: &Statement) -> Access {
        let key = table_key(ctx, statement.table());
        let table = self.tables.peek(&key);
        let mut resource = arn(&key);
        let mut hashes = Vec::new();
        let (filter, index) = match statement {
            Statement::Select(select) | Statement::Exists(select) => {
                (select.filter.as_ref(), select.index.as_ref())
            }
            Statement::Insert { item, .. } => {
                match &table {
                    Some(table) => hashes.extend(item.get(&table.row.hash).cloned()),
                    None => hashes.extend(item.values().cloned()),
                }
                (None, None)
            }
            Statement::Update { filter, .. } | Statement::Delete { filter, .. } => {
                (Some(filter), None)
            }
        };
        if let Some(index) = index {
            resource = format!("{resource}/index/{index}");
        }
        if let Some(table) = &table {
            let schema = match index.map(|index| table.index(index)) {
                Some(Ok(index)) => &index.schema,
                _ => &table.schema,
            };
            hashes.extend(Keys::of(filter.cloned(), &schema.hash.name, None).hashes);
        } else if let Some(filter) = filter {
            // Which attribute is the key is not known here yet: all of them have to be allowed.
            hashes.extend(equal_values(filter));
        }
        let mut access = Access::new(format!("dynamodb:{}", statement.action()), resource);
        if let Statement::Select(_) = statement
            && table.is_some()
        {
            let scans = if hashes.is_empty() { "true" } else { "false" };
            access = access.when("dynamodb:FullTableScan", scans);
        }
        let values: Vec<String> =
            hashes.into_iter().filter_map(|hash| scalar_text(&to_wire(hash))).collect();
        if !values.is_empty() {
            access.conditions.push(("dynamodb:LeadingKeys".to_owned(), values));
        }
        access
    }

    /// One page of a `SELECT`: a query of each partition that it names, or a scan.
    pub(crate) async fn select(
        &self,
        tx: &Tx,
        ctx: &Context,
        statement: &Select,
        place: Place,
        limit: Option<usize>,
        consistent: bool,
    ) -> Result<Read, ServiceError> {
        let table = self.tables.require(tx, ctx, &statement.table).await?;
        let index = statement.index.as_ref().map(|name| table.index(name)).transpose()?;
        check_consistent(index, consistent)?;
        let schema = index.map_or(&table.schema, |index| &index.schema);
        let range_name = schema.range.as_ref().map(|range| range.name.as_str());
        let keys = Keys::of(statement.filter.clone(), &schema.hash.name, range_name);
        for hash in &keys.hashes {
            check_types(schema, hash, keys.range.as_ref().map(RangeCondition::values))?;
        }
        let reverse = falls(statement, &keys, &schema.hash.name, range_name)?;
        let columns = statement.columns.as_ref().map(|columns| Projection::new(columns.iter()));
        let selection = select(None, index, columns.as_ref(), "Selecting")?;
        let number = index.map_or(table.row.number, |index| index.row.number);
        let partitions: Vec<_> = match keys.hashes.as_slice() {
            [] => vec![whole(number)],
            hashes => {
                let range = |hash| query(number, index.is_some(), hash, keys.range.as_ref());
                hashes.iter().map(range).collect()
            }
        };
        let mut page = Page::default();
        let Place { partition: first, mut behind } = place;
        let mut next = None;
        for (at, range) in partitions.iter().enumerate().skip(first) {
            let left = limit.map(|limit| limit.saturating_sub(page.scanned));
            if left == Some(0) {
                next = Some(Place { partition: at, behind: None });
                break;
            }
            let mut plan = Plan {
                table: &table,
                index,
                range: range.clone(),
                reverse,
                limit: left,
                consistent,
                filter: keys.rest.as_ref(),
                projection: columns.as_ref(),
                count_only: false,
                fetch: selection.fetch,
            };
            if let Some(start) = behind.take() {
                plan.start_behind(&start)?;
            }
            let part = plan.run(tx).await?;
            page.items.extend(part.items);
            page.scanned += part.scanned;
            page.units.add(&part.units);
            if part.last.is_some() {
                page.last.clone_from(&part.last);
                next = Some(Place { partition: at, behind: part.last });
                break;
            }
        }
        Ok(Read { page, next, table })
    }

    /// The one item that a `SELECT` names by its whole key.
    pub(crate) async fn select_one(
        &self,
        tx: &Tx,
        ctx: &Context,
        statement: &Select,
        consistent: bool,
        what: &str,
    ) -> Result<(Arc<Table>, Option<Item>, Units), ServiceError> {
        let table = self.tables.require(tx, ctx, &statement.table).await?;
        let named = statement.filter.clone().filter(|_| statement.index.is_none());
        let Some((key, rest)) = named.and_then(|filter| whole_key(&table, filter)) else {
            return Err(invalid(format!(
                "Select statements within {what} must specify the primary key in the where clause."
            )));
        };
        let stored = load(tx, &table, &table.schema.of_key(&key)?).await?;
        let size = stored.as_ref().map(Stored::size).transpose()?.unwrap_or(0);
        let item = stored.as_ref().map(Stored::item).transpose()?;
        let item = item.filter(|item| rest.as_ref().is_none_or(|rest| rest.holds(item)));
        let columns = statement.columns.as_ref().map(|columns| Projection::new(columns.iter()));
        let item = item.map(|item| match &columns {
            Some(columns) => columns.apply(&item),
            None => item,
        });
        Ok((table, item, Units::of_table(read_units(size, consistent))))
    }

    /// The mutation that a statement other than `SELECT` comes to.
    pub(crate) async fn mutation_of(
        &self,
        tx: &Tx,
        ctx: &Context,
        statement: &Statement,
        show_failed: bool,
    ) -> Result<Mutation, ServiceError> {
        let table = self.tables.require(tx, ctx, statement.table()).await?;
        let hash = || Path { name: table.row.hash.clone(), rest: Vec::new() };
        let named =
            |filter: &Condition| whole_key(&table, filter.clone()).ok_or_else(mandatory_keys);
        let there = |rest: Option<Condition>| {
            and(std::iter::once(Condition::Exists(hash())).chain(rest).collect())
        };
        let (action, condition, is_insert) = match statement {
            Statement::Insert { item, .. } => {
                (Action::Put(item.clone()), Some(Condition::Missing(hash())), true)
            }
            Statement::Update { update, filter, .. } => {
                let (key, rest) = named(filter)?;
                (Action::Update { key, update: Some(update.clone()) }, there(rest), false)
            }
            Statement::Delete { filter, .. } => {
                // What is not there is deleted, whatever else is asked of it.
                let (key, rest) = named(filter)?;
                let condition =
                    rest.map(|rest| Condition::Or(vec![Condition::Missing(hash()), rest]));
                (Action::Delete { key }, condition, false)
            }
            Statement::Select(select) | Statement::Exists(select) => {
                let filter = select.filter.as_ref().ok_or_else(mandatory_keys)?;
                let (key, rest) = named(filter)?;
                (Action::Check { key }, there(rest), false)
            }
        };
        Ok(Mutation {
            condition,
            is_insert,
            show_failed,
            want_old: true,
            ..Mutation::new(statement.table(), action)
        })
    }
}

/// What a statement that changes an item returns of it.
pub(crate) fn returned(statement: &Statement, applied: &Applied) -> Option<Item> {
    let (returning, touched) = match statement {
        Statement::Update { returning, update, .. } => ((*returning)?, Some(update.touched())),
        Statement::Delete { returning, .. } => ((*returning)?, None),
        _ => return None,
    };
    let part = |item: &Item| touched.as_ref().map_or_else(|| item.clone(), |t| t.apply(item));
    let item = match returning {
        Returning::AllOld => applied.old.clone(),
        Returning::AllNew => applied.new.clone(),
        Returning::ModifiedOld => applied.old.as_ref().map(part),
        Returning::ModifiedNew => applied.new.as_ref().map(part),
    };
    item.filter(|item| !item.is_empty())
}

/// The key of the one item that a condition can hold for, and what else it asks.
fn whole_key(table: &Table, filter: Condition) -> Option<(Item, Option<Condition>)> {
    let range_name = table.row.range.as_deref();
    let keys = Keys::of(Some(filter), &table.row.hash, range_name);
    let [hash] = keys.hashes.as_slice() else {
        return None;
    };
    let mut key = Item::from([(table.row.hash.clone(), hash.clone())]);
    match (range_name, keys.range) {
        (None, None) => {}
        (Some(name), Some(RangeCondition::Eq(value))) => {
            key.insert(name.to_owned(), value);
        }
        _ => return None,
    }
    Some((key, keys.rest))
}

/// Whether the order that is wanted is the falling one.
fn falls(
    statement: &Select,
    keys: &Keys,
    hash: &str,
    range: Option<&str>,
) -> Result<bool, ServiceError> {
    if statement.order.is_empty() {
        return Ok(false);
    }
    if statement.filter.is_none() {
        return Err(invalid("Must have WHERE clause in the statement when using ORDER BY clause."));
    }
    if keys.hashes.is_empty() {
        return Err(invalid(
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ));
    }
    let mut falls = false;
    for (name, falling) in &statement.order {
        if Some(name.as_str()) == range {
            falls = *falling;
        } else if name != hash {
            return Err(invalid(format!(
                "Variable reference {name} in ORDER BY clause must be part of the primary key"
            )));
        }
    }
    Ok(falls)
}
