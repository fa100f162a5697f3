//! Capacity units, as AWS counts them.

use std::collections::BTreeMap;

use undercast_kernel::{Context, Counted};

use super::table::{Index, Table};
use crate::api::dynamodb::shapes::{Capacity, ConsumedCapacity};

/// What calls on one table used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Units {
    pub(crate) table: f64,
    /// By name; whether the index is global.
    pub(crate) indexes: BTreeMap<String, (bool, f64)>,
}

fn blocks(bytes: usize, block: usize) -> f64 {
    let blocks = u32::try_from(bytes.div_ceil(block).max(1)).unwrap_or(u32::MAX);
    f64::from(blocks)
}

/// Of reading so many bytes.
pub(crate) fn read_units(bytes: usize, consistent: bool) -> f64 {
    blocks(bytes, 4096) * if consistent { 1.0 } else { 0.5 }
}

/// Of writing so many bytes.
pub(crate) fn write_units(bytes: usize) -> f64 {
    blocks(bytes, 1024)
}

impl Units {
    pub(crate) fn of_table(units: f64) -> Self {
        Self { table: units, indexes: BTreeMap::new() }
    }

    pub(crate) fn add_index(&mut self, index: &Index, units: f64) {
        let entry = self.indexes.entry(index.row.name.clone());
        entry.or_insert((index.row.global, 0.0)).1 += units;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.table += other.table;
        for (name, (global, units)) in &other.indexes {
            self.indexes.entry(name.clone()).or_insert((*global, 0.0)).1 += units;
        }
    }

    /// Transactions cost twice.
    pub(crate) fn doubled(mut self) -> Self {
        self.table *= 2.0;
        self.indexes.values_mut().for_each(|(_, units)| *units *= 2.0);
        self
    }

    fn total(&self) -> f64 {
        self.table + self.indexes.values().map(|(_, units)| units).sum::<f64>()
    }

    fn of_indexes(&self, wanted: bool) -> Option<BTreeMap<String, Capacity>> {
        let all = self.indexes.iter().filter(|(_, (global, _))| *global == wanted);
        let map: BTreeMap<_, _> = all.map(|(name, (_, u))| (name.clone(), capacity(*u))).collect();
        Some(map).filter(|map| !map.is_empty())
    }

    pub(crate) fn count_read(&self, ctx: &Context, table: &Table) {
        self.count(ctx, table, "ConsumedReadCapacityUnits");
    }

    pub(crate) fn count_written(&self, ctx: &Context, table: &Table) {
        self.count(ctx, table, "ConsumedWriteCapacityUnits");
    }

    /// For the table, and for each global index.
    fn count(&self, ctx: &Context, table: &Table, name: &str) {
        let count = |dimensions: &[(&str, &str)], value| {
            let namespace = "AWS/DynamoDB";
            ctx.count(&Counted { namespace, name, dimensions, value, unit: "Count" });
        };
        count(&[("TableName", table.name())], self.table);
        for (index, (_, units)) in self.indexes.iter().filter(|(_, (global, _))| *global) {
            count(&[("GlobalSecondaryIndexName", index), ("TableName", table.name())], *units);
        }
    }

    /// As much of it as `ReturnConsumedCapacity` asks for.
    pub(crate) fn answer(&self, wanted: Option<&str>, table: &Table) -> Option<ConsumedCapacity> {
        let indexes = match wanted {
            Some("INDEXES") => true,
            Some("TOTAL") => false,
            _ => return None,
        };
        Some(ConsumedCapacity {
            table_name: Some(table.name().to_owned()),
            capacity_units: Some(self.total()),
            table: indexes.then(|| capacity(self.table)),
            local_secondary_indexes: self.of_indexes(false).filter(|_| indexes),
            global_secondary_indexes: self.of_indexes(true).filter(|_| indexes),
            ..ConsumedCapacity::default()
        })
    }
}

fn capacity(units: f64) -> Capacity {
    Capacity { capacity_units: Some(units), ..Capacity::default() }
}
