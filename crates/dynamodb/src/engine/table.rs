//! A table as calls need it, and the cache of what was read of the rows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use undercast_kernel::{Arn, Context, ServiceError};
use undercast_store::Tx;

use super::key::{KeyAttribute, KeySchema, Scalar};
use crate::error::{invalid, no_resource};
use crate::store::{IndexRow, TABLES, TableKey, TableRow};

/// More tables than that are read again and again.
const CACHED_MAX: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) key: TableKey,
    pub(crate) row: TableRow,
    pub(crate) schema: KeySchema,
    pub(crate) indexes: Vec<Index>,
}

#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) row: IndexRow,
    pub(crate) schema: KeySchema,
    /// Everything if `None`.
    pub(crate) projected: Option<BTreeSet<String>>,
}

impl Table {
    pub(crate) fn new(key: TableKey, row: TableRow) -> Self {
        let attribute = |name: &String| KeyAttribute {
            name: name.clone(),
            kind: row
                .attributes
                .iter()
                .find(|(defined, _)| defined == name)
                .map_or(Scalar::S, |(_, kind)| Scalar::from_name(kind)),
        };
        let schema = |hash: &String, range: &Option<String>| KeySchema {
            hash: attribute(hash),
            range: range.as_ref().map(attribute),
        };
        let own = schema(&row.hash, &row.range);
        let indexes = row.indexes.iter().map(|index| {
            let keys = schema(&index.hash, &index.range);
            let names = own.names().into_iter().chain(keys.names()).map(str::to_owned);
            let projected = (index.projection != "ALL")
                .then(|| names.chain(index.include.iter().cloned()).collect());
            Index { row: index.clone(), schema: keys, projected }
        });
        Self { indexes: indexes.collect(), schema: own, key, row }
    }

    pub(crate) fn name(&self) -> &str {
        &self.key.2
    }

    pub(crate) fn index(&self, name: &str) -> Result<&Index, ServiceError> {
        let found = self.indexes.iter().find(|index| index.row.name == name);
        found.ok_or_else(|| invalid(format!("The table does not have the specified index: {name}")))
    }
}

pub(crate) fn arn(key: &TableKey) -> String {
    let (account, region, name) = key;
    Arn::new("dynamodb", region, account, format!("table/{name}")).to_string()
}

/// A name or an ARN.
pub(crate) fn table_key(ctx: &Context, name: &str) -> TableKey {
    if let Some(arn) = Arn::parse(name)
        && let Some(name) = arn.resource.strip_prefix("table/")
    {
        return (arn.account, arn.region, name.to_owned());
    }
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

/// Names that no table can have are refused before anything is looked up.
pub(crate) fn check_name(name: &str) -> Result<(), ServiceError> {
    let name = Arn::parse(name).map_or_else(
        || name.to_owned(),
        |arn| arn.resource.strip_prefix("table/").unwrap_or_default().to_owned(),
    );
    if !(3..=255).contains(&name.len()) {
        return Err(invalid(
            "TableName must be at least 3 characters long and at most 255 characters long",
        ));
    }
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if !name.bytes().all(valid) {
        return Err(invalid(
            "Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'",
        ));
    }
    Ok(())
}

/// What was made of the rows of tables. A row is read by every call, and this is asked whether it has
/// seen the same bytes before: so it is never stale, in whatever lane.
#[derive(Default)]
pub(crate) struct Tables {
    seen: RwLock<HashMap<TableKey, (Bytes, Arc<Table>)>>,
}

impl Tables {
    pub(crate) async fn find(
        &self,
        tx: &Tx,
        key: &TableKey,
    ) -> Result<Option<Arc<Table>>, ServiceError> {
        let Some(bytes) = tx.get(&TABLES.key(key)).await? else {
            return Ok(None);
        };
        {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((same, table)) = seen.get(key)
                && *same == bytes
            {
                return Ok(Some(Arc::clone(table)));
            }
        }
        let row = TABLES.decode_row(&bytes)?;
        let table = Arc::new(Table::new(key.clone(), row));
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= CACHED_MAX {
            seen.clear();
        }
        seen.insert(key.clone(), (bytes, Arc::clone(&table)));
        Ok(Some(table))
    }

    /// For calls on items.
    pub(crate) async fn require(
        &self,
        tx: &Tx,
        ctx: &Context,
        name: &str,
    ) -> Result<Arc<Table>, ServiceError> {
        let found = self.find(tx, &table_key(ctx, name)).await?;
        found.ok_or_else(no_resource)
    }

    /// What was last seen, which may be old by now.
    pub(crate) fn peek(&self, key: &TableKey) -> Option<Arc<Table>> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.get(key).map(|(_, table)| Arc::clone(table))
    }

    pub(crate) fn forget(&self) {
        self.seen.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
