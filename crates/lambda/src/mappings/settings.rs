//! What a mapping may be configured to, and how it is shown.

use serde_json::json;
use undercast_kernel::{Access, Arn, Context, ServiceError};
use undercast_smithy::Timestamp;

use super::filter::Pattern;
use crate::api::lambda::shapes::{
    CreateEventSourceMappingInput, EventSourceMappingConfiguration, Filter, FilterCriteria,
    ScalingConfig, UpdateEventSourceMappingInput,
};
use crate::error::{conflict, invalid};
use crate::store::MappingRow;

const FILTERS_MAX: usize = 10;
const FIFO_BATCH_MAX: u32 = 10;

pub(crate) fn key(ctx: &Context, uuid: &str) -> (String, String, String) {
    (ctx.account().to_owned(), ctx.region().to_owned(), uuid.to_owned())
}

pub(crate) fn arn(ctx: &Context, uuid: &str) -> String {
    ctx.arn("lambda", format!("event-source-mapping:{uuid}"))
}

/// There is one mapping at most between a queue and a function.
pub(crate) fn exists(source: &str, function: &str, uuid: &str) -> ServiceError {
    conflict(format!(
        "An event source mapping with SQS arn (\" {source} \") and function (\" {function} \") already exists. Please update or delete the existing mapping with UUID {uuid}"
    ))
}

pub(crate) fn state(row: &MappingRow) -> &'static str {
    if row.enabled { "Enabled" } else { "Disabled" }
}

pub(crate) fn describe(
    ctx: &Context,
    uuid: &str,
    row: &MappingRow,
    state: &str,
) -> EventSourceMappingConfiguration {
    let number = |n: u32| i32::try_from(n).ok();
    let filters = row.filters.iter().map(|pattern| Filter { pattern: Some(pattern.clone()) });
    let filters: Vec<Filter> = filters.collect();
    let types = row.partial.then(|| "ReportBatchItemFailures".to_owned());
    EventSourceMappingConfiguration {
        uuid: Some(uuid.to_owned()),
        event_source_arn: Some(row.source.clone()),
        event_source_mapping_arn: Some(arn(ctx, uuid)),
        function_arn: Some(row.function.clone()),
        batch_size: number(row.batch_size),
        maximum_batching_window_in_seconds: number(row.window_s),
        function_response_types: Some(types.into_iter().collect()),
        filter_criteria: Some(filters)
            .filter(|f| !f.is_empty())
            .map(|f| FilterCriteria { filters: Some(f) }),
        scaling_config: row
            .concurrency_max
            .map(|n| ScalingConfig { maximum_concurrency: number(n) }),
        last_modified: Some(Timestamp::from_millis(row.modified_ms)),
        state: Some(state.to_owned()),
        state_transition_reason: Some("USER_INITIATED".to_owned()),
        ..EventSourceMappingConfiguration::default()
    }
}

/// What both requests may change.
pub(crate) struct Change<'a> {
    batch_size: Option<i32>,
    window_s: Option<i32>,
    filters: Option<&'a FilterCriteria>,
    response_types: Option<&'a Vec<String>>,
    scaling: Option<&'a ScalingConfig>,
}

impl<'a> From<&'a CreateEventSourceMappingInput> for Change<'a> {
    fn from(input: &'a CreateEventSourceMappingInput) -> Self {
        Self {
            batch_size: input.batch_size,
            window_s: input.maximum_batching_window_in_seconds,
            filters: input.filter_criteria.as_ref(),
            response_types: input.function_response_types.as_ref(),
            scaling: input.scaling_config.as_ref(),
        }
    }
}

impl<'a> From<&'a UpdateEventSourceMappingInput> for Change<'a> {
    fn from(input: &'a UpdateEventSourceMappingInput) -> Self {
        Self {
            batch_size: input.batch_size,
            window_s: input.maximum_batching_window_in_seconds,
            filters: input.filter_criteria.as_ref(),
            response_types: input.function_response_types.as_ref(),
            scaling: input.scaling_config.as_ref(),
        }
    }
}

impl Change<'_> {
    pub(crate) fn apply(&self, row: &mut MappingRow) -> Result<(), ServiceError> {
        let number = |n: i32| u32::try_from(n).unwrap_or_default();
        row.batch_size = self.batch_size.map_or(row.batch_size, number);
        row.window_s = self.window_s.map_or(row.window_s, number);
        if row.is_fifo() && row.window_s > 0 {
            return Err(invalid("Batching window is not supported for FIFO queues"));
        }
        if row.is_fifo() && row.batch_size > FIFO_BATCH_MAX {
            return Err(invalid(format!(
                "Maximum batch size for FIFO queues is {FIFO_BATCH_MAX}."
            )));
        }
        if row.batch_size > 10 && row.window_s == 0 {
            return Err(invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            ));
        }
        if let Some(criteria) = self.filters {
            row.filters = patterns(criteria)?;
        }
        if let Some(types) = self.response_types {
            row.partial = types.iter().any(|kind| kind == "ReportBatchItemFailures");
        }
        if let Some(scaling) = self.scaling {
            row.concurrency_max = scaling.maximum_concurrency.map(number);
        }
        Ok(())
    }
}

fn patterns(criteria: &FilterCriteria) -> Result<Vec<String>, ServiceError> {
    let filters = criteria.filters.as_deref().unwrap_or_default();
    if filters.len() > FILTERS_MAX {
        return Err(invalid(format!("The maximum number of filters is {FILTERS_MAX}.")));
    }
    let check = |filter: &Filter| {
        let pattern = filter.pattern.clone().unwrap_or_default();
        let pattern = Pattern::compile(&pattern).map(|_| pattern);
        pattern.ok_or_else(|| invalid("Invalid filter pattern definition."))
    };
    filters.iter().map(check).collect()
}

fn refuse(is_given: bool, what: &str) -> Result<(), ServiceError> {
    match is_given {
        true => Err(ServiceError::unsupported(format!("{what} of an event source mapping"))),
        false => Ok(()),
    }
}

pub(crate) fn refuse_on_create(input: &CreateEventSourceMappingInput) -> Result<(), ServiceError> {
    let kafka = input.self_managed_event_source.is_some() || input.topics.is_some();
    refuse(kafka, "Apache Kafka as source")?;
    refuse(input.queues.is_some(), "a message broker as source")?;
    refuse(input.kms_key_arn.is_some(), "KMSKeyArn")?;
    refuse(input.metrics_config.is_some(), "MetricsConfig")?;
    refuse(input.logging_config.is_some(), "LoggingConfig")?;
    let poller = input.provisioned_poller_config.is_some();
    refuse(poller, "ProvisionedPollerConfig")?;
    if input.destination_config.is_some() && is_queue(input.event_source_arn.as_deref()) {
        return Err(invalid(
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    Ok(())
}

pub(crate) fn refuse_on_update(input: &UpdateEventSourceMappingInput) -> Result<(), ServiceError> {
    refuse(input.kms_key_arn.is_some(), "KMSKeyArn")?;
    refuse(input.metrics_config.is_some(), "MetricsConfig")?;
    refuse(input.logging_config.is_some(), "LoggingConfig")?;
    let poller = input.provisioned_poller_config.is_some();
    refuse(poller, "ProvisionedPollerConfig")?;
    if input.destination_config.is_some() {
        return Err(invalid(
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    Ok(())
}

fn is_queue(source: Option<&str>) -> bool {
    source.and_then(Arn::parse).is_some_and(|arn| arn.service == "sqs")
}

/// The ARN of a source that is read here.
pub(crate) fn check_source(source: &str) -> Result<Arn, ServiceError> {
    let arn = Arn::parse(source).ok_or_else(|| invalid("Unrecognized event source."))?;
    match arn.service.as_str() {
        "sqs" => Ok(arn),
        "dynamodb" | "kinesis" | "kafka" | "mq" | "rds" => {
            Err(ServiceError::unsupported(format!("{} as event source", arn.service)))
        }
        _ => Err(invalid("Unrecognized event source.")),
    }
}

/// The function's role has to be allowed to read the queue.
pub(crate) async fn check_role(as_role: &Context, source: &str) -> Result<(), ServiceError> {
    for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"] {
        let access = Access::new(format!("sqs:{action}"), source);
        let allowed = as_role.kernel().check(as_role, vec![access]).await;
        allowed.map_err(|_| {
            invalid(format!(
                "The provided execution role does not have permissions to call {action} on SQS"
            ))
        })?;
    }
    Ok(())
}

/// The queue has to be there, and to hide messages for longer than the function may take.
pub(crate) async fn check_queue(
    ctx: &Context,
    arn: &Arn,
    timeout_s: u32,
) -> Result<(), ServiceError> {
    let there = ctx.within(arn.account.clone(), arn.region.clone());
    let input = json!({
        "QueueUrl": format!("{}/{}/{}", ctx.public_url(), arn.account, arn.resource),
        "AttributeNames": ["VisibilityTimeout"],
    });
    let call = ctx.kernel().call(&there, "sqs", "GetQueueAttributes", &input);
    let output = call.await.map_err(|error| match error.code() {
        "QueueDoesNotExist" => invalid(format!(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: {}",
            error.message()
        )),
        _ => error,
    })?;
    let visibility_s = output
        .pointer("/Attributes/VisibilityTimeout")
        .and_then(|value| value.as_str()?.parse::<u32>().ok());
    match visibility_s {
        Some(visibility_s) if visibility_s < timeout_s => Err(invalid(format!(
            "Queue visibility timeout: {visibility_s} seconds is less than Function timeout: {timeout_s} seconds"
        ))),
        _ => Ok(()),
    }
}
