//! `AWS::Lambda::EventSourceMapping` and `AWS::Lambda::EventInvokeConfig`.

use futures::FutureExt;
use serde_json::{Map, Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};

use super::{EXISTS, Future, GONE, call, call_unless_gone, copy, plain, tags, text};

pub(crate) struct MappingType;
pub(crate) struct InvokeConfigType;

const NUMBERS: &[&str] = &[
    "BatchSize",
    "BisectBatchOnFunctionError",
    "Enabled",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "TumblingWindowInSeconds",
];

impl ResourceType for MappingType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::EventSourceMapping"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "BatchSize",
            "BisectBatchOnFunctionError",
            "DestinationConfig",
            "Enabled",
            "EventSourceArn",
            "FilterCriteria",
            "FunctionName",
            "FunctionResponseTypes",
            "MaximumBatchingWindowInSeconds",
            "MaximumRecordAgeInSeconds",
            "MaximumRetryAttempts",
            "ParallelizationFactor",
            "ScalingConfig",
            "StartingPosition",
            "Tags",
            "TumblingWindowInSeconds",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["EventSourceArn", "StartingPosition"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let mut input = mapping(&request, false)?;
            let p = &request.properties;
            copy(p, &mut input, &["EventSourceArn", "StartingPosition"], &[]);
            input.insert("Tags".to_owned(), tags(&request));
            let made = match call(&ctx, "CreateEventSourceMapping", Value::Object(input)).await {
                Err(error) if error.code() == EXISTS && request.attempt > 1 => {
                    existing(&ctx, &request).await?.ok_or(error)?
                }
                other => other?,
            };
            Ok(shown(&ctx, &text(&made, "UUID")))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let mut input = mapping(&request, true)?;
            input.insert("UUID".to_owned(), request.physical_id.clone().into());
            call(&ctx, "UpdateEventSourceMapping", Value::Object(input)).await?;
            Ok(shown(&ctx, &request.physical_id))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"UUID": request.physical_id});
            call_unless_gone(&ctx, "DeleteEventSourceMapping", input).await
        }
        .boxed()
    }
}

fn shown(ctx: &Context, uuid: &str) -> Resource {
    Resource::new(uuid)
        .with("Id", uuid)
        .with("EventSourceMappingArn", crate::mappings::arn(ctx, uuid))
}

/// The mapping that an earlier attempt made: there is one at most between a source and a function, and it
/// carries the stack's tags.
async fn existing(ctx: &Context, request: &ResourceRequest) -> Result<Option<Value>, ServiceError> {
    let p = &request.properties;
    let input =
        json!({"EventSourceArn": p.get("EventSourceArn"), "FunctionName": p.get("FunctionName")});
    let found = call(ctx, "ListEventSourceMappings", input).await?;
    let Some(found) = found.pointer("/EventSourceMappings/0").cloned() else {
        return Ok(None);
    };
    let arn = text(&found, "EventSourceMappingArn");
    let have = call(ctx, "ListTags", json!({"Resource": arn})).await?;
    let is_ours =
        ["aws:cloudformation:stack-id", "aws:cloudformation:logical-id"].iter().all(|tag| {
            let have = have.get("Tags").and_then(|tags| tags.get(*tag)?.as_str());
            have == request.tags.get(*tag).map(String::as_str)
        });
    Ok(is_ours.then_some(found))
}

fn mapping(request: &ResourceRequest, is_update: bool) -> Result<Map<String, Value>, ServiceError> {
    let p = &request.properties;
    let mut input = Map::new();
    if is_update {
        let source = text(p, "EventSourceArn");
        let is_queue =
            undercast_kernel::Arn::parse(&source).is_some_and(|arn| arn.service == "sqs");
        // What left the template goes back to its default.
        let defaults = json!({
            "BatchSize": if is_queue { 10 } else { 100 }, "MaximumBatchingWindowInSeconds": 0, "Enabled": true,
            "FilterCriteria": {"Filters": []}, "FunctionResponseTypes": [], "ScalingConfig": {},
        });
        let for_streams = json!({
            "ParallelizationFactor": 1, "BisectBatchOnFunctionError": false,
            "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1,
            "TumblingWindowInSeconds": 0, "DestinationConfig": {},
        });
        let all = [defaults, if is_queue { Value::Null } else { for_streams }];
        for (name, value) in all.iter().filter_map(Value::as_object).flatten() {
            if request.old.get(name).is_some() {
                input.insert(name.clone(), value.clone());
            }
        }
    }
    copy(p, &mut input, &["DestinationConfig", "FunctionName", "FunctionResponseTypes"], NUMBERS);
    if let Some(scaling) = p.get("ScalingConfig") {
        let most = scaling.get("MaximumConcurrency").map(plain);
        input.insert("ScalingConfig".to_owned(), json!({"MaximumConcurrency": most}));
    }
    if let Some(criteria) = p.get("FilterCriteria") {
        input.insert("FilterCriteria".to_owned(), criteria.clone());
    }
    Ok(input)
}

impl ResourceType for InvokeConfigType {
    fn name(&self) -> &'static str {
        "AWS::Lambda::EventInvokeConfig"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "DestinationConfig",
            "FunctionName",
            "MaximumEventAgeInSeconds",
            "MaximumRetryAttempts",
            "Qualifier",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["FunctionName", "Qualifier"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            call(&ctx, "PutFunctionEventInvokeConfig", invoke_config(&request)).await?;
            Ok(Resource::new(request.generated_name(128)))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            call(&ctx, "PutFunctionEventInvokeConfig", invoke_config(&request)).await?;
            Ok(Resource::new(request.physical_id))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let p = &request.properties;
            let input =
                json!({"FunctionName": p.get("FunctionName"), "Qualifier": p.get("Qualifier")});
            match call(&ctx, "DeleteFunctionEventInvokeConfig", input).await {
                Err(error) if error.code() == GONE => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

fn invoke_config(request: &ResourceRequest) -> Value {
    let mut input = Map::new();
    copy(
        &request.properties,
        &mut input,
        &["DestinationConfig", "FunctionName", "Qualifier"],
        &["MaximumEventAgeInSeconds", "MaximumRetryAttempts"],
    );
    Value::Object(input)
}
