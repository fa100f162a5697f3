//! `AWS::Serverless::Connector` and the attribute `Connectors`: permissions between two resources.

use serde_json::{Value, json};

use super::document::{Object, attribute, list, object, reference, resource, target};

pub(super) struct Connector {
    pub(super) id: String,
    source: Value,
    destination: Value,
    permissions: Vec<String>,
    condition: Option<Value>,
}

/// Actions to read and to write, and `/index/*` or the like besides the ARN itself.
type Profile = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// By the kind of the destination. Lambda and Step Functions are sources alike.
const PROFILES: &[Profile] = &[
    (
        "AWS::DynamoDB::Table",
        "dynamodb:GetItem dynamodb:Query dynamodb:Scan dynamodb:BatchGetItem dynamodb:ConditionCheckItem dynamodb:PartiQLSelect",
        "dynamodb:PutItem dynamodb:UpdateItem dynamodb:DeleteItem dynamodb:BatchWriteItem dynamodb:PartiQLDelete dynamodb:PartiQLInsert dynamodb:PartiQLUpdate",
        &["/index/*"],
    ),
    (
        "AWS::S3::Bucket",
        "s3:GetObject s3:GetObjectAcl s3:GetObjectLegalHold s3:GetObjectRetention s3:GetObjectTorrent s3:GetObjectVersion s3:GetObjectVersionAcl s3:GetObjectVersionForReplication s3:GetObjectVersionTorrent s3:ListBucket s3:ListBucketMultipartUploads s3:ListBucketVersions s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload s3:DeleteObject s3:DeleteObjectVersion s3:PutObject s3:PutObjectLegalHold s3:PutObjectRetention s3:RestoreObject",
        &["/*"],
    ),
    (
        "AWS::SQS::Queue",
        "sqs:ReceiveMessage sqs:GetQueueAttributes",
        "sqs:DeleteMessage sqs:SendMessage sqs:ChangeMessageVisibility sqs:PurgeQueue",
        &[],
    ),
    ("AWS::SNS::Topic", "", "sns:Publish", &[]),
    ("AWS::Lambda::Function", "", "lambda:InvokeAsync lambda:InvokeFunction", &[]),
    (
        "AWS::StepFunctions::StateMachine",
        "states:DescribeStateMachine states:ListExecutions",
        "states:StartExecution states:StartSyncExecution",
        &[],
    ),
    ("AWS::Events::EventBus", "", "events:PutEvents", &[]),
    (
        "AWS::Location::PlaceIndex",
        "geo:DescribePlaceIndex geo:GetPlace geo:SearchPlaceIndexForPosition geo:SearchPlaceIndexForSuggestions geo:SearchPlaceIndexForText",
        "",
        &[],
    ),
];

/// Takes the `Connectors` that stand within resources.
pub(super) fn embedded(written: &mut Object) -> Vec<Connector> {
    let mut connectors = Vec::new();
    for (id, resource) in written.iter_mut() {
        let taken = resource.as_object_mut().and_then(|r| r.shift_remove("Connectors"));
        let Some(Value::Object(taken)) = taken else {
            continue;
        };
        for (name, connector) in taken {
            let p = connector.get("Properties").cloned().unwrap_or_default();
            let mut source = p.get("SourceReference").cloned().unwrap_or_else(|| json!({}));
            super::document::set(&mut source, "Id", json!(id));
            connectors.extend(read(&format!("{id}{name}"), &p, source, resource.get("Condition")));
        }
    }
    connectors
}

/// Takes the connectors that are resources of their own.
pub(super) fn declared(resources: &mut Object) -> Vec<Connector> {
    let is = |resource: &Value| resource.get("Type") == Some(&json!("AWS::Serverless::Connector"));
    let ids: Vec<String> =
        resources.iter().filter(|(_, r)| is(r)).map(|(id, _)| id.clone()).collect();
    let mut connectors = Vec::new();
    for id in ids {
        let Some(taken) = resources.shift_remove(&id) else {
            continue;
        };
        let p = taken.get("Properties").cloned().unwrap_or_default();
        let source = p.get("Source").cloned().unwrap_or_default();
        connectors.extend(read(&id, &p, source, taken.get("Condition")));
    }
    connectors
}

/// One connector for each of its destinations.
fn read(id: &str, p: &Value, source: Value, condition: Option<&Value>) -> Vec<Connector> {
    let permissions = list(p.get("Permissions"))
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let destinations = p.get("Destination");
    let several = destinations.is_some_and(Value::is_array);
    list(destinations)
        .into_iter()
        .enumerate()
        // One more than a template may have: it is refused for that.
        .take(501)
        .map(|(index, destination)| Connector {
            id: if several { format!("{id}Destination{index}") } else { id.to_owned() },
            source: source.clone(),
            destination,
            permissions: permissions.clone(),
            condition: condition.cloned(),
        })
        .collect()
}

/// One end: its kind, its ARN, and its role's name.
struct End {
    id: String,
    kind: String,
    arn: Value,
    role: Option<Value>,
}

fn end(given: &Value, resources: &Object) -> Result<End, String> {
    if let Some(id) = given.get("Id").and_then(Value::as_str) {
        let resource = resources
            .get(id)
            .ok_or_else(|| format!("Unable to find resource with logical ID '{id}'."))?;
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        let role_at = if kind == "AWS::Lambda::Function" { "Role" } else { "RoleArn" };
        let role = resource.get("Properties").and_then(|p| p.get(role_at)).and_then(target);
        let arn = match kind {
            "AWS::SNS::Topic" | "AWS::StepFunctions::StateMachine" => reference(id),
            _ => attribute(id, "Arn"),
        };
        return Ok(End {
            id: id.to_owned(),
            kind: kind.to_owned(),
            arn,
            role: role.map(reference),
        });
    }
    let kind =
        given.get("Type").and_then(Value::as_str).ok_or("'Type' is missing or not a string.")?;
    Ok(End {
        id: String::new(),
        kind: kind.to_owned(),
        arn: given.get("Arn").cloned().unwrap_or_default(),
        role: given.get("RoleName").cloned(),
    })
}

/// The kinds that write to a destination by themselves, and under which name.
fn service_of(kind: &str) -> Option<&'static str> {
    match kind {
        "AWS::SNS::Topic" => Some("sns.amazonaws.com"),
        "AWS::Events::Rule" => Some("events.amazonaws.com"),
        "AWS::S3::Bucket" => Some("s3.amazonaws.com"),
        "AWS::ApiGateway::RestApi" | "AWS::ApiGatewayV2::Api" => Some("apigateway.amazonaws.com"),
        _ => None,
    }
}

pub(super) fn make(connector: &Connector, resources: &mut Object) -> Result<(), String> {
    if connector.permissions.is_empty() {
        return Err("'Permissions' cannot be empty; valid values are: Read, Write".to_owned());
    }
    let source = end(&connector.source, resources)?;
    let destination = end(&connector.destination, resources)?;
    let unsupported = || {
        format!(
            "Unable to create connector from {} to {}; it's not supported or the template is invalid.",
            source.kind, destination.kind
        )
    };
    let is_caller = ["AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"]
        .contains(&source.kind.as_str());
    let made = if is_caller {
        policy(connector, &source, &destination).ok_or_else(unsupported)??
    } else {
        let service = service_of(&source.kind).ok_or_else(unsupported)?;
        by_service(connector, (&source, service), &destination).ok_or_else(unsupported)?
    };
    let (suffix, mut made) = made;
    if let Some(condition) = &connector.condition {
        super::document::set(&mut made, "Condition", condition.clone());
    }
    // A state machine that calls another is checked for its rights when it is made.
    if [&source.kind, &destination.kind].iter().all(|k| *k == "AWS::StepFunctions::StateMachine")
        && let Some(waiting) = resources.get_mut(&source.id)
    {
        super::function::wait_for(waiting, &format!("{}{suffix}", connector.id));
    }
    let metadata = json!({"aws:sam:connectors": {&connector.id: {
        "Source": {"Type": source.kind}, "Destination": {"Type": destination.kind},
    }}});
    super::document::set(&mut made, "Metadata", metadata);
    resources.insert(format!("{}{suffix}", connector.id), made);
    Ok(())
}

type Made = (&'static str, Value);

fn policy(connector: &Connector, source: &End, destination: &End) -> Option<Result<Made, String>> {
    let (_, read, write, more) = PROFILES.iter().find(|(kind, ..)| *kind == destination.kind)?;
    let mut statements = Vec::new();
    let arns = |arn: &Value| -> Vec<Value> {
        let below = more.iter().map(|rest| {
            json!({"Fn::Sub": [format!("${{DestinationArn}}{rest}"), {"DestinationArn": arn}]})
        });
        std::iter::once(arn.clone()).chain(below).collect()
    };
    for permission in &connector.permissions {
        let from_states = source.kind == "AWS::StepFunctions::StateMachine";
        let actions = match permission.as_str() {
            "Read" => *read,
            "Write" if from_states && destination.kind == "AWS::SQS::Queue" => "sqs:SendMessage",
            "Write" => *write,
            _ => return Some(Err(format!("Unsupported 'Permissions' provided: ['{permission}']"))),
        };
        if actions.is_empty() {
            return Some(Err(format!(
                "Unsupported 'Permissions' provided for connector from {} to {}; valid combinations are: Write.",
                source.kind, destination.kind
            )));
        }
        let actions: Vec<&str> = actions.split(' ').collect();
        statements.push(
            json!({"Effect": "Allow", "Action": actions, "Resource": arns(&destination.arn)}),
        );
    }
    if destination.kind == "AWS::StepFunctions::StateMachine" {
        let name = attribute(&destination.id, "Name");
        let of = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:${DestinationName}:*";
        let executions = json!({"Fn::Sub": [of, {"DestinationName": name}]});
        for (permission, actions) in [
            (
                "Read",
                json!([
                    "states:DescribeExecution",
                    "states:DescribeStateMachineForExecution",
                    "states:GetExecutionHistory"
                ]),
            ),
            ("Write", json!(["states:StopExecution"])),
        ] {
            if connector.permissions.iter().any(|p| p == permission) {
                statements
                    .push(json!({"Effect": "Allow", "Action": actions, "Resource": [executions]}));
            }
        }
    }
    let Some(role) = &source.role else {
        return Some(Err("Unable to get IAM role name from 'Source' resource.".to_owned()));
    };
    let built = json!({
        "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
        "Roles": [role],
    });
    Some(Ok(("Policy", resource("AWS::IAM::ManagedPolicy", built))))
}

/// What lets a service reach the destination: the destination's own policy.
fn by_service(
    connector: &Connector,
    (source, service): (&End, &str),
    destination: &End,
) -> Option<Made> {
    if !connector.permissions.iter().all(|p| p == "Write") {
        return None;
    }
    let arn = match source.kind.as_str() {
        "AWS::ApiGateway::RestApi" | "AWS::ApiGatewayV2::Api" => json!({"Fn::Sub": [
            "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${ResourceId}/*",
            {"ResourceId": reference(&source.id)},
        ]}),
        _ => source.arn.clone(),
    };
    match destination.kind.as_str() {
        "AWS::Lambda::Function" => {
            let built = object([
                ("Action", Some(json!("lambda:InvokeFunction"))),
                ("FunctionName", Some(destination.arn.clone())),
                ("Principal", Some(json!(service))),
                ("SourceArn", Some(arn)),
                (
                    "SourceAccount",
                    (service == "s3.amazonaws.com").then(|| json!({"Ref": "AWS::AccountId"})),
                ),
            ]);
            Some(("WriteLambdaPermission", resource("AWS::Lambda::Permission", built)))
        }
        "AWS::SQS::Queue" => {
            let built = json!({
                "Queues": [reference(&destination.id)],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Principal": {"Service": service},
                    "Action": "sqs:SendMessage", "Resource": destination.arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": arn}},
                }]},
            });
            Some(("QueuePolicy", resource("AWS::SQS::QueuePolicy", built)))
        }
        "AWS::SNS::Topic" => {
            let built = json!({
                "Topics": [reference(&destination.id)],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Principal": {"Service": service},
                    "Action": "sns:Publish", "Resource": destination.arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": arn}},
                }]},
            });
            Some(("TopicPolicy", resource("AWS::SNS::TopicPolicy", built)))
        }
        _ => None,
    }
}
