//! Telling others what happened to an object: in the transaction of the change, one task for each
//! destination, so that nothing that happened stays untold.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use undercast_kernel::{Context, Principal, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::{NewTask, Tx};

use super::bucket::{NOTIFICATION, arn, config};
use super::object::Deleted;
use super::version;
use crate::api::s3::shapes::{NotificationConfiguration, NotificationConfigurationFilter};
use crate::store::{BucketRow, ObjectRow, Versioning};
use crate::tasks::NOTIFY;

/// What can happen to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Put,
    Post,
    Copy,
    CompleteMultipartUpload,
    Delete,
    DeleteMarkerCreated,
    TaggingPut,
    TaggingDelete,
    Expired,
    ExpirationMarkerCreated,
}

impl Event {
    /// Without `s3:` before it.
    fn name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Post => "ObjectCreated:Post",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:Delete",
            Self::DeleteMarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
            Self::TaggingPut => "ObjectTagging:Put",
            Self::TaggingDelete => "ObjectTagging:Delete",
            Self::Expired => "LifecycleExpiration:Delete",
            Self::ExpirationMarkerCreated => "LifecycleExpiration:DeleteMarkerCreated",
        }
    }

    fn schema_version(self) -> &'static str {
        match self {
            Self::TaggingPut
            | Self::TaggingDelete
            | Self::Expired
            | Self::ExpirationMarkerCreated => "2.3",
            _ => "2.1",
        }
    }

    /// As EventBridge calls it: the type of the detail, and the reason that stands in it.
    fn detail(self) -> (&'static str, Option<(&'static str, &'static str)>) {
        match self {
            Self::Put => ("Object Created", Some(("reason", "PutObject"))),
            Self::Post => ("Object Created", Some(("reason", "POST Object"))),
            Self::Copy => ("Object Created", Some(("reason", "CopyObject"))),
            Self::CompleteMultipartUpload => {
                ("Object Created", Some(("reason", "CompleteMultipartUpload")))
            }
            Self::Delete | Self::DeleteMarkerCreated => {
                ("Object Deleted", Some(("reason", "DeleteObject")))
            }
            Self::Expired | Self::ExpirationMarkerCreated => {
                ("Object Deleted", Some(("reason", "Lifecycle Expiration")))
            }
            Self::TaggingPut => ("Object Tags Added", None),
            Self::TaggingDelete => ("Object Tags Deleted", None),
        }
    }

    fn deletes(self) -> Option<&'static str> {
        match self {
            Self::Delete | Self::Expired => Some("Permanently Deleted"),
            Self::DeleteMarkerCreated | Self::ExpirationMarkerCreated => {
                Some("Delete Marker Created")
            }
            _ => None,
        }
    }
}

/// Whether a configuration names an event of this name: by itself or by `s3:ObjectCreated:*`.
fn names(wanted: &str, event: &str) -> bool {
    let wanted = wanted.strip_prefix("s3:").unwrap_or(wanted);
    match wanted.strip_suffix('*') {
        Some(kind) => event.starts_with(kind),
        None => event == wanted,
    }
}

const NOTHING_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// The object as a notification describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    pub(crate) key: String,
    pub(crate) size: Option<u64>,
    pub(crate) etag: Option<String>,
    pub(crate) version_id: Option<String>,
    /// Orders the events of one key.
    pub(crate) sequence: Option<u64>,
}

impl Subject {
    /// A version that has been written.
    pub(crate) fn written(bucket: &BucketRow, row: &ObjectRow) -> Self {
        Self {
            key: row.key.clone(),
            size: Some(row.size),
            etag: Some(row.etag.clone()),
            version_id: version_id(bucket, row),
            sequence: Some(row.number),
        }
    }

    /// What is gone or covered by a marker; `None` if there was nothing.
    pub(crate) fn deleted(key: &str, deleted: &Deleted, event: Event) -> Option<Self> {
        let is_marker =
            matches!(event, Event::DeleteMarkerCreated | Event::ExpirationMarkerCreated);
        Some(Self {
            key: key.to_owned(),
            size: None,
            // That of nothing, which a marker holds.
            etag: is_marker.then(|| NOTHING_MD5.to_owned()),
            version_id: deleted.version_id.clone().filter(|id| id != "null"),
            sequence: Some(deleted.sequence?),
        })
    }

    /// A version whose tags have changed.
    pub(crate) fn tagged(bucket: &BucketRow, row: &ObjectRow) -> Self {
        Self { size: None, sequence: None, ..Self::written(bucket, row) }
    }
}

fn version_id(bucket: &BucketRow, row: &ObjectRow) -> Option<String> {
    (bucket.versioning == Versioning::Enabled).then(|| version::id(row))
}

/// What waits to be delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) account: String,
    pub(crate) region: String,
    /// The name of the bucket.
    pub(crate) bucket: String,
    pub(crate) to: Destination,
    pub(crate) message: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Destination {
    /// An ARN.
    Function(String),
    /// An ARN.
    Queue(String),
    /// The default bus of account and region.
    EventBridge,
}

impl Delivery {
    pub(crate) fn spawn(&self, tx: &Tx) -> Result<(), ServiceError> {
        let payload = serde_json::to_vec(self).map_err(ServiceError::internal)?;
        tx.spawn(NewTask {
            kind: NOTIFY,
            key: Vec::new(),
            due_ms: tx.now_ms(),
            payload: payload.into(),
        })?;
        Ok(())
    }
}

/// Spawns what tells everybody who wants to know of this event.
pub(crate) async fn notify(
    tx: &Tx,
    ctx: &Context,
    bucket: &BucketRow,
    name: &str,
    event: Event,
    subject: &Subject,
) -> Result<(), ServiceError> {
    if !bucket.has_notification {
        return Ok(());
    }
    let Some(wanted) = config::<NotificationConfiguration>(tx, bucket, NOTIFICATION).await? else {
        return Ok(());
    };
    let deliver = |to: Destination, message: Value| {
        let (account, region) = (bucket.account.clone(), bucket.region.clone());
        Delivery { account, region, bucket: name.to_owned(), to, message }.spawn(tx)
    };
    let fits = |events: &[String], filter: Option<&NotificationConfigurationFilter>| {
        events.iter().any(|wanted| names(wanted, event.name())) && lets_in(filter, &subject.key)
    };
    let told = |id: Option<&String>| message(tx, ctx, bucket, name, event, subject, id);
    for one in wanted.lambda_function_configurations.iter().flatten() {
        if fits(&one.events, one.filter.as_ref()) {
            let to = Destination::Function(one.lambda_function_arn.clone());
            deliver(to, told(one.id.as_ref()))?;
        }
    }
    for one in wanted.queue_configurations.iter().flatten() {
        if fits(&one.events, one.filter.as_ref()) {
            deliver(Destination::Queue(one.queue_arn.clone()), told(one.id.as_ref()))?;
        }
    }
    // Without EventBridge there is no bus that the event could be put on.
    if wanted.event_bridge_configuration.is_some() && ctx.kernel().event_bus().is_some() {
        deliver(Destination::EventBridge, bridged(tx, ctx, name, event, subject))?;
    }
    Ok(())
}

/// What a key filter says: a prefix and a suffix, empty where it says nothing.
pub(crate) fn ends(filter: Option<&NotificationConfigurationFilter>) -> (&str, &str) {
    let rules = filter.and_then(|f| f.key.as_ref()).and_then(|key| key.filter_rules.as_ref());
    let named = |name: &str| {
        let rule = rules.into_iter().flatten().find(|rule| {
            rule.name.as_deref().is_some_and(|given| given.eq_ignore_ascii_case(name))
        });
        rule.and_then(|rule| rule.value.as_deref()).unwrap_or_default()
    };
    (named("prefix"), named("suffix"))
}

fn lets_in(filter: Option<&NotificationConfigurationFilter>, key: &str) -> bool {
    let (prefix, suffix) = ends(filter);
    // Filters are written as messages have the key: with `+` for a space.
    let encoded = encoded(key);
    let either = |fits: &dyn Fn(&str) -> bool| fits(key) || fits(&encoded);
    either(&|key| key.starts_with(prefix)) && either(&|key| key.ends_with(suffix))
}

const KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b' ');

/// A key as a form would send it, but with its slashes.
fn encoded(key: &str) -> String {
    utf8_percent_encode(key, KEY).to_string().replace(' ', "+")
}

/// S3's two ids of a request: those that its answer carries, as far as they are known here.
fn request_ids(ctx: &Context) -> (String, String) {
    let digits = ctx.request_id().chars().filter(char::is_ascii_hexdigit).take(16);
    let short: String = digits.map(|c| c.to_ascii_uppercase()).collect();
    let host = hex::encode(Sha256::digest(ctx.request_id()));
    (short, host)
}

fn caller(ctx: &Context) -> String {
    match ctx.principal() {
        Principal::Service { name, .. } => (*name).to_owned(),
        principal => format!("AWS:{}", principal.user_id()),
    }
}

fn source_ip(ctx: &Context) -> String {
    match ctx.principal() {
        Principal::Service { name, .. } => (*name).to_owned(),
        _ => ctx.origin().source_ip.clone(),
    }
}

/// The customer's id of an account: one letter and thirteen more.
fn customer(account: &str) -> String {
    let digest = Sha256::digest(format!("customer id of {account}"));
    let letters = digest.iter().take(13).map(|b| char::from(b'A' + b % 26));
    std::iter::once('A').chain(letters).collect()
}

/// 18 digits that order the events of a key.
fn sequencer(number: u64) -> String {
    format!("{number:018X}")
}

fn message(
    tx: &Tx,
    ctx: &Context,
    bucket: &BucketRow,
    name: &str,
    event: Event,
    subject: &Subject,
    id: Option<&String>,
) -> Value {
    let (request_id, host_id) = request_ids(ctx);
    let mut object = serde_json::Map::new();
    object.insert("key".to_owned(), encoded(&subject.key).into());
    if let Some(size) = subject.size {
        object.insert("size".to_owned(), size.into());
    }
    if let Some(etag) = &subject.etag {
        object.insert("eTag".to_owned(), etag.clone().into());
    }
    if let Some(version) = &subject.version_id {
        object.insert("versionId".to_owned(), version.clone().into());
    }
    if let Some(sequence) = subject.sequence {
        object.insert("sequencer".to_owned(), sequencer(sequence).into());
    }
    json!({"Records": [{
        "eventVersion": event.schema_version(),
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": Timestamp::from_millis(tx.now_ms()).iso8601_millis(),
        "eventName": event.name(),
        "userIdentity": {"principalId": caller(ctx)},
        "requestParameters": {"sourceIPAddress": source_ip(ctx)},
        "responseElements": {"x-amz-request-id": request_id, "x-amz-id-2": host_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": id,
            "bucket": {
                "name": name,
                "ownerIdentity": {"principalId": customer(&bucket.account)},
                "arn": arn(name),
            },
            "object": object,
        },
    }]})
}

/// What S3 sends to a queue when the configuration is set.
pub(crate) fn test_message(tx: &Tx, ctx: &Context, name: &str) -> Value {
    let (request_id, host_id) = request_ids(ctx);
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": Timestamp::from_millis(tx.now_ms()).iso8601_millis(),
        "Bucket": name,
        "RequestId": request_id,
        "HostId": host_id,
    })
}

/// The event as EventBridge has it: type, time and detail.
fn bridged(tx: &Tx, ctx: &Context, name: &str, event: Event, subject: &Subject) -> Value {
    let (kind, reason) = event.detail();
    let mut object = json!({"key": subject.key});
    if let Value::Object(object) = &mut object {
        if let Some(size) = subject.size {
            object.insert("size".to_owned(), size.into());
        }
        if let Some(etag) = &subject.etag {
            object.insert("etag".to_owned(), etag.clone().into());
        }
        if let Some(version) = &subject.version_id {
            object.insert("version-id".to_owned(), version.clone().into());
        }
        if let Some(sequence) = subject.sequence {
            object.insert("sequencer".to_owned(), sequencer(sequence).into());
        }
    }
    let mut detail = json!({
        "version": "0",
        "bucket": {"name": name},
        "object": object,
        "request-id": request_ids(ctx).0,
        "requester": ctx.principal().account().unwrap_or("anonymous"),
        "source-ip-address": source_ip(ctx),
    });
    if let Value::Object(detail) = &mut detail {
        if let Some((member, reason)) = reason {
            detail.insert(member.to_owned(), reason.into());
        }
        if let Some(kind) = event.deletes() {
            detail.insert("deletion-type".to_owned(), kind.into());
        }
    }
    json!({"type": kind, "time_ms": tx.now_ms(), "detail": detail})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::s3::shapes::{FilterRule, S3KeyFilter};

    fn filter(rules: &[(&str, &str)]) -> NotificationConfigurationFilter {
        let rule = |(name, value): &(&str, &str)| FilterRule {
            name: Some((*name).to_owned()),
            value: Some((*value).to_owned()),
        };
        let filter_rules = Some(rules.iter().map(rule).collect());
        NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules }) }
    }

    #[test]
    fn events_are_named_one_by_one_or_all_of_a_kind() {
        assert!(names("s3:ObjectCreated:*", "ObjectCreated:Put"));
        assert!(names("s3:ObjectCreated:Put", "ObjectCreated:Put"));
        assert!(!names("s3:ObjectCreated:Copy", "ObjectCreated:Put"));
        assert!(!names("s3:ObjectRemoved:*", "ObjectCreated:Put"));
    }

    #[test]
    fn filters_look_at_both_ends_of_a_key() {
        let images = filter(&[("Prefix", "in/"), ("suffix", ".jpg")]);
        assert!(lets_in(Some(&images), "in/a.jpg"));
        assert!(!lets_in(Some(&images), "in/a.png"));
        assert!(!lets_in(Some(&images), "out/a.jpg"));
        assert!(lets_in(None, "whatever"));
        assert!(lets_in(Some(&filter(&[("prefix", "my+files/")])), "my files/a"));
        assert!(lets_in(Some(&filter(&[("prefix", "my files/")])), "my files/a"));
    }

    #[test]
    fn keys_are_written_as_in_a_form() {
        assert_eq!(encoded("a b/ü+.txt"), "a+b/%C3%BC%2B.txt");
    }

    #[test]
    fn sequencers_order_as_their_numbers_do() {
        assert!(sequencer(9) < sequencer(10));
        assert_eq!(sequencer(1).len(), 18);
    }
}
