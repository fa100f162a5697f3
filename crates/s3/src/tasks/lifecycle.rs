//! Lifecycle rules, applied once a day: what has expired goes.

use std::sync::Arc;

use futures::FutureExt;
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Context, Kernel, ServiceError};
use undercast_smithy::document::from_document;
use undercast_store::{NewTask, Outcome, Task, TaskError, Tx};

use super::{S3_SERVICE, broken, spawn_drop_parts, spec};
use crate::api::s3::shapes::{BucketLifecycleConfiguration, LifecycleRule, Tag};
use crate::engine::bucket::{LIFECYCLE, document};
use crate::engine::notify::{Event, Subject, notify};
use crate::engine::object::Deleted;
use crate::engine::{lock, object, version};
use crate::store::{BUCKETS, BucketRow, OBJECTS, ObjectRow, UPLOADS, VERSIONS, Versioning};

const KIND: &str = "s3.lifecycle";
const DAY_MS: i64 = 86_400_000;
/// How many keys one transaction looks at.
const KEYS: usize = 100;

/// Applies the lifecycle rules of one bucket.
pub(crate) fn lifecycle() -> TaskSpec {
    spec(KIND, Arc::new(|kernel, task| run(kernel, task).boxed()))
}

/// In the transaction that sets the rules.
pub(crate) fn spawn_lifecycle(
    tx: &Tx,
    name: &str,
    bucket: u64,
    due_ms: i64,
) -> Result<(), ServiceError> {
    tx.spawn(NewTask {
        kind: KIND,
        key: bucket.to_be_bytes().to_vec(),
        due_ms,
        payload: serde_json::json!([name, bucket]).to_string().into(),
    })?;
    Ok(())
}

/// The midnight that follows a number of days after a moment: when AWS lets something expire.
fn expires_ms(since_ms: i64, days: i32) -> i64 {
    let end = since_ms.saturating_add(i64::from(days).saturating_mul(DAY_MS));
    end.div_euclid(DAY_MS).saturating_add(1).saturating_mul(DAY_MS)
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let (name, number): (String, u64) =
        serde_json::from_slice(&task.payload).map_err(|e| broken(&e))?;
    let tx = kernel.db().begin().await?;
    let row = BUCKETS.get(&tx, &(name.clone(),)).await?;
    let Some(row) = row.filter(|row| row.number == number && row.has_lifecycle) else {
        return Ok(Outcome::Done);
    };
    let rules = document(&tx, &row, LIFECYCLE).await.map_err(|e| broken(&e))?;
    drop(tx);
    let rules: BucketLifecycleConfiguration = match rules {
        Some(rules) => from_document(&rules).map_err(|e| broken(&e))?,
        None => return Ok(Outcome::Done),
    };
    let enabled = rules.rules.into_iter().filter(|rule| rule.status == "Enabled");
    let rules: Arc<Vec<LifecycleRule>> = Arc::new(enabled.collect());
    sweep(&kernel, &name, number, &rules).await.map_err(|e| broken(&e))?;
    let now_ms = kernel.env().clock.now_ms();
    Ok(Outcome::Again { due_ms: expires_ms(now_ms, 0), payload: None })
}

async fn sweep(
    kernel: &Kernel,
    name: &str,
    number: u64,
    rules: &Arc<Vec<LifecycleRule>>,
) -> Result<(), ServiceError> {
    let mut after: Option<String> = None;
    loop {
        let step = kernel
            .db()
            .transact(|tx| {
                let (name, after, rules) = (name.to_owned(), after.clone(), Arc::clone(rules));
                let ctx = kernel.service_context(S3_SERVICE, "", "");
                async move { keys(&tx, &ctx, &name, number, after, &rules).await }
            })
            .await?;
        match step {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    kernel
        .db()
        .transact(|tx| {
            let rules = Arc::clone(rules);
            async move { uploads(&tx, number, &rules).await }
        })
        .await
}

/// Looks at some keys; answers the last of them, if there may be more.
async fn keys(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    number: u64,
    after: Option<String>,
    rules: &[LifecycleRule],
) -> Result<Option<String>, ServiceError> {
    let bucket = BUCKETS.get(tx, &(name.to_owned(),)).await?;
    let Some(bucket) = bucket.filter(|bucket| bucket.number == number) else {
        return Ok(None);
    };
    let range = match after {
        Some(key) => OBJECTS.after(&(number,), &(number, key)),
        None => OBJECTS.prefix(&(number,)),
    };
    let rows = OBJECTS.scan(tx, range, KEYS, false).await?;
    let last = rows.last().map(|(key, _)| key.1.clone());
    let full = rows.len() == KEYS;
    for (key, _) in rows {
        // Read by its key, so that a change meanwhile conflicts.
        let Some(latest) = OBJECTS.get(tx, &key).await? else {
            continue;
        };
        let of = Of { tx, ctx, bucket: &bucket, name };
        older(of, &latest, rules).await?;
        current(of, latest, rules).await?;
    }
    Ok(last.filter(|_| full))
}

/// The bucket that a transaction looks through.
#[derive(Clone, Copy)]
struct Of<'a> {
    tx: &'a Tx,
    ctx: &'a Context,
    bucket: &'a BucketRow,
    name: &'a str,
}

impl Of<'_> {
    async fn tell(self, key: &str, deleted: &Deleted, event: Event) -> Result<(), ServiceError> {
        match Subject::deleted(key, deleted, event) {
            Some(subject) => {
                notify(self.tx, self.ctx, self.bucket, self.name, event, &subject).await
            }
            None => Ok(()),
        }
    }
}

async fn current(
    of: Of<'_>,
    latest: ObjectRow,
    rules: &[LifecycleRule],
) -> Result<(), ServiceError> {
    let Of { tx, bucket, .. } = of;
    let now_ms = tx.now_ms();
    let key = latest.key.clone();
    let due = |rule: &&LifecycleRule| {
        rule.expiration.as_ref().is_some_and(|expiration| {
            expiration.days.is_some_and(|days| expires_ms(latest.modified_ms, days) <= now_ms)
                || expiration.date.is_some_and(|date| date.millis() <= now_ms)
        })
    };
    if !latest.marker {
        if rules.iter().filter(due).any(|rule| covers(rule, &latest)) {
            let deleted = object::delete(tx, bucket, &key, Some(latest)).await?;
            let event = match deleted.marker {
                true => Event::ExpirationMarkerCreated,
                false => Event::Expired,
            };
            of.tell(&key, &deleted, event).await?;
        }
        return Ok(());
    }
    let clears = |rule: &&LifecycleRule| {
        let expiration = rule.expiration.as_ref();
        expiration.is_some_and(|e| e.expired_object_delete_marker == Some(true) || e.days.is_some())
    };
    let alone = VERSIONS
        .scan(tx, VERSIONS.prefix(&(bucket.number, key.as_str())), 1, false)
        .await?
        .is_empty();
    if alone && rules.iter().filter(clears).any(|rule| covers(rule, &latest)) {
        let id = version::id(&latest);
        let deleted = object::delete_version(tx, bucket, &key, &id, Some(latest), false).await?;
        of.tell(&key, &deleted, Event::Expired).await?;
    }
    Ok(())
}

/// Older versions expire by the time since something newer covered them.
async fn older(
    of: Of<'_>,
    latest: &ObjectRow,
    rules: &[LifecycleRule],
) -> Result<(), ServiceError> {
    let Of { tx, bucket, .. } = of;
    let applies = rules.iter().any(|rule| rule.noncurrent_version_expiration.is_some());
    if bucket.versioning == Versioning::Off || !applies {
        return Ok(());
    }
    let range = VERSIONS.prefix(&(bucket.number, latest.key.as_str()));
    let mut covered_ms = latest.modified_ms;
    for (newer, (_, row)) in VERSIONS.scan(tx, range, 1_000, false).await?.into_iter().enumerate() {
        let since_ms = std::mem::replace(&mut covered_ms, row.modified_ms);
        let due = |rule: &&LifecycleRule| {
            rule.noncurrent_version_expiration.as_ref().is_some_and(|e| {
                let kept = e.newer_noncurrent_versions.unwrap_or(0);
                let days = e.noncurrent_days.unwrap_or(0);
                usize::try_from(kept).is_ok_and(|kept| newer >= kept)
                    && expires_ms(since_ms, days) <= tx.now_ms()
            })
        };
        let locked = lock::holds(&row, tx.now_ms(), false);
        if !locked && rules.iter().filter(due).any(|rule| covers(rule, &row)) {
            let key = (bucket.number, latest.key.clone());
            let now = OBJECTS.get(tx, &key).await?;
            let id = version::id(&row);
            let deleted = object::delete_version(tx, bucket, &key.1, &id, now, false).await?;
            of.tell(&key.1, &deleted, Event::Expired).await?;
        }
    }
    Ok(())
}

async fn uploads(tx: &Tx, bucket: u64, rules: &[LifecycleRule]) -> Result<(), ServiceError> {
    let aborting = rules.iter().filter_map(|rule| {
        let days = rule.abort_incomplete_multipart_upload.as_ref()?.days_after_initiation?;
        Some((days, prefix(rule).unwrap_or_default()))
    });
    let aborting: Vec<(i32, &str)> = aborting.collect();
    if aborting.is_empty() {
        return Ok(());
    }
    for (key, row) in UPLOADS.scan(tx, UPLOADS.prefix(&(bucket,)), 1_000, false).await? {
        let due = aborting.iter().any(|(days, prefix)| {
            row.key.starts_with(prefix) && expires_ms(row.initiated_ms, *days) <= tx.now_ms()
        });
        if due && UPLOADS.get(tx, &key).await?.is_some() {
            UPLOADS.delete(tx, &key)?;
            spawn_drop_parts(tx, bucket, row.id)?;
        }
    }
    Ok(())
}

fn prefix(rule: &LifecycleRule) -> Option<&str> {
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|f| f.and.as_ref());
    filter
        .and_then(|f| f.prefix.as_deref())
        .or_else(|| and.and_then(|and| and.prefix.as_deref()))
        .or(rule.prefix.as_deref())
}

/// Whether the filter of a rule lets an object in.
fn covers(rule: &LifecycleRule, row: &ObjectRow) -> bool {
    let has = |tag: &Tag| row.tags.iter().any(|(k, v)| *k == tag.key && *v == tag.value);
    let size = i64::try_from(row.size).unwrap_or(i64::MAX);
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|f| f.and.as_ref());
    let greater = filter
        .and_then(|f| f.object_size_greater_than)
        .or_else(|| and.and_then(|and| and.object_size_greater_than));
    let less = filter
        .and_then(|f| f.object_size_less_than)
        .or_else(|| and.and_then(|and| and.object_size_less_than));
    let tag = filter.and_then(|f| f.tag.as_ref());
    let tags = and.and_then(|and| and.tags.as_ref());
    row.key.starts_with(prefix(rule).unwrap_or_default())
        && greater.is_none_or(|bound| size > bound)
        && less.is_none_or(|bound| size < bound)
        && tag.is_none_or(has)
        && tags.is_none_or(|tags| tags.iter().all(has))
}
