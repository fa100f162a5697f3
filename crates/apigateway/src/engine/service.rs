//! Integrations with services: which operation a subtype stands for, and its input from parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use undercast_kernel::{Kernel, ServiceError};

use crate::error::bad;

/// How the text of a parameter becomes a member.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    /// A list or an object, written as JSON.
    Json,
    Blob,
}

use Kind::{Blob, Json, Number, Text};

#[derive(Debug)]
struct Parameter {
    name: &'static str,
    /// Its name in the operation's input.
    member: &'static str,
    kind: Kind,
    required: bool,
}

const fn must(name: &'static str, member: &'static str, kind: Kind) -> Parameter {
    Parameter { name, member, kind, required: true }
}

const fn may(name: &'static str, member: &'static str, kind: Kind) -> Parameter {
    Parameter { name, member, kind, required: false }
}

/// One subtype.
#[derive(Debug)]
pub(crate) struct Subtype {
    name: &'static str,
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    parameters: &'static [Parameter],
    /// The parameters are one entry of this list.
    entry_of: Option<&'static str>,
}

const TYPES: &[Subtype] = &[
    Subtype {
        name: "EventBridge-PutEvents",
        service: "events",
        operation: "PutEvents",
        parameters: &[
            must("Detail", "Detail", Text),
            must("DetailType", "DetailType", Text),
            must("Source", "Source", Text),
            may("Time", "Time", Number),
            may("EventBusName", "EventBusName", Text),
            may("Resources", "Resources", Json),
            may("TraceHeader", "TraceHeader", Text),
        ],
        entry_of: Some("Entries"),
    },
    Subtype {
        name: "SQS-SendMessage",
        service: "sqs",
        operation: "SendMessage",
        parameters: &[
            must("QueueUrl", "QueueUrl", Text),
            must("MessageBody", "MessageBody", Text),
            may("DelaySeconds", "DelaySeconds", Number),
            may("MessageAttributes", "MessageAttributes", Json),
            may("MessageDeduplicationId", "MessageDeduplicationId", Text),
            may("MessageGroupId", "MessageGroupId", Text),
            may("MessageSystemAttributes", "MessageSystemAttributes", Json),
        ],
        entry_of: None,
    },
    Subtype {
        name: "SQS-ReceiveMessage",
        service: "sqs",
        operation: "ReceiveMessage",
        parameters: &[
            must("QueueUrl", "QueueUrl", Text),
            may("AttributeNames", "AttributeNames", Json),
            may("MaxNumberOfMessages", "MaxNumberOfMessages", Number),
            may("MessageAttributeNames", "MessageAttributeNames", Json),
            may("ReceiveRequestAttemptId", "ReceiveRequestAttemptId", Text),
            may("VisibilityTimeout", "VisibilityTimeout", Number),
            may("WaitTimeSeconds", "WaitTimeSeconds", Number),
        ],
        entry_of: None,
    },
    Subtype {
        name: "SQS-DeleteMessage",
        service: "sqs",
        operation: "DeleteMessage",
        parameters: &[
            must("ReceiptHandle", "ReceiptHandle", Text),
            must("QueueUrl", "QueueUrl", Text),
        ],
        entry_of: None,
    },
    Subtype {
        name: "SQS-PurgeQueue",
        service: "sqs",
        operation: "PurgeQueue",
        parameters: &[must("QueueUrl", "QueueUrl", Text)],
        entry_of: None,
    },
    Subtype {
        name: "AppConfig-GetConfiguration",
        service: "appconfig",
        operation: "GetConfiguration",
        parameters: &[
            must("Application", "Application", Text),
            must("Environment", "Environment", Text),
            must("Configuration", "Configuration", Text),
            must("ClientId", "ClientId", Text),
            may("ClientConfigurationVersion", "ClientConfigurationVersion", Text),
        ],
        entry_of: None,
    },
    Subtype {
        name: "Kinesis-PutRecord",
        service: "kinesis",
        operation: "PutRecord",
        parameters: &[
            must("StreamName", "StreamName", Text),
            must("Data", "Data", Blob),
            must("PartitionKey", "PartitionKey", Text),
            may("SequenceNumberForOrdering", "SequenceNumberForOrdering", Text),
            may("ExplicitHashKey", "ExplicitHashKey", Text),
        ],
        entry_of: None,
    },
    Subtype {
        name: "StepFunctions-StartExecution",
        service: "stepfunctions",
        operation: "StartExecution",
        parameters: &[
            must("StateMachineArn", "stateMachineArn", Text),
            may("Name", "name", Text),
            may("Input", "input", Text),
            may("TraceHeader", "traceHeader", Text),
        ],
        entry_of: None,
    },
    Subtype {
        name: "StepFunctions-StartSyncExecution",
        service: "stepfunctions",
        operation: "StartSyncExecution",
        parameters: &[
            must("StateMachineArn", "stateMachineArn", Text),
            may("Name", "name", Text),
            may("Input", "input", Text),
            may("TraceHeader", "traceHeader", Text),
        ],
        entry_of: None,
    },
    Subtype {
        name: "StepFunctions-StopExecution",
        service: "stepfunctions",
        operation: "StopExecution",
        parameters: &[
            must("ExecutionArn", "executionArn", Text),
            may("Cause", "cause", Text),
            may("Error", "error", Text),
        ],
        entry_of: None,
    },
];

pub(crate) fn subtype(name: &str) -> Option<&'static Subtype> {
    TYPES.iter().find(|of| of.name == name)
}

/// Whether the integration can be made here: the subtype, its service, and each of its parameters.
pub(crate) fn check(
    kernel: &Kernel,
    name: &str,
    given: &Map<String, Value>,
) -> Result<(), ServiceError> {
    let of = subtype(name).ok_or_else(|| bad(format!("Invalid integration subtype {name}")))?;
    let handler = kernel.service(of.service).and_then(|service| service.handler(of.operation));
    if handler.is_none() {
        let what = format!("{}:{}, which the integration {name} calls,", of.service, of.operation);
        return Err(ServiceError::unsupported(what));
    }
    for key in given.keys() {
        if key != "Region" && !of.parameters.iter().any(|parameter| parameter.name == key) {
            return Err(bad(format!("Parameter: {key} is not valid for {name}")));
        }
    }
    let missing = of.parameters.iter().find(|p| p.required && !given.contains_key(p.name));
    match missing {
        Some(parameter) => {
            Err(bad(format!("Parameter: {} is required for {name}", parameter.name)))
        }
        None => Ok(()),
    }
}

impl Subtype {
    /// The operation's input. `get` gives the text of a parameter of the integration.
    pub(crate) fn input(
        &self,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Value, ServiceError> {
        let mut members = Map::new();
        for parameter in self.parameters {
            let name = parameter.name;
            let invalid = || bad(format!("Parameter: {name} has an invalid value"));
            let Some(text) = get(name) else {
                if parameter.required {
                    return Err(bad(format!("Parameter: {name} is missing")));
                }
                continue;
            };
            let value = match parameter.kind {
                Text => Value::String(text),
                Number => {
                    serde_json::from_str(&text).ok().filter(Value::is_number).ok_or_else(invalid)?
                }
                Json => serde_json::from_str(&text).map_err(|_| invalid())?,
                Blob => Value::String(BASE64.encode(text)),
            };
            members.insert(parameter.member.to_owned(), value);
        }
        let members = Value::Object(members);
        Ok(match self.entry_of {
            Some(list) => json!({list: [members]}),
            None => members,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_members_of_their_kinds() {
        let of = |name: &str, given: Value| {
            subtype(name).unwrap().input(|p| Some(given.get(p)?.as_str()?.to_owned()))
        };
        assert_eq!(
            of("SQS-SendMessage", json!({"QueueUrl": "q", "MessageBody": "b", "DelaySeconds": "5", "MessageAttributes": "{\"a\": 1}"})).unwrap(),
            json!({"QueueUrl": "q", "MessageBody": "b", "DelaySeconds": 5, "MessageAttributes": {"a": 1}})
        );
        assert_eq!(
            of("EventBridge-PutEvents", json!({"Detail": "{}", "DetailType": "t", "Source": "s"}))
                .unwrap(),
            json!({"Entries": [{"Detail": "{}", "DetailType": "t", "Source": "s"}]})
        );
        assert!(of("SQS-SendMessage", json!({"QueueUrl": "q"})).is_err());
        assert!(
            of(
                "SQS-SendMessage",
                json!({"QueueUrl": "q", "MessageBody": "b", "DelaySeconds": "x"})
            )
            .is_err()
        );
        assert_eq!(
            of("Kinesis-PutRecord", json!({"StreamName": "s", "Data": "hi", "PartitionKey": "k"}))
                .unwrap()["Data"],
            "aGk="
        );
        assert!(subtype("SQS-Nothing").is_none());
    }
}
