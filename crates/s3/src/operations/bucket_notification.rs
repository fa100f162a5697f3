//! `PutBucketNotificationConfiguration` and `GetBucketNotificationConfiguration`.

use std::collections::BTreeSet;

use serde_json::Value;
use undercast_kernel::{Access, Arn, Context, Handler, ServiceError};
use undercast_store::Tx;

use crate::S3;
use crate::api::s3::operations::{
    GetBucketNotificationConfiguration, PutBucketNotificationConfiguration,
};
use crate::api::s3::shapes::{
    GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    NotificationConfiguration, NotificationConfigurationFilter,
    PutBucketNotificationConfigurationInput, PutBucketNotificationConfigurationOutput,
};
use crate::engine::bucket::{NOTIFICATION, access, config, delete_config, own, put_config};
use crate::engine::notify::{Delivery, Destination, ends, test_message};
use crate::engine::policy::lets_service;
use crate::error::{argument, invalid_argument, malformed_xml};
use crate::limits::{NOTIFICATION_FILTER_BYTES_MAX, NOTIFICATIONS_MAX};
use crate::store::{BUCKETS, BucketRow};
use crate::tasks::{S3_SERVICE, as_s3, lets_invoke, queue_policy};

/// Everything that AWS can be asked to tell, by its kind.
const EVENTS: [(&str, &[&str]); 10] = [
    ("ObjectCreated", &["Put", "Post", "Copy", "CompleteMultipartUpload"]),
    ("ObjectRemoved", &["Delete", "DeleteMarkerCreated"]),
    ("ObjectRestore", &["Post", "Completed", "Delete"]),
    ("ObjectTagging", &["Put", "Delete"]),
    ("LifecycleExpiration", &["Delete", "DeleteMarkerCreated"]),
    ("ObjectAcl", &["Put"]),
    ("ReducedRedundancyLostObject", &[]),
    ("LifecycleTransition", &[]),
    ("IntelligentTiering", &[]),
    (
        "Replication",
        &[
            "OperationFailedReplication",
            "OperationMissedThreshold",
            "OperationReplicatedAfterThreshold",
            "OperationNotTracked",
        ],
    ),
];

impl Handler<PutBucketNotificationConfiguration> for S3 {
    fn authorize(
        &self,
        _: &Context,
        input: &PutBucketNotificationConfigurationInput,
    ) -> Vec<Access> {
        access("PutBucketNotification", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        mut input: PutBucketNotificationConfigurationInput,
    ) -> Result<PutBucketNotificationConfigurationOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let owner = input.expected_bucket_owner.as_ref();
        let row = own(&tx, &ctx, &input.bucket, owner).await?;
        drop(tx);
        let wanted = &mut input.notification_configuration;
        check(wanted)?;
        complete(&ctx, wanted);
        if input.skip_destination_validation != Some(true) {
            check_destinations(&ctx, &row, &input.bucket, wanted).await?;
        }
        ctx.transact(input, |tx, ctx, input| async move { put(&tx, &ctx, &input).await }).await?;
        Ok(PutBucketNotificationConfigurationOutput::default())
    }
}

async fn put(
    tx: &Tx,
    ctx: &Context,
    input: &PutBucketNotificationConfigurationInput,
) -> Result<(), ServiceError> {
    let mut row = own(tx, ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
    let wanted = &input.notification_configuration;
    row.has_notification =
        all(wanted).next().is_some() || wanted.event_bridge_configuration.is_some();
    match row.has_notification {
        true => put_config(tx, &row, NOTIFICATION, wanted)?,
        false => delete_config(tx, &row, NOTIFICATION)?,
    }
    BUCKETS.put(tx, &(input.bucket.clone(),), &row)?;
    if input.skip_destination_validation == Some(true) {
        return Ok(());
    }
    // A queue hears that it will be told; functions do not.
    let queues: BTreeSet<&String> =
        wanted.queue_configurations.iter().flatten().map(|one| &one.queue_arn).collect();
    for queue in queues {
        Delivery {
            account: row.account.clone(),
            region: row.region.clone(),
            bucket: input.bucket.clone(),
            to: Destination::Queue(queue.clone()),
            message: test_message(tx, ctx, &input.bucket),
        }
        .spawn(tx)?;
    }
    Ok(())
}

/// What one destination wants to hear of.
#[derive(Clone, Copy)]
struct One<'a> {
    id: Option<&'a String>,
    events: &'a [String],
    filter: Option<&'a NotificationConfigurationFilter>,
}

fn all(wanted: &NotificationConfiguration) -> impl Iterator<Item = One<'_>> {
    let functions = wanted.lambda_function_configurations.iter().flatten().map(|one| One {
        id: one.id.as_ref(),
        events: &one.events,
        filter: one.filter.as_ref(),
    });
    let queues = wanted.queue_configurations.iter().flatten().map(|one| One {
        id: one.id.as_ref(),
        events: &one.events,
        filter: one.filter.as_ref(),
    });
    functions.chain(queues)
}

fn check(wanted: &NotificationConfiguration) -> Result<(), ServiceError> {
    if wanted.topic_configurations.as_ref().is_some_and(|topics| !topics.is_empty()) {
        return Err(ServiceError::unsupported("an SNS topic as the destination of notifications"));
    }
    let all: Vec<One<'_>> = all(wanted).collect();
    if all.len() > NOTIFICATIONS_MAX {
        return Err(malformed_xml());
    }
    let mut ids = BTreeSet::new();
    for one in &all {
        if one.events.is_empty() {
            return Err(malformed_xml());
        }
        if let Some(event) = one.events.iter().find(|event| !is_event(event)) {
            let message = "The event is not supported for notifications";
            return Err(argument("Event", event, message));
        }
        if one.id.is_some_and(|id| !id.is_empty() && !ids.insert(id)) {
            return Err(invalid_argument(
                "Same ID used for multiple configurations. IDs must be unique.",
            ));
        }
        check_filter(one.filter)?;
    }
    for (at, one) in all.iter().enumerate() {
        all.iter().skip(at + 1).try_for_each(|other| check_pair(one, other))?;
    }
    Ok(())
}

fn is_event(event: &str) -> bool {
    let Some(name) = event.strip_prefix("s3:") else {
        return false;
    };
    let (kind, what) = name.split_once(':').unwrap_or((name, ""));
    EVENTS.iter().any(|(known, whats)| {
        *known == kind
            && match what {
                "" => whats.is_empty(),
                "*" => *known != "ReducedRedundancyLostObject",
                what => whats.contains(&what),
            }
    })
}

fn check_filter(filter: Option<&NotificationConfigurationFilter>) -> Result<(), ServiceError> {
    let rules = filter.and_then(|f| f.key.as_ref()).and_then(|key| key.filter_rules.as_ref());
    let mut seen = BTreeSet::new();
    for rule in rules.into_iter().flatten() {
        let name = rule.name.as_deref().unwrap_or_default().to_ascii_lowercase();
        let value = rule.value.as_deref().unwrap_or_default();
        if name != "prefix" && name != "suffix" {
            let message = "filter rule name must be either prefix or suffix";
            return Err(argument("FilterRule.Name", &name, message));
        }
        if value.len() > NOTIFICATION_FILTER_BYTES_MAX {
            return Err(argument(
                "FilterRule.Value",
                value,
                "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
            ));
        }
        if !seen.insert(name.clone()) {
            let message = format!("Cannot specify more than one {name} rule in a filter.");
            return Err(argument("FilterRule.Name", &name, message));
        }
    }
    Ok(())
}

/// Two configurations must not both want the same event of the same object.
fn check_pair(one: &One<'_>, other: &One<'_>) -> Result<(), ServiceError> {
    let meets = |a: &str, b: &str| {
        let under = |a: &str, b: &str| a.strip_suffix('*').is_some_and(|kind| b.starts_with(kind));
        a == b || under(a, b) || under(b, a)
    };
    let shares = one.events.iter().any(|a| other.events.iter().any(|b| meets(a, b)));
    if !shares {
        return Ok(());
    }
    let ((prefix, suffix), (other_prefix, other_suffix)) = (ends(one.filter), ends(other.filter));
    let before = prefix.starts_with(other_prefix) || other_prefix.starts_with(prefix);
    let behind = suffix.ends_with(other_suffix) || other_suffix.ends_with(suffix);
    if !before || !behind {
        return Ok(());
    }
    let unfiltered = [prefix, suffix, other_prefix, other_suffix].iter().all(|end| end.is_empty());
    Err(invalid_argument(match unfiltered {
        true => {
            "Configurations overlap. Configurations on the same bucket cannot share a common event type."
        }
        false => {
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."
        }
    }))
}

/// Gives ids to those that have none, and writes the names of filters as AWS does.
fn complete(ctx: &Context, wanted: &mut NotificationConfiguration) {
    let complete = |id: &mut Option<String>,
                    filter: &mut Option<NotificationConfigurationFilter>| {
        if id.as_ref().is_none_or(String::is_empty) {
            *id = Some(ctx.env().ids.uuid());
        }
        let rules =
            filter.as_mut().and_then(|f| f.key.as_mut()).and_then(|k| k.filter_rules.as_mut());
        for rule in rules.into_iter().flatten() {
            let is_prefix = rule.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case("prefix"));
            rule.name = Some(if is_prefix { "Prefix" } else { "Suffix" }.to_owned());
        }
    };
    for one in wanted.lambda_function_configurations.iter_mut().flatten() {
        complete(&mut one.id, &mut one.filter);
    }
    for one in wanted.queue_configurations.iter_mut().flatten() {
        complete(&mut one.id, &mut one.filter);
    }
    wanted.topic_configurations = None;
}

/// Functions and queues are there and let S3 reach them, as AWS makes sure before it takes a
/// configuration: what nobody would hear of is better known now.
async fn check_destinations(
    ctx: &Context,
    row: &BucketRow,
    bucket: &str,
    wanted: &NotificationConfiguration,
) -> Result<(), ServiceError> {
    let ctx = &as_s3(ctx, &row.account, &row.region);
    for one in wanted.lambda_function_configurations.iter().flatten() {
        let arn = checked(&one.lambda_function_arn, "lambda", row)?;
        if !lets_invoke(ctx, &arn, bucket, &row.account).await? {
            let to = &one.lambda_function_arn;
            return Err(not_valid(to, format!("Not authorized to invoke function [{to}]")));
        }
    }
    for one in wanted.queue_configurations.iter().flatten() {
        let arn = checked(&one.queue_arn, "sqs", row)?;
        if arn.resource.ends_with(".fifo") {
            return Err(not_valid(&one.queue_arn, "FIFO SQS queues are not supported"));
        }
        let Some(policy) = queue_policy(ctx, &arn).await? else {
            return Err(not_valid(&one.queue_arn, "The destination queue does not exist"));
        };
        let source = (bucket, row.account.as_str());
        if !lets_service(&policy, S3_SERVICE, "sqs:SendMessage", &one.queue_arn, source) {
            return Err(not_valid(
                &one.queue_arn,
                "Permissions on the destination queue do not allow S3 to publish notifications from this bucket",
            ));
        }
    }
    Ok(())
}

/// An ARN of this service in the bucket's own region.
fn checked(text: &str, service: &str, row: &BucketRow) -> Result<Arn, ServiceError> {
    let arn = Arn::parse(text).filter(|arn| arn.service == service);
    let arn = arn.ok_or_else(|| argument("ARN", text, "The ARN is not well formed"))?;
    if arn.region != row.region {
        let message = "The notification destination service region is not valid for the bucket location constraint";
        return Err(argument("ARN", text, message));
    }
    Ok(arn)
}

fn not_valid(arn: &str, why: impl Into<Value>) -> ServiceError {
    invalid_argument("Unable to validate the following destination configurations")
        .with_field("ArgumentName1", arn)
        .with_field("ArgumentValue1", why)
}

impl Handler<GetBucketNotificationConfiguration> for S3 {
    fn authorize(
        &self,
        _: &Context,
        input: &GetBucketNotificationConfigurationInput,
    ) -> Vec<Access> {
        access("GetBucketNotification", &input.bucket)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetBucketNotificationConfigurationInput,
    ) -> Result<GetBucketNotificationConfigurationOutput, ServiceError> {
        let tx = ctx.store().begin().await?;
        let row = own(&tx, &ctx, &input.bucket, input.expected_bucket_owner.as_ref()).await?;
        let found: Option<NotificationConfiguration> = config(&tx, &row, NOTIFICATION).await?;
        let found = found.unwrap_or_default();
        Ok(GetBucketNotificationConfigurationOutput {
            topic_configurations: None,
            queue_configurations: found.queue_configurations,
            lambda_function_configurations: found.lambda_function_configurations,
            event_bridge_configuration: found.event_bridge_configuration,
        })
    }
}
