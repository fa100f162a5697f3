//! One change to one item, as `PutItem`, `UpdateItem`, `DeleteItem`, batches and transactions all make it.

use std::sync::Arc;

use undercast_kernel::smithy::document::to_document;
use undercast_kernel::{Context, ServiceError};
use undercast_store::Tx;

use super::capacity::{Units, read_units};
use super::key::ItemKey;
use super::table::Table;
use super::write::{By, Stored, check_index_keys, load, needs_old, replace};
use crate::Dynamo;
use crate::api::dynamodb::shapes::CancellationReason;
use crate::error::{condition_failed, duplicate, invalid, parameter};
use crate::expression::{Condition, Update};
use crate::limits::ITEM_BYTES_MAX;
use crate::tasks::Due;
use crate::value::{Item, is_too_deep, item_bytes, item_to_wire};

pub(crate) enum Action {
    Put(Item),
    Update {
        key: Item,
        update: Option<Update>,
    },
    Delete {
        key: Item,
    },
    /// Only looks.
    Check {
        key: Item,
    },
}

pub(crate) struct Mutation {
    pub(crate) table: String,
    pub(crate) action: Action,
    pub(crate) condition: Option<Condition>,
    /// The error of a condition that does not hold carries the item.
    pub(crate) show_failed: bool,
    /// An update does not make the item.
    pub(crate) skip_missing: bool,
    /// Its condition is that the item is not there yet.
    pub(crate) is_insert: bool,
    /// The caller wants to know the item as it was.
    pub(crate) want_old: bool,
}

pub(crate) struct Applied {
    pub(crate) table: Arc<Table>,
    pub(crate) old: Option<Item>,
    /// Of updates.
    pub(crate) new: Option<Item>,
    pub(crate) units: Units,
    /// The sweep that was spawned for it.
    pub(crate) due: Option<Due>,
}

impl Mutation {
    pub(crate) fn new(table: &str, action: Action) -> Self {
        Self {
            table: table.to_owned(),
            action,
            condition: None,
            show_failed: false,
            is_insert: false,
            skip_missing: false,
            want_old: false,
        }
    }

    pub(crate) fn key_of(&self, table: &Table) -> Result<ItemKey, ServiceError> {
        match &self.action {
            Action::Put(item) => table.schema.of_item(item),
            Action::Update { key, .. } | Action::Delete { key } | Action::Check { key } => {
                table.schema.of_key(key)
            }
        }
    }

    fn check(&self, old: Option<&Item>) -> Result<(), ServiceError> {
        let Some(condition) = &self.condition else {
            return Ok(());
        };
        let holds = match old {
            Some(item) => condition.holds(item),
            None => condition.holds(&Item::new()),
        };
        if holds {
            return Ok(());
        }
        let error = if self.is_insert { duplicate() } else { condition_failed() };
        Err(match old {
            Some(item) if self.show_failed => {
                let shown = CancellationReason {
                    item: Some(item_to_wire(item.clone())),
                    ..CancellationReason::default()
                };
                let document = to_document(&shown);
                error.with_field("Item", document.get("Item").cloned().unwrap_or_default())
            }
            _ => error,
        })
    }
}

impl Dynamo {
    /// Makes the change in the caller's transaction.
    pub(crate) async fn apply(
        &self,
        tx: &Tx,
        ctx: &Context,
        mutation: &Mutation,
    ) -> Result<Applied, ServiceError> {
        let table = self.tables.require(tx, ctx, &mutation.table).await?;
        self.apply_to(tx, table, mutation).await
    }

    pub(crate) async fn apply_to(
        &self,
        tx: &Tx,
        table: Arc<Table>,
        mutation: &Mutation,
    ) -> Result<Applied, ServiceError> {
        let key = mutation.key_of(&table)?;
        if let Action::Put(item) = &mutation.action {
            check_new(&table, item, "Item size has exceeded the maximum allowed size")?;
        }
        let stored = load(tx, &table, &key).await?;
        let wanted = mutation.want_old
            || mutation.condition.is_some()
            || needs_old(&table)
            || matches!(mutation.action, Action::Update { .. });
        let old = match &stored {
            Some(stored) if wanted => Some(stored.item()?),
            _ => None,
        };
        mutation.check(old.as_ref())?;
        if mutation.skip_missing && stored.is_none() {
            return checked(table, None, None);
        }
        let updated = match &mutation.action {
            Action::Update { key, update } => {
                Some(updated(&table, key, update.as_ref(), old.as_ref())?)
            }
            _ => None,
        };
        let new = match &mutation.action {
            Action::Put(item) => Some(item),
            Action::Update { .. } => updated.as_ref(),
            Action::Delete { .. } => None,
            Action::Check { .. } => return checked(table, stored.as_ref(), old),
        };
        let (stored, old_item) = (stored.as_ref(), old.as_ref());
        let (units, expiry) = replace(tx, &table, &key, stored, old_item, new, By::Caller).await?;
        let due = match expiry {
            Some(seconds) => self.expiries.spawn(tx, &table, seconds)?,
            None => None,
        };
        Ok(Applied { table, old, new: updated, units, due })
    }
}

fn checked(
    table: Arc<Table>,
    stored: Option<&Stored>,
    old: Option<Item>,
) -> Result<Applied, ServiceError> {
    let size = stored.map(Stored::size).transpose()?.unwrap_or(0);
    Ok(Applied { table, old, new: None, units: Units::of_table(read_units(size, true)), due: None })
}

pub(crate) fn check_new(table: &Table, item: &Item, too_large: &str) -> Result<(), ServiceError> {
    if item_bytes(item) > ITEM_BYTES_MAX {
        return Err(invalid(too_large));
    }
    check_index_keys(table, item)
}

fn updated(
    table: &Table,
    key: &Item,
    update: Option<&Update>,
    old: Option<&Item>,
) -> Result<Item, ServiceError> {
    let keys = table.schema.names();
    let names = update.map(|u| u.names().collect::<Vec<_>>()).unwrap_or_default();
    if let Some(name) = names.iter().find(|name| keys.contains(name)) {
        return Err(parameter(format!(
            "Cannot update attribute {name}. This attribute is part of the key"
        )));
    }
    let start = old.unwrap_or(key);
    let new = match update {
        Some(update) => update.apply(start)?,
        None => start.clone(),
    };
    if is_too_deep(&new) {
        return Err(invalid("Nesting Levels have exceeded supported limits"));
    }
    check_new(table, &new, "Item size to update has exceeded the maximum allowed size")?;
    Ok(new)
}
