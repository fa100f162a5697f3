//! What a mapping may be configured to, and how it is shown.

use std::sync::Arc;

use serde_json::json;
use undercast_kernel::{Access, Arn, Context, ServiceError, StreamSource, StreamStart};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use super::filter::Pattern;
use crate::api::lambda::shapes::{
    CreateEventSourceMappingInput, DestinationConfig, EventSourceMappingConfiguration, Filter,
    FilterCriteria, OnFailure, ScalingConfig, UpdateEventSourceMappingInput,
};
use crate::asynchronous::check_destination;
use crate::error::{conflict, invalid};
use crate::store::{MappingRow, RESULTS, StreamMappingRow};

const FILTERS_MAX: usize = 10;
const FIFO_BATCH_MAX: u32 = 10;
const AGE_S_MIN: i32 = 60;

pub(crate) fn key(ctx: &Context, uuid: &str) -> (String, String, String) {
    (ctx.account().to_owned(), ctx.region().to_owned(), uuid.to_owned())
}

pub(crate) fn arn(ctx: &Context, uuid: &str) -> String {
    ctx.arn("lambda", format!("event-source-mapping:{uuid}"))
}

/// There is one mapping at most between a source and a function.
pub(crate) fn exists(source: &str, function: &str, uuid: &str) -> ServiceError {
    if !is_queue(Some(source)) {
        return conflict(format!(
            "The event source arn (\" {source} \") and function (\" {function} \") provided mapping already exists. Please update or delete the existing mapping with UUID {uuid}"
        ));
    }
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
    let reason = if row.stream.is_some() { "User action" } else { "USER_INITIATED" };
    let shown = EventSourceMappingConfiguration {
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
        state_transition_reason: Some(reason.to_owned()),
        ..EventSourceMappingConfiguration::default()
    };
    match &row.stream {
        Some(stream) => describe_stream(shown, stream),
        None => shown,
    }
}

fn describe_stream(
    shown: EventSourceMappingConfiguration,
    stream: &StreamMappingRow,
) -> EventSourceMappingConfiguration {
    let number = |n: u32| i32::try_from(n).ok();
    let or_for_ever = |n: Option<u32>| Some(n.and_then(number).unwrap_or(-1));
    EventSourceMappingConfiguration {
        starting_position: Some(stream.start.clone()),
        parallelization_factor: number(stream.factor),
        bisect_batch_on_function_error: Some(stream.bisect),
        maximum_retry_attempts: or_for_ever(stream.retries_max),
        maximum_record_age_in_seconds: or_for_ever(stream.age_s_max),
        tumbling_window_in_seconds: number(stream.tumbling_s),
        destination_config: Some(DestinationConfig {
            on_success: None,
            on_failure: Some(OnFailure { destination: stream.on_failure.clone() }),
        }),
        last_processing_result: Some(super::NONE_YET.to_owned()),
        ..shown
    }
}

/// The same with the result that was last noted.
pub(crate) async fn described(
    ctx: &Context,
    tx: &Tx,
    uuid: &str,
    row: &MappingRow,
    state: &str,
) -> Result<EventSourceMappingConfiguration, ServiceError> {
    let mut shown = describe(ctx, uuid, row, state);
    if row.stream.is_some()
        && let Some(result) = RESULTS.get(tx, &(uuid.to_owned(),)).await?
    {
        shown.last_processing_result = Some(result);
    }
    Ok(shown)
}

pub(super) fn start(stream: &StreamMappingRow) -> StreamStart {
    match stream.start.as_str() {
        "TRIM_HORIZON" => StreamStart::TrimHorizon,
        _ => StreamStart::Latest,
    }
}

/// What both requests may change.
pub(crate) struct Change<'a> {
    batch_size: Option<i32>,
    window_s: Option<i32>,
    filters: Option<&'a FilterCriteria>,
    response_types: Option<&'a Vec<String>>,
    scaling: Option<&'a ScalingConfig>,
    factor: Option<i32>,
    bisect: Option<bool>,
    retries_max: Option<i32>,
    age_s_max: Option<i32>,
    tumbling_s: Option<i32>,
    destination: Option<&'a DestinationConfig>,
}

impl<'a> From<&'a CreateEventSourceMappingInput> for Change<'a> {
    fn from(input: &'a CreateEventSourceMappingInput) -> Self {
        Self {
            batch_size: input.batch_size,
            window_s: input.maximum_batching_window_in_seconds,
            filters: input.filter_criteria.as_ref(),
            response_types: input.function_response_types.as_ref(),
            scaling: input.scaling_config.as_ref(),
            factor: input.parallelization_factor,
            bisect: input.bisect_batch_on_function_error,
            retries_max: input.maximum_retry_attempts,
            age_s_max: input.maximum_record_age_in_seconds,
            tumbling_s: input.tumbling_window_in_seconds,
            destination: input.destination_config.as_ref(),
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
            factor: input.parallelization_factor,
            bisect: input.bisect_batch_on_function_error,
            retries_max: input.maximum_retry_attempts,
            age_s_max: input.maximum_record_age_in_seconds,
            tumbling_s: input.tumbling_window_in_seconds,
            destination: input.destination_config.as_ref(),
        }
    }
}

impl Change<'_> {
    pub(crate) fn apply(&self, row: &mut MappingRow) -> Result<(), ServiceError> {
        let number = |n: i32| u32::try_from(n).unwrap_or_default();
        row.batch_size = self.batch_size.map_or(row.batch_size, number);
        row.window_s = self.window_s.map_or(row.window_s, number);
        if row.stream.is_some() {
            self.apply_to_stream(row)?;
        } else {
            self.check_queue_limits(row)?;
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

    fn check_queue_limits(&self, row: &MappingRow) -> Result<(), ServiceError> {
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
        match self.destination {
            Some(_) => Err(unsupported("DestinationConfig")),
            None => Ok(()),
        }
    }

    fn apply_to_stream(&self, row: &mut MappingRow) -> Result<(), ServiceError> {
        let Some(stream) = &mut row.stream else {
            return Ok(());
        };
        let number = |n: i32| u32::try_from(n).unwrap_or_default();
        if self.scaling.is_some() {
            return Err(unsupported("ScalingConfig"));
        }
        stream.factor = self.factor.map_or(stream.factor, number).max(1);
        stream.bisect = self.bisect.unwrap_or(stream.bisect);
        stream.tumbling_s = self.tumbling_s.map_or(stream.tumbling_s, number);
        if let Some(retries) = self.retries_max {
            stream.retries_max = u32::try_from(retries).ok();
        }
        if let Some(age_s) = self.age_s_max {
            if age_s != -1 && age_s < AGE_S_MIN {
                return Err(invalid(format!(
                    "MaximumRecordAgeInSeconds has to be -1 or at least {AGE_S_MIN}."
                )));
            }
            stream.age_s_max = u32::try_from(age_s).ok();
        }
        let Some(destination) = self.destination else {
            return Ok(());
        };
        if destination.on_success.as_ref().is_some_and(|to| to.destination.is_some()) {
            return Err(unsupported("OnSuccess"));
        }
        let wanted = destination.on_failure.as_ref().and_then(|to| to.destination.clone());
        if let Some(arn) = wanted.as_ref().filter(|arn| !arn.is_empty()) {
            check_destination(arn)?;
            if !is_queue(Some(arn)) {
                return Err(invalid(format!("The destination ARN {arn} is invalid.")));
            }
        }
        stream.on_failure = wanted.filter(|arn| !arn.is_empty());
        Ok(())
    }
}

fn unsupported(parameter: &str) -> ServiceError {
    invalid(format!("Unsupported {parameter} parameter for given event source mapping type."))
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
        return Err(unsupported("DestinationConfig"));
    }
    Ok(())
}

pub(crate) fn refuse_on_update(input: &UpdateEventSourceMappingInput) -> Result<(), ServiceError> {
    refuse(input.kms_key_arn.is_some(), "KMSKeyArn")?;
    refuse(input.metrics_config.is_some(), "MetricsConfig")?;
    refuse(input.logging_config.is_some(), "LoggingConfig")?;
    let poller = input.provisioned_poller_config.is_some();
    refuse(poller, "ProvisionedPollerConfig")
}

fn is_queue(source: Option<&str>) -> bool {
    source.and_then(Arn::parse).is_some_and(|arn| arn.service == "sqs")
}

/// The ARN of a source that is read here.
pub(crate) fn check_source(ctx: &Context, source: &str) -> Result<Arn, ServiceError> {
    let arn = Arn::parse(source).ok_or_else(|| invalid("Unrecognized event source."))?;
    match arn.service.as_str() {
        "sqs" => Ok(arn),
        service if ctx.kernel().stream_source(service).is_some() => Ok(arn),
        "dynamodb" | "kinesis" | "kafka" | "mq" | "rds" => {
            Err(ServiceError::unsupported(format!("{} as event source", arn.service)))
        }
        _ => Err(invalid("Unrecognized event source.")),
    }
}

/// The log that a source is, if it is one.
pub(crate) fn stream_of<'a>(ctx: &'a Context, source: &Arn) -> Option<&'a Arc<dyn StreamSource>> {
    ctx.kernel().stream_source(&source.service)
}

/// How a new mapping reads a log, before what the caller wants otherwise.
pub(crate) fn new_stream(
    input: &CreateEventSourceMappingInput,
    source: &str,
) -> Result<StreamMappingRow, ServiceError> {
    match input.starting_position.as_deref() {
        Some(start @ ("LATEST" | "TRIM_HORIZON")) => {
            Ok(StreamMappingRow { start: start.to_owned(), ..StreamMappingRow::default() })
        }
        Some(_) => Err(invalid(format!("Unsupported starting position for arn type: {source}"))),
        None => Err(ServiceError::new(
            "ValidationException",
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
        )),
    }
}

/// The function's role has to be allowed to read the source.
pub(crate) async fn check_role(as_role: &Context, source: &Arn) -> Result<(), ServiceError> {
    let stream = stream_of(as_role, source);
    let (prefix, actions) = match stream {
        Some(stream) => (stream.service(), stream.actions()),
        None => ("sqs", &["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"][..]),
    };
    for action in actions {
        let access = Access::new(format!("{prefix}:{action}"), source.to_string());
        let allowed = as_role.kernel().check(as_role, vec![access]).await;
        allowed.map_err(|_| {
            invalid(match stream {
                Some(_) => format!(
                    "Cannot access stream {source}. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM."
                ),
                None => format!(
                    "The provided execution role does not have permissions to call {action} on SQS"
                ),
            })
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
