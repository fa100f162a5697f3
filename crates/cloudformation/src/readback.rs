//! What a resource really is: which operation of its service tells, and which of the template's properties
//! are where in the answer. For drift detection, and to know that what is imported is there.

use serde_json::json;
use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Document;

use crate::template::model::plain;

/// A type that can be read back.
struct Readable {
    kind: &'static str,
    service: &'static str,
    operation: &'static str,
    /// The member of the input that takes the physical id.
    id: &'static str,
    /// More of the input.
    more: fn(&mut serde_json::Map<String, Document>),
    /// Properties, and where they are: JSON pointers.
    properties: &'static [(&'static str, &'static str)],
}

/// The property by which a type's resources are imported; its value is the physical id. Only types whose
/// update does no more than tag where nothing changes are here: an import changes nothing.
const IDENTIFIERS: &[(&str, &str)] = &[
    ("AWS::ApiGatewayV2::Api", "ApiId"),
    ("AWS::DynamoDB::Table", "TableName"),
    ("AWS::IAM::Role", "RoleName"),
    ("AWS::Lambda::Function", "FunctionName"),
    ("AWS::Logs::LogGroup", "LogGroupName"),
    ("AWS::S3::Bucket", "BucketName"),
    ("AWS::SQS::Queue", "QueueUrl"),
];

const READABLE: &[Readable] = &[
    Readable {
        kind: "AWS::ApiGatewayV2::Api",
        service: "apigatewayv2",
        operation: "GetApi",
        id: "ApiId",
        more: nothing,
        properties: &[
            ("Name", "/Name"),
            ("ProtocolType", "/ProtocolType"),
            ("Description", "/Description"),
        ],
    },
    Readable {
        kind: "AWS::DynamoDB::Table",
        service: "dynamodb",
        operation: "DescribeTable",
        id: "TableName",
        more: nothing,
        properties: &[
            ("AttributeDefinitions", "/Table/AttributeDefinitions"),
            ("BillingMode", "/Table/BillingModeSummary/BillingMode"),
            ("DeletionProtectionEnabled", "/Table/DeletionProtectionEnabled"),
            ("KeySchema", "/Table/KeySchema"),
            ("TableName", "/Table/TableName"),
        ],
    },
    Readable {
        kind: "AWS::IAM::Role",
        service: "iam",
        operation: "GetRole",
        id: "RoleName",
        more: nothing,
        properties: &[
            ("Description", "/Role/Description"),
            ("MaxSessionDuration", "/Role/MaxSessionDuration"),
            ("Path", "/Role/Path"),
            ("RoleName", "/Role/RoleName"),
        ],
    },
    Readable {
        kind: "AWS::Lambda::Function",
        service: "lambda",
        operation: "GetFunctionConfiguration",
        id: "FunctionName",
        more: nothing,
        properties: &[
            ("Architectures", "/Architectures"),
            ("Description", "/Description"),
            ("Environment", "/Environment"),
            ("FunctionName", "/FunctionName"),
            ("Handler", "/Handler"),
            ("MemorySize", "/MemorySize"),
            ("Role", "/Role"),
            ("Runtime", "/Runtime"),
            ("Timeout", "/Timeout"),
        ],
    },
    Readable {
        kind: "AWS::S3::Bucket",
        service: "s3",
        operation: "HeadBucket",
        id: "Bucket",
        more: nothing,
        properties: &[],
    },
    Readable {
        kind: "AWS::SQS::Queue",
        service: "sqs",
        operation: "GetQueueAttributes",
        id: "QueueUrl",
        more: |input| {
            input.insert("AttributeNames".to_owned(), json!(["All"]));
        },
        properties: &[
            ("ContentBasedDeduplication", "/Attributes/ContentBasedDeduplication"),
            ("DelaySeconds", "/Attributes/DelaySeconds"),
            ("FifoQueue", "/Attributes/FifoQueue"),
            ("MaximumMessageSize", "/Attributes/MaximumMessageSize"),
            ("MessageRetentionPeriod", "/Attributes/MessageRetentionPeriod"),
            ("ReceiveMessageWaitTimeSeconds", "/Attributes/ReceiveMessageWaitTimeSeconds"),
            ("RedrivePolicy", "/Attributes/RedrivePolicy"),
            ("VisibilityTimeout", "/Attributes/VisibilityTimeout"),
        ],
    },
    Readable {
        kind: "AWS::SSM::Parameter",
        service: "ssm",
        operation: "GetParameter",
        id: "Name",
        more: nothing,
        properties: &[
            ("Name", "/Parameter/Name"),
            ("Type", "/Parameter/Type"),
            ("Value", "/Parameter/Value"),
        ],
    },
];

fn nothing(_: &mut serde_json::Map<String, Document>) {}

fn readable(kind: &str) -> Option<&'static Readable> {
    READABLE.iter().find(|readable| readable.kind == kind)
}

/// The property that identifies a resource of the type for an import.
pub(crate) fn identifier(kind: &str) -> Option<&'static str> {
    IDENTIFIERS.iter().find(|(name, _)| *name == kind).map(|(_, identifier)| *identifier)
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reality {
    /// The properties that can be read back, as far as they are set.
    Is(Document),
    Gone,
    /// The type cannot be read back.
    Unknown,
}

pub(crate) async fn read(
    ctx: &Context,
    kind: &str,
    physical_id: &str,
) -> Result<Reality, ServiceError> {
    let Some(readable) = readable(kind) else {
        return Ok(Reality::Unknown);
    };
    let mut input = serde_json::Map::new();
    input.insert(readable.id.to_owned(), physical_id.into());
    (readable.more)(&mut input);
    let input = Document::Object(input);
    let answer = ctx.kernel().call(ctx, readable.service, readable.operation, &input).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if is_missing(&error) => return Ok(Reality::Gone),
        Err(error) => return Err(error),
    };
    let found = readable.properties.iter().filter_map(|(name, at)| {
        let value = answer.pointer(at).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    Ok(Reality::Is(Document::Object(found.collect())))
}

fn is_missing(error: &ServiceError) -> bool {
    let code = error.code();
    error.status() == Some(404)
        || ["NotFound", "NoSuch", "NonExistent", "DoesNotExist"]
            .iter()
            .any(|end| code.contains(end))
}

/// One property that is not what the template says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Difference {
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) actual: String,
    /// `ADD`, `REMOVE` or `NOT_EQUAL`.
    pub(crate) kind: String,
}

/// How reality differs from the properties in the template that can be read back. What the template does
/// not mention is not compared.
pub(crate) fn differences(kind: &str, expected: &Document, actual: &Document) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, _) in readable(kind).into_iter().flat_map(|readable| readable.properties) {
        if let Some(expected) = expected.get(*name) {
            compare(&format!("/{name}"), expected, actual.get(*name), &mut found);
        }
    }
    found
}

fn compare(
    path: &str,
    expected: &Document,
    actual: Option<&Document>,
    found: &mut Vec<Difference>,
) {
    let differs = |kind: &str, actual: &str| Difference {
        path: path.to_owned(),
        expected: plain(expected),
        actual: actual.to_owned(),
        kind: kind.to_owned(),
    };
    let Some(actual) = actual else {
        // An empty list and no list are the same to most services.
        let is_empty = expected.as_array().is_some_and(Vec::is_empty);
        if !is_empty && !expected.is_null() {
            found.push(differs("REMOVE", "null"));
        }
        return;
    };
    // Documents are answered as text by some services.
    let read = actual.as_str().filter(|_| expected.is_object());
    let read: Option<Document> = read.and_then(|text| serde_json::from_str(text).ok());
    let actual = read.as_ref().unwrap_or(actual);
    match (expected, actual) {
        (Document::Object(expected), Document::Object(actual)) => {
            for (name, value) in expected {
                compare(&format!("{path}/{name}"), value, actual.get(name), found);
            }
            for (name, value) in actual.iter().filter(|(name, _)| !expected.contains_key(*name)) {
                found.push(Difference {
                    path: format!("{path}/{name}"),
                    expected: "null".to_owned(),
                    actual: plain(value),
                    kind: "ADD".to_owned(),
                });
            }
        }
        (Document::Array(expected), Document::Array(actual)) if expected.len() == actual.len() => {
            for (at, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(&format!("{path}/{at}"), expected, Some(actual), found);
            }
        }
        (expected, actual) if plain(expected) == plain(actual) => {}
        (_, actual) => found.push(differs("NOT_EQUAL", &plain(actual))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_template_says_is_compared() {
        let expected =
            json!({"DelaySeconds": 5, "QueueName": "q", "RedrivePolicy": {"maxReceiveCount": 3}});
        let actual = json!({"DelaySeconds": "5", "VisibilityTimeout": "9", "RedrivePolicy": "{\"maxReceiveCount\":3}"});
        assert_eq!(differences("AWS::SQS::Queue", &expected, &actual), []);
        let actual = json!({"DelaySeconds": "6"});
        let found = differences("AWS::SQS::Queue", &expected, &actual);
        let kinds: Vec<_> = found.iter().map(|d| (d.path.as_str(), d.kind.as_str())).collect();
        assert_eq!(kinds, [("/DelaySeconds", "NOT_EQUAL"), ("/RedrivePolicy", "REMOVE")]);
    }

    #[test]
    fn members_are_told_apart() {
        let expected = json!({"Environment": {"Variables": {"A": "1", "B": "2"}}});
        let actual = json!({"Environment": {"Variables": {"A": "9", "C": "3"}}});
        let found = differences("AWS::Lambda::Function", &expected, &actual);
        let kinds: Vec<_> = found.iter().map(|d| d.kind.as_str()).collect();
        assert_eq!(kinds, ["NOT_EQUAL", "REMOVE", "ADD"]);
    }
}
