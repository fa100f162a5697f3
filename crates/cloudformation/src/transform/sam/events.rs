//! What invokes a function: `Events`.

use serde_json::{Value, json};

use super::document::{
    Object, alphanumeric, attribute, copy, list, object, reference, resource, set, sub,
};
use super::function::{Function, named, wait_for};
use super::role::trust;
use super::{Sam, openapi, sources};

/// One event of a function, and the logical id that its resource gets.
pub(super) struct Event<'a> {
    pub(super) id: String,
    pub(super) p: &'a Object,
}

pub(super) fn make(
    sam: &mut Sam<'_>,
    function: &mut Function,
    name: &str,
    event: &Value,
) -> Result<(), String> {
    let kind = event.get("Type").and_then(Value::as_str).unwrap_or_default();
    let empty = Object::new();
    let p = event.get("Properties").and_then(Value::as_object).unwrap_or(&empty);
    let event = Event { id: format!("{}{name}", function.id), p };
    match kind {
        "HttpApi" => openapi::http_event(sam, function, &event),
        "Api" => openapi::rest_event(sam, function, &event),
        "Schedule" => rule(sam, function, &event, true),
        "EventBridgeRule" | "CloudWatchEvent" => rule(sam, function, &event, false),
        "ScheduleV2" => schedule(sam, function, &event),
        "SNS" => sns(sam, function, &event),
        "S3" => s3(sam, function, &event),
        "CloudWatchLogs" => logs(sam, function, &event),
        "AlexaSkill" => alexa(sam, function, &event),
        "IoTRule" => iot(sam, function, &event),
        "Cognito" => cognito(sam, function, &event),
        _ if sources::is_source(kind) => sources::make(sam, function, kind, &event),
        _ => Err(format!(
            "Resource dict has missing or invalid value for key Type. Event Type is: {kind}."
        )),
    }
}

pub(super) fn required<'a>(p: &'a Object, name: &str) -> Result<&'a Value, String> {
    p.get(name)
        .filter(|v| !v.is_null())
        .ok_or_else(|| format!("Missing required property '{name}'."))
}

/// Lets `principal` invoke the function.
pub(super) fn permit(
    sam: &mut Sam<'_>,
    function: &Function,
    id: String,
    principal: &str,
    more: Value,
) {
    let mut permission = object([
        ("Action", Some(json!("lambda:InvokeFunction"))),
        ("FunctionName", Some(function.name())),
        ("Principal", Some(json!(principal))),
    ]);
    for (name, value) in more.as_object().into_iter().flatten() {
        set(&mut permission, name, value.clone());
    }
    sam.emit(&function.id, id, resource("AWS::Lambda::Permission", permission));
}

/// `State`, or what `Enabled` says.
pub(super) fn state(sam: &Sam<'_>, p: &Object) -> Option<Value> {
    if let Some(state) = p.get("State").filter(|v| !v.is_null()) {
        return Some(state.clone());
    }
    let enabled = p.get("Enabled").filter(|v| !v.is_null())?;
    Some(json!(if sam.is_true(Some(enabled)) { "ENABLED" } else { "DISABLED" }))
}

/// The properties that a rule has besides its target.
pub(super) fn rule_properties(
    sam: &Sam<'_>,
    p: &Object,
    is_schedule: bool,
) -> Result<Value, String> {
    let built = if is_schedule {
        object([
            ("ScheduleExpression", Some(required(p, "Schedule")?.clone())),
            ("Name", p.get("Name").cloned()),
            ("Description", p.get("Description").cloned()),
            ("State", state(sam, p)),
            ("RoleArn", p.get("RoleArn").cloned()),
        ])
    } else {
        object([
            ("EventBusName", p.get("EventBusName").cloned()),
            ("EventPattern", Some(required(p, "Pattern")?.clone())),
            ("Name", p.get("RuleName").cloned()),
            ("State", state(sam, p)),
        ])
    };
    Ok(built)
}

/// The queue for what cannot be delivered: one that is named, or one that is made.
pub(super) fn dead_letters(
    sam: &mut Sam<'_>,
    owner: &str,
    event: &Event<'_>,
    rule: &str,
) -> Result<Option<Value>, String> {
    let Some(config) = event.p.get("DeadLetterConfig").filter(|v| !v.is_null()) else {
        return Ok(None);
    };
    if let Some(arn) = config.get("Arn").filter(|v| !v.is_null()) {
        return Ok(Some(json!({"Arn": arn})));
    }
    if config.get("Type").and_then(Value::as_str) != Some("SQS") {
        return Err("'DeadLetterConfig' requires either 'Arn' or 'Type: SQS'.".to_owned());
    }
    let given = config.get("QueueLogicalId").and_then(Value::as_str);
    let queue = given.map_or_else(|| format!("{}Queue", event.id), str::to_owned);
    sam.emit(owner, queue.clone(), resource("AWS::SQS::Queue", json!({})));
    let policy = json!({
        "Queues": [reference(&queue)],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": attribute(&queue, "Arn"),
            "Condition": {"ArnEquals": {"aws:SourceArn": attribute(rule, "Arn")}},
        }]},
    });
    sam.emit(owner, format!("{}QueuePolicy", event.id), resource("AWS::SQS::QueuePolicy", policy));
    Ok(Some(json!({"Arn": attribute(&queue, "Arn")})))
}

fn rule(
    sam: &mut Sam<'_>,
    function: &Function,
    event: &Event<'_>,
    is_schedule: bool,
) -> Result<(), String> {
    let p = event.p;
    let mut built = rule_properties(sam, p, is_schedule)?;
    let given = p.get("Target").and_then(|t| t.get("Id")).cloned();
    let mut target = object([
        ("Arn", Some(function.arn())),
        ("Id", Some(given.unwrap_or_else(|| json!(format!("{}LambdaTarget", event.id))))),
    ]);
    copy(p, &mut target, &["Input", "InputPath", "InputTransformer", "RetryPolicy"]);
    if let Some(config) = dead_letters(sam, &function.id, event, &event.id)? {
        set(&mut target, "DeadLetterConfig", config);
    }
    set(&mut built, "Targets", json!([target]));
    sam.emit(&function.id, event.id.clone(), resource("AWS::Events::Rule", built));
    let more = json!({"SourceArn": attribute(&event.id, "Arn")});
    permit(sam, function, format!("{}Permission", event.id), "events.amazonaws.com", more);
    Ok(())
}

fn schedule(sam: &mut Sam<'_>, function: &Function, event: &Event<'_>) -> Result<(), String> {
    let action = ("lambda:InvokeFunction", "Lambda");
    schedule_for(sam, &function.id, function.arn(), event, action)
}

/// A schedule of EventBridge Scheduler and the role in which it calls its target.
pub(super) fn schedule_for(
    sam: &mut Sam<'_>,
    owner: &str,
    arn: Value,
    event: &Event<'_>,
    (action, noun): (&str, &str),
) -> Result<(), String> {
    let p = event.p;
    let expression = required(p, "ScheduleExpression")?.clone();
    let role = format!("{}Role", event.id);
    let role_arn = match p.get("RoleArn").filter(|v| !v.is_null()) {
        Some(given) => given.clone(),
        None => {
            let mut built = json!({
                "AssumeRolePolicyDocument": trust("scheduler.amazonaws.com"),
                "Policies": [{
                    "PolicyName": format!("{}{noun}Policy", event.id),
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [
                        {"Effect": "Allow", "Action": action, "Resource": arn},
                    ]},
                }],
            });
            copy(p, &mut built, &["PermissionsBoundary"]);
            sam.emit(owner, role.clone(), resource("AWS::IAM::Role", built));
            attribute(&role, "Arn")
        }
    };
    let mut target = object([("Arn", Some(arn)), ("RoleArn", Some(role_arn))]);
    copy(p, &mut target, &["Input", "RetryPolicy"]);
    if let Some(config) = p.get("DeadLetterConfig").filter(|v| v.get("Arn").is_some()) {
        set(&mut target, "DeadLetterConfig", config.clone());
    }
    let window = p.get("FlexibleTimeWindow").cloned();
    let omit_name = sam.is_true(p.get("OmitName"));
    let name = p.get("Name").cloned().or_else(|| (!omit_name).then(|| json!(event.id)));
    let mut built = object([
        ("ScheduleExpression", Some(expression)),
        ("FlexibleTimeWindow", Some(window.unwrap_or_else(|| json!({"Mode": "OFF"})))),
        ("Name", name),
        ("State", state(sam, p)),
        ("Target", Some(target)),
    ]);
    copy(
        p,
        &mut built,
        &[
            "Description",
            "EndDate",
            "GroupName",
            "KmsKeyArn",
            "ScheduleExpressionTimezone",
            "StartDate",
        ],
    );
    sam.emit(owner, event.id.clone(), resource("AWS::Scheduler::Schedule", built));
    Ok(())
}

fn sns(sam: &mut Sam<'_>, function: &mut Function, event: &Event<'_>) -> Result<(), String> {
    let p = event.p;
    let topic = required(p, "Topic")?.clone();
    let mut built = json!({"TopicArn": topic});
    copy(p, &mut built, &["FilterPolicy", "FilterPolicyScope", "RedrivePolicy", "Region"]);
    let through = p.get("SqsSubscription").filter(|v| !v.is_null() && **v != json!(false));
    let Some(through) = through else {
        set(&mut built, "Endpoint", function.arn());
        set(&mut built, "Protocol", json!("lambda"));
        sam.emit(&function.id, event.id.clone(), resource("AWS::SNS::Subscription", built));
        let more = json!({"SourceArn": topic});
        permit(sam, function, format!("{}Permission", event.id), "sns.amazonaws.com", more);
        return Ok(());
    };
    let owner = function.id.clone();
    let (arn, url) = match (through.get("QueueArn"), through.get("QueueUrl")) {
        (Some(arn), Some(url)) => (arn.clone(), url.clone()),
        _ => {
            let queue = format!("{}Queue", event.id);
            sam.emit(&owner, queue.clone(), resource("AWS::SQS::Queue", json!({})));
            (attribute(&queue, "Arn"), reference(&queue))
        }
    };
    let policy = json!({
        "Queues": [url],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }]},
    });
    let policy_id = through.get("QueuePolicyLogicalId").and_then(Value::as_str);
    let policy_id = policy_id.map_or_else(|| format!("{}QueuePolicy", event.id), str::to_owned);
    sam.emit(&owner, policy_id, resource("AWS::SQS::QueuePolicy", policy));
    set(&mut built, "Endpoint", arn.clone());
    set(&mut built, "Protocol", json!("sqs"));
    sam.emit(&owner, event.id.clone(), resource("AWS::SNS::Subscription", built));
    let mapping = object([
        ("BatchSize", Some(through.get("BatchSize").cloned().unwrap_or_else(|| json!(10)))),
        ("Enabled", Some(through.get("Enabled").cloned().unwrap_or_else(|| json!(true)))),
        ("EventSourceArn", Some(arn)),
        ("FunctionName", Some(function.name())),
    ]);
    function.needs.managed("AWSLambdaSQSQueueExecutionRole");
    let id = format!("{}EventSourceMapping", event.id);
    sam.emit(&owner, id, resource("AWS::Lambda::EventSourceMapping", mapping));
    Ok(())
}

fn s3(sam: &mut Sam<'_>, function: &Function, event: &Event<'_>) -> Result<(), String> {
    let p = event.p;
    let given = required(p, "Bucket")?;
    let events = list(Some(required(p, "Events")?));
    let bucket = named(given).filter(|id| sam.kind(id) == Some("AWS::S3::Bucket"));
    let bucket =
        bucket.ok_or("S3 events must reference an S3 bucket in the same template.")?.to_owned();
    let permission = format!("{}Permission", event.id);
    let more = json!({"SourceAccount": {"Ref": "AWS::AccountId"}});
    permit(sam, function, permission.clone(), "s3.amazonaws.com", more);
    let condition = sam.written_attribute(&function.id, "Condition");
    let Some(resource) = sam.written.get_mut(&bucket) else {
        return Ok(());
    };
    wait_for(resource, &permission);
    let properties = super::document::member(resource, "Properties");
    let Some(notifications) =
        properties.and_then(|p| super::document::member(p, "NotificationConfiguration"))
    else {
        return Ok(());
    };
    for kind in events {
        let one = object([
            ("Event", Some(kind)),
            ("Function", Some(function.arn())),
            ("Filter", p.get("Filter").cloned()),
        ]);
        let one = match &condition {
            Some(condition) => json!({"Fn::If": [condition, one, {"Ref": "AWS::NoValue"}]}),
            None => one,
        };
        super::document::push(notifications, "LambdaConfigurations", one);
    }
    Ok(())
}

fn logs(sam: &mut Sam<'_>, function: &Function, event: &Event<'_>) -> Result<(), String> {
    let group = required(event.p, "LogGroupName")?.clone();
    let built = object([
        ("DestinationArn", Some(function.arn())),
        ("FilterPattern", Some(required(event.p, "FilterPattern")?.clone())),
        ("LogGroupName", Some(group.clone())),
    ]);
    let permission = format!("{}Permission", event.id);
    let mut made = resource("AWS::Logs::SubscriptionFilter", built);
    wait_for(&mut made, &permission);
    sam.emit(&function.id, event.id.clone(), made);
    let arn = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${__LogGroupName__}:*";
    let more = json!({"SourceArn": {"Fn::Sub": [arn, {"__LogGroupName__": group}]}});
    permit(sam, function, permission, "logs.amazonaws.com", more);
    Ok(())
}

fn alexa(sam: &mut Sam<'_>, function: &Function, event: &Event<'_>) -> Result<(), String> {
    let more = object([("EventSourceToken", event.p.get("SkillId").cloned())]);
    permit(sam, function, format!("{}Permission", event.id), "alexa-appkit.amazon.com", more);
    Ok(())
}

fn iot(sam: &mut Sam<'_>, function: &Function, event: &Event<'_>) -> Result<(), String> {
    let payload = object([
        ("Sql", Some(required(event.p, "Sql")?.clone())),
        ("AwsIotSqlVersion", event.p.get("AwsIotSqlVersion").cloned()),
        ("Actions", Some(json!([{"Lambda": {"FunctionArn": function.arn()}}]))),
        ("RuleDisabled", Some(json!(false))),
    ]);
    let rule = resource("AWS::IoT::TopicRule", json!({"TopicRulePayload": payload}));
    sam.emit(&function.id, event.id.clone(), rule);
    let arn = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:rule/${RuleName}";
    let more = json!({
        "SourceAccount": sub("${AWS::AccountId}"),
        "SourceArn": {"Fn::Sub": [arn, {"RuleName": reference(&event.id)}]},
    });
    permit(sam, function, format!("{}Permission", event.id), "iot.amazonaws.com", more);
    Ok(())
}

fn cognito(sam: &mut Sam<'_>, function: &Function, event: &Event<'_>) -> Result<(), String> {
    let pool = named(required(event.p, "UserPool")?)
        .filter(|id| sam.kind(id) == Some("AWS::Cognito::UserPool"));
    let pool = pool
        .ok_or("Cognito events must reference a Cognito UserPool in the same template.")?
        .to_owned();
    let triggers = list(Some(required(event.p, "Trigger")?));
    if let Some(config) = sam
        .written
        .get_mut(&pool)
        .and_then(|pool| super::document::member(pool, "Properties"))
        .and_then(|p| super::document::member(p, "LambdaConfig"))
    {
        for trigger in triggers.iter().filter_map(Value::as_str) {
            set(config, trigger, function.arn());
        }
    }
    let more = json!({"SourceArn": attribute(&pool, "Arn")});
    let id = format!("{}CognitoPermission", alphanumeric(&function.id));
    permit(sam, function, id, "cognito-idp.amazonaws.com", more);
    Ok(())
}
