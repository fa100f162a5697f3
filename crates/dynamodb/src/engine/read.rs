//! Queries and scans: one page of one range.

use bytes::Bytes;
use undercast_kernel::ServiceError;
use undercast_store::{KeyRange, Tx};

use super::capacity::{Units, read_units};
use super::key::{ItemKey, KeySchema};
use super::table::{Index, Table};
use super::write::load;
use crate::error::{invalid, parameter};
use crate::expression::{Condition, Projection};
use crate::limits::PAGE_BYTES_MAX;
use crate::value::{Item, codec};

pub(crate) struct Plan<'a> {
    pub(crate) table: &'a Table,
    pub(crate) index: Option<&'a Index>,
    pub(crate) range: KeyRange,
    pub(crate) reverse: bool,
    pub(crate) limit: Option<usize>,
    pub(crate) consistent: bool,
    pub(crate) filter: Option<&'a Condition>,
    pub(crate) projection: Option<&'a Projection>,
    pub(crate) count_only: bool,
    /// A local index does not have all that is wanted: the rest comes from the table.
    pub(crate) fetch: bool,
}

#[derive(Default)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    pub(crate) count: usize,
    pub(crate) scanned: usize,
    /// Where the next page begins: the keys of the last item that was looked at.
    pub(crate) last: Option<Item>,
    pub(crate) units: Units,
}

impl Plan<'_> {
    fn number(&self) -> u64 {
        self.index.map_or(self.table.row.number, |index| index.row.number)
    }

    pub(crate) async fn run(&self, tx: &Tx) -> Result<Page, ServiceError> {
        let mut page = Page::default();
        let mut range = self.range.clone();
        let mut bytes = 0usize;
        let mut fetched = Units::default();
        'page: loop {
            let n = self.chunk(page.scanned, bytes);
            let rows = tx.range(range.clone(), n, self.reverse).await?;
            let is_end = rows.len() < n;
            for (place, row) in rows {
                bytes += codec::size(&row)?;
                page.scanned += 1;
                let item = codec::decode(&row)?;
                let is_full = bytes >= PAGE_BYTES_MAX || self.limit == Some(page.scanned);
                if is_full {
                    page.last = Some(self.position(&item));
                } else {
                    range = self.rest(range, &place);
                }
                self.take(tx, item, &mut page, &mut fetched).await?;
                if is_full {
                    break 'page;
                }
            }
            if is_end {
                break;
            }
        }
        page.units = self.units(bytes, page.scanned);
        page.units.add(&fetched);
        Ok(page)
    }

    /// How many rows to read at a time: few at first, then as many as will fit the page.
    fn chunk(&self, scanned: usize, bytes: usize) -> usize {
        let fit = match bytes.checked_div(scanned) {
            Some(average) => (PAGE_BYTES_MAX.saturating_sub(bytes) / average.max(1) + 1).min(1_000),
            None => 50,
        };
        let left = self.limit.map_or(fit, |limit| limit.saturating_sub(scanned));
        fit.min(left).max(1)
    }

    fn rest(&self, range: KeyRange, place: &Bytes) -> KeyRange {
        if self.reverse { range.before_key(place.clone()) } else { range.after_key(place) }
    }

    /// The attributes of the key in the table and in the index.
    fn position(&self, item: &Item) -> Item {
        let mut keys = self.table.schema.pick(item);
        if let Some(index) = self.index {
            keys.extend(index.schema.pick(item));
        }
        keys
    }

    async fn take(
        &self,
        tx: &Tx,
        item: Item,
        page: &mut Page,
        fetched: &mut Units,
    ) -> Result<(), ServiceError> {
        let item = if self.fetch { self.whole(tx, item, fetched).await? } else { item };
        if self.filter.is_some_and(|filter| !filter.holds(&item)) {
            return Ok(());
        }
        page.count += 1;
        if !self.count_only {
            page.items.push(match self.projection {
                Some(projection) => projection.apply(&item),
                None => item,
            });
        }
        Ok(())
    }

    async fn whole(&self, tx: &Tx, item: Item, fetched: &mut Units) -> Result<Item, ServiceError> {
        let Some(key) = self.table.schema.get(&item) else {
            return Ok(item);
        };
        let Some(stored) = load(tx, self.table, &key).await? else {
            return Ok(item);
        };
        fetched.table += read_units(stored.size()?, self.consistent);
        stored.item()
    }

    fn units(&self, bytes: usize, scanned: usize) -> Units {
        let units = if scanned == 0 {
            read_units(0, self.consistent)
        } else {
            read_units(bytes, self.consistent)
        };
        match self.index {
            None => Units::of_table(units),
            Some(index) => {
                let mut of_index = Units::default();
                of_index.add_index(index, units);
                of_index
            }
        }
    }

    /// Goes on behind the item with these keys.
    pub(crate) fn start_behind(&mut self, start: &Item) -> Result<(), ServiceError> {
        let wrong = || invalid("The provided starting key is invalid");
        let mut names = self.table.schema.names();
        names.extend(self.index.iter().flat_map(|index| index.schema.names()));
        names.sort_unstable();
        names.dedup();
        if start.len() != names.len() || !names.iter().all(|name| start.contains_key(*name)) {
            return Err(if self.index.is_some() {
                wrong()
            } else {
                invalid(
                    "The provided starting key is invalid: The provided key element does not match the schema",
                )
            });
        }
        let key = part(&self.table.schema, start).ok_or_else(wrong)?;
        let place = match self.index {
            None => key.in_table(self.number()),
            Some(index) => part(&index.schema, start).ok_or_else(wrong)?.in_index(
                self.number(),
                index.row.global,
                &key,
            ),
        };
        let inside = self.range.contains(&place);
        if !inside {
            return Err(invalid(
                "The provided starting key is outside query boundaries based on provided conditions",
            ));
        }
        self.range = self.rest(self.range.clone(), &place);
        Ok(())
    }
}

fn part(schema: &KeySchema, start: &Item) -> Option<ItemKey> {
    schema.get(start)
}

pub(crate) fn check_consistent(
    index: Option<&Index>,
    consistent: bool,
) -> Result<(), ServiceError> {
    if consistent && index.is_some_and(|index| index.row.global) {
        return Err(invalid("Consistent reads are not supported on global secondary indexes"));
    }
    if let Some(index) = index.filter(|index| index.row.backfilling) {
        return Err(invalid(format!(
            "Cannot read from backfilling global secondary index: {}",
            index.row.name
        )));
    }
    Ok(())
}

/// What `Select` and a projection come to on an index.
pub(crate) struct Selection {
    pub(crate) count_only: bool,
    pub(crate) fetch: bool,
}

/// Checks what is wanted against what the index has.
pub(crate) fn select(
    select: Option<&str>,
    index: Option<&Index>,
    projection: Option<&Projection>,
    verb: &str,
) -> Result<Selection, ServiceError> {
    if let (Some(select @ ("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES" | "COUNT")), Some(_)) =
        (select, projection)
    {
        let what = if select == "COUNT" { "only the Count".to_owned() } else { select.to_owned() };
        return Err(invalid(format!(
            "Cannot specify the ProjectionExpression when choosing to get {what}"
        )));
    }
    if select == Some("SPECIFIC_ATTRIBUTES") && projection.is_none() {
        return Err(invalid(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ));
    }
    if select == Some("ALL_PROJECTED_ATTRIBUTES") && index.is_none() {
        return Err(invalid(format!(
            "ALL_PROJECTED_ATTRIBUTES can be used only when {verb} using an IndexName"
        )));
    }
    let mut selection = Selection { count_only: select == Some("COUNT"), fetch: false };
    let Some((index, projected)) = index.and_then(|i| Some((i, i.projected.as_ref()?))) else {
        return Ok(selection);
    };
    if select == Some("ALL_ATTRIBUTES") {
        if index.row.global {
            return Err(parameter(format!(
                "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type is not ALL",
                index.row.name
            )));
        }
        selection.fetch = true;
    }
    let missing: Vec<&str> = projection
        .into_iter()
        .flat_map(Projection::names)
        .filter(|name| !projected.contains(*name))
        .collect();
    if !missing.is_empty() {
        if index.row.global {
            return Err(parameter(format!(
                "Global secondary index {} does not project [{}]",
                index.row.name,
                missing.join(", ")
            )));
        }
        selection.fetch = true;
    }
    Ok(selection)
}
