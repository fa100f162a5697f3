//! Walking the keys of a bucket in order, common prefixes rolled up: what lies under a prefix that
//! has been seen is jumped over, not read.

use undercast_kernel::ServiceError;
use undercast_store::{KeyRange, Tx};

use crate::store::{OBJECTS, ObjectRow};

/// How many rows one read takes where prefixes may be jumped over.
const ROWS_WITH_DELIMITER: usize = 100;
const ROWS: usize = 1_000;

pub(crate) enum Entry {
    Object(Box<ObjectRow>),
    Prefix(String),
}

impl Entry {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Object(row) => &row.key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// Where a walk begins.
#[derive(Debug, Clone)]
pub(crate) enum From {
    Start,
    /// After this text: keys, and prefixes that are not greater than it.
    After(String),
    /// At this key.
    At(String),
}

pub(crate) struct Walk<'a> {
    bucket: u64,
    prefix: &'a str,
    delimiter: Option<&'a str>,
    /// What is greater than this comes.
    after: Option<String>,
    range: KeyRange,
    rows: std::vec::IntoIter<ObjectRow>,
    ended: bool,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        bucket: u64,
        prefix: &'a str,
        delimiter: Option<&'a str>,
        from: From,
    ) -> Self {
        let mut range = OBJECTS.starting_with(&(bucket,), prefix);
        let after = match from {
            From::Start => None,
            From::At(key) => {
                range = range.from_key(OBJECTS.key(&(bucket, key.as_str())));
                None
            }
            From::After(text) => {
                range = range.after_key(&OBJECTS.key(&(bucket, text.as_str())));
                Some(text)
            }
        };
        Self {
            bucket,
            prefix,
            delimiter: delimiter.filter(|d| !d.is_empty()),
            after,
            range,
            rows: Vec::new().into_iter(),
            ended: false,
        }
    }

    /// The common prefix that a key belongs to.
    fn common<'k>(&self, key: &'k str) -> Option<&'k str> {
        let rest = key.get(self.prefix.len()..)?;
        let delimiter = self.delimiter?;
        let at = rest.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }

    /// Goes on after everything that begins with `prefix`.
    fn jump(&mut self, prefix: &str) {
        match OBJECTS.starting_with(&(self.bucket,), prefix).end {
            Some(end) => self.range = self.range.clone().from_key(end),
            None => self.ended = true,
        }
    }

    async fn row(&mut self, tx: &Tx) -> Result<Option<ObjectRow>, ServiceError> {
        if let Some(row) = self.rows.next() {
            return Ok(Some(row));
        }
        if self.ended || self.range.is_empty() {
            return Ok(None);
        }
        let limit = if self.delimiter.is_some() { ROWS_WITH_DELIMITER } else { ROWS };
        let rows = OBJECTS.scan(tx, self.range.clone(), limit, false).await?;
        self.ended = rows.len() < limit;
        if let Some((key, _)) = rows.last() {
            self.range = self.range.clone().after_key(&OBJECTS.key(key));
        }
        let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
        self.rows = rows.into_iter();
        Ok(self.rows.next())
    }

    /// The next entry. Delete markers are entries only `with_markers`.
    pub(crate) async fn next(
        &mut self,
        tx: &Tx,
        with_markers: bool,
    ) -> Result<Option<Entry>, ServiceError> {
        while let Some(row) = self.row(tx).await? {
            if row.marker && !with_markers {
                continue;
            }
            let Some(common) = self.common(&row.key).map(str::to_owned) else {
                return Ok(Some(Entry::Object(Box::new(row))));
            };
            self.pass(&common);
            if self.after.as_ref().is_none_or(|after| common > *after) {
                return Ok(Some(Entry::Prefix(common)));
            }
        }
        Ok(None)
    }

    /// Leaves what lies under the prefix: within the rows that are here, or by a jump.
    fn pass(&mut self, prefix: &str) {
        let left = self.rows.as_slice();
        let under = left.iter().take_while(|row| row.key.starts_with(prefix)).count();
        let all = under == left.len();
        for _ in 0..under {
            self.rows.next();
        }
        if all && !self.ended {
            self.jump(prefix);
        }
    }

    /// Up to `max` entries, and whether there are more.
    pub(crate) async fn page(
        &mut self,
        tx: &Tx,
        max: usize,
    ) -> Result<(Vec<Entry>, bool), ServiceError> {
        let mut entries = Vec::new();
        if max == 0 {
            return Ok((entries, false));
        }
        while let Some(entry) = self.next(tx, false).await? {
            if entries.len() == max {
                return Ok((entries, true));
            }
            entries.push(entry);
        }
        Ok((entries, false))
    }
}
