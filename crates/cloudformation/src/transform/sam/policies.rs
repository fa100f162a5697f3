//! Policy templates: named statements with parameters, as AWS lists them in its guide.

use serde_json::{Map, Value, json};

use super::document::object;

/// Name, parameters, statements: actions and resources, both separated by spaces.
///
/// In resources `P:` stands for `arn:${AWS::Partition}:`, and `@` for `${AWS::Region}:${AWS::AccountId}`.
type Template = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

const TABLE: &str = "P:dynamodb:@:table/${TableName} P:dynamodb:@:table/${TableName}/index/*";
const BUCKET: &str = "P:s3:::${BucketName} P:s3:::${BucketName}/*";
const STREAM: &str = "P:kinesis:@:stream/${StreamName}";

const TEMPLATES: &[Template] = &[
    ("AMIDescribePolicy", &[], &[("ec2:DescribeImages", "*")]),
    (
        "AWSSecretsManagerGetSecretValuePolicy",
        &["SecretArn"],
        &[("secretsmanager:GetSecretValue", "${SecretArn}")],
    ),
    (
        "AWSSecretsManagerRotationPolicy",
        &["FunctionName"],
        &[
            (
                "secretsmanager:DescribeSecret secretsmanager:GetSecretValue secretsmanager:PutSecretValue secretsmanager:UpdateSecretVersionStage",
                "P:secretsmanager:@:secret:*",
            ),
            ("secretsmanager:GetRandomPassword", "*"),
        ],
    ),
    (
        "CloudFormationDescribeStacksPolicy",
        &[],
        &[("cloudformation:DescribeStacks", "P:cloudformation:@:stack/*")],
    ),
    (
        "CloudWatchDashboardPolicy",
        &[],
        &[(
            "cloudwatch:GetDashboard cloudwatch:ListDashboards cloudwatch:PutDashboard cloudwatch:ListMetrics",
            "*",
        )],
    ),
    ("CloudWatchDescribeAlarmHistoryPolicy", &[], &[("cloudwatch:DescribeAlarmHistory", "*")]),
    ("CloudWatchPutMetricPolicy", &[], &[("cloudwatch:PutMetricData", "*")]),
    (
        "CodeCommitReadPolicy",
        &["RepositoryName"],
        &[(
            "codecommit:GitPull codecommit:GetBranch codecommit:ListBranches codecommit:BatchDescribeMergeConflicts codecommit:DescribeMergeConflicts codecommit:GetMergeCommit codecommit:GetMergeOptions codecommit:BatchGetPullRequests codecommit:DescribePullRequestEvents codecommit:GetCommentsForPullRequest codecommit:GetCommitsFromMergeBase codecommit:GetMergeConflicts codecommit:GetPullRequest codecommit:ListPullRequests codecommit:GetBlob codecommit:GetFile codecommit:GetFolder codecommit:GetComment codecommit:GetCommentsForComparedCommit codecommit:BatchGetCommits codecommit:GetCommit codecommit:GetCommitHistory codecommit:GetDifferences codecommit:GetObjectIdentifier codecommit:GetReferences codecommit:GetTree codecommit:GetRepository codecommit:ListTagsForResource codecommit:GetRepositoryTriggers codecommit:TestRepositoryTriggers codecommit:GetUploadArchiveStatus",
            "P:codecommit:@:${RepositoryName}",
        )],
    ),
    (
        "CodePipelineLambdaExecutionPolicy",
        &[],
        &[("codepipeline:PutJobSuccessResult codepipeline:PutJobFailureResult", "*")],
    ),
    (
        "CodePipelineReadOnlyPolicy",
        &["PipelineName"],
        &[("codepipeline:ListPipelineExecutions", "P:codepipeline:@:${PipelineName}")],
    ),
    (
        "ComprehendBasicAccessPolicy",
        &[],
        &[(
            "comprehend:BatchDetectKeyPhrases comprehend:DetectDominantLanguage comprehend:DetectEntities comprehend:BatchDetectEntities comprehend:DetectKeyPhrases comprehend:DetectSentiment comprehend:BatchDetectDominantLanguage comprehend:BatchDetectSentiment",
            "*",
        )],
    ),
    (
        "CostExplorerReadOnlyPolicy",
        &[],
        &[(
            "ce:GetCostAndUsage ce:GetDimensionValues ce:GetReservationCoverage ce:GetReservationPurchaseRecommendation ce:GetReservationUtilization ce:GetTags",
            "*",
        )],
    ),
    (
        "DynamoDBBackupFullAccessPolicy",
        &["TableName"],
        &[
            (
                "dynamodb:CreateBackup dynamodb:DescribeContinuousBackups",
                "P:dynamodb:@:table/${TableName}",
            ),
            (
                "dynamodb:DeleteBackup dynamodb:DescribeBackup dynamodb:ListBackups",
                "P:dynamodb:@:table/${TableName}/backup/*",
            ),
        ],
    ),
    (
        "DynamoDBCrudPolicy",
        &["TableName"],
        &[(
            "dynamodb:GetItem dynamodb:DeleteItem dynamodb:PutItem dynamodb:Scan dynamodb:Query dynamodb:UpdateItem dynamodb:BatchWriteItem dynamodb:BatchGetItem dynamodb:DescribeTable dynamodb:ConditionCheckItem",
            TABLE,
        )],
    ),
    (
        "DynamoDBReadPolicy",
        &["TableName"],
        &[(
            "dynamodb:GetItem dynamodb:Scan dynamodb:Query dynamodb:BatchGetItem dynamodb:DescribeTable",
            TABLE,
        )],
    ),
    (
        "DynamoDBReconfigurePolicy",
        &["TableName"],
        &[("dynamodb:UpdateTable", "P:dynamodb:@:table/${TableName}")],
    ),
    (
        "DynamoDBStreamReadPolicy",
        &["TableName", "StreamName"],
        &[
            (
                "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator",
                "P:dynamodb:@:table/${TableName}/stream/${StreamName}",
            ),
            ("dynamodb:ListStreams", "P:dynamodb:@:table/${TableName}/stream/*"),
        ],
    ),
    (
        "DynamoDBWritePolicy",
        &["TableName"],
        &[("dynamodb:PutItem dynamodb:UpdateItem dynamodb:BatchWriteItem", TABLE)],
    ),
    ("EC2DescribePolicy", &[], &[("ec2:DescribeRegions ec2:DescribeInstances", "*")]),
    (
        "EventBridgePutEventsPolicy",
        &["EventBusName"],
        &[("events:PutEvents", "P:events:@:event-bus/${EventBusName}")],
    ),
    (
        "FirehoseCrudPolicy",
        &["DeliveryStreamName"],
        &[(
            "firehose:CreateDeliveryStream firehose:DeleteDeliveryStream firehose:DescribeDeliveryStream firehose:PutRecord firehose:PutRecordBatch firehose:UpdateDestination",
            "P:firehose:@:deliverystream/${DeliveryStreamName}",
        )],
    ),
    (
        "FirehoseWritePolicy",
        &["DeliveryStreamName"],
        &[(
            "firehose:PutRecord firehose:PutRecordBatch",
            "P:firehose:@:deliverystream/${DeliveryStreamName}",
        )],
    ),
    ("KMSDecryptPolicy", &["KeyId"], &[("kms:Decrypt", "P:kms:@:key/${KeyId}")]),
    ("KMSEncryptPolicy", &["KeyId"], &[("kms:Encrypt", "P:kms:@:key/${KeyId}")]),
    (
        "KinesisCrudPolicy",
        &["StreamName"],
        &[(
            "kinesis:AddTagsToStream kinesis:CreateStream kinesis:DecreaseStreamRetentionPeriod kinesis:DeleteStream kinesis:DescribeStream kinesis:DescribeStreamSummary kinesis:GetShardIterator kinesis:IncreaseStreamRetentionPeriod kinesis:ListTagsForStream kinesis:MergeShards kinesis:PutRecord kinesis:PutRecords kinesis:SplitShard kinesis:RemoveTagsFromStream",
            STREAM,
        )],
    ),
    (
        "KinesisStreamReadPolicy",
        &["StreamName"],
        &[
            ("kinesis:ListStreams kinesis:DescribeLimits", "P:kinesis:@:stream/*"),
            (
                "kinesis:DescribeStream kinesis:DescribeStreamSummary kinesis:GetRecords kinesis:GetShardIterator",
                STREAM,
            ),
        ],
    ),
    (
        "LambdaInvokePolicy",
        &["FunctionName"],
        &[("lambda:InvokeFunction", "P:lambda:@:function:${FunctionName}*")],
    ),
    ("MobileAnalyticsWriteOnlyAccessPolicy", &[], &[("mobileanalytics:PutEvents", "*")]),
    (
        "PinpointEndpointAccessPolicy",
        &["PinpointApplicationId"],
        &[(
            "mobiletargeting:GetEndpoint mobiletargeting:UpdateEndpoint mobiletargeting:UpdateEndpointsBatch",
            "P:mobiletargeting:@:apps/${PinpointApplicationId}/endpoints/*",
        )],
    ),
    (
        "PollyFullAccessPolicy",
        &["LexiconName"],
        &[
            ("polly:GetLexicon polly:DeleteLexicon", "P:polly:@:lexicon/${LexiconName}"),
            (
                "polly:DescribeVoices polly:ListLexicons polly:PutLexicon polly:SynthesizeSpeech",
                "P:polly:@:lexicon/*",
            ),
        ],
    ),
    (
        "RekognitionDetectOnlyPolicy",
        &[],
        &[(
            "rekognition:DetectFaces rekognition:DetectLabels rekognition:DetectModerationLabels rekognition:DetectText",
            "*",
        )],
    ),
    (
        "RekognitionLabelsPolicy",
        &[],
        &[("rekognition:DetectLabels rekognition:DetectModerationLabels", "*")],
    ),
    ("RekognitionFacesPolicy", &[], &[("rekognition:CompareFaces rekognition:DetectFaces", "*")]),
    (
        "Route53ChangeResourceRecordSetsPolicy",
        &["HostedZoneId"],
        &[("route53:ChangeResourceRecordSets", "P:route53:::hostedzone/${HostedZoneId}")],
    ),
    (
        "S3CrudPolicy",
        &["BucketName"],
        &[(
            "s3:GetObject s3:ListBucket s3:GetBucketLocation s3:GetObjectVersion s3:PutObject s3:PutObjectAcl s3:GetLifecycleConfiguration s3:PutLifecycleConfiguration s3:DeleteObject",
            BUCKET,
        )],
    ),
    (
        "S3FullAccessPolicy",
        &["BucketName"],
        &[
            (
                "s3:GetObject s3:GetObjectAcl s3:GetObjectVersion s3:PutObject s3:PutObjectAcl s3:DeleteObject s3:DeleteObjectTagging s3:DeleteObjectVersionTagging s3:GetObjectTagging s3:GetObjectVersionTagging s3:PutObjectTagging s3:PutObjectVersionTagging",
                "P:s3:::${BucketName}/*",
            ),
            (
                "s3:ListBucket s3:GetBucketLocation s3:GetLifecycleConfiguration s3:PutLifecycleConfiguration",
                "P:s3:::${BucketName}",
            ),
        ],
    ),
    (
        "S3ReadPolicy",
        &["BucketName"],
        &[(
            "s3:GetObject s3:ListBucket s3:GetBucketLocation s3:GetObjectVersion s3:GetLifecycleConfiguration",
            BUCKET,
        )],
    ),
    (
        "S3WritePolicy",
        &["BucketName"],
        &[("s3:PutObject s3:PutObjectAcl s3:PutLifecycleConfiguration", BUCKET)],
    ),
    (
        "SESBulkTemplatedCrudPolicy",
        &["IdentityName"],
        &[(
            "ses:GetIdentityVerificationAttributes ses:SendEmail ses:SendRawEmail ses:SendTemplatedEmail ses:SendBulkTemplatedEmail ses:VerifyEmailIdentity",
            "P:ses:@:identity/${IdentityName}",
        )],
    ),
    (
        "SESCrudPolicy",
        &["IdentityName"],
        &[(
            "ses:GetIdentityVerificationAttributes ses:SendEmail ses:SendRawEmail ses:VerifyEmailIdentity",
            "P:ses:@:identity/${IdentityName}",
        )],
    ),
    (
        "SESSendBouncePolicy",
        &["IdentityName"],
        &[("ses:SendBounce", "P:ses:@:identity/${IdentityName}")],
    ),
    (
        "SNSCrudPolicy",
        &["TopicName"],
        &[(
            "sns:ListSubscriptionsByTopic sns:CreateTopic sns:SetTopicAttributes sns:Subscribe sns:Publish",
            "P:sns:@:${TopicName}*",
        )],
    ),
    ("SNSPublishMessagePolicy", &["TopicName"], &[("sns:Publish", "P:sns:@:${TopicName}")]),
    (
        "SQSPollerPolicy",
        &["QueueName"],
        &[(
            "sqs:ChangeMessageVisibility sqs:ChangeMessageVisibilityBatch sqs:DeleteMessage sqs:DeleteMessageBatch sqs:GetQueueAttributes sqs:ReceiveMessage",
            "P:sqs:@:${QueueName}",
        )],
    ),
    ("SQSSendMessagePolicy", &["QueueName"], &[("sqs:SendMessage*", "P:sqs:@:${QueueName}")]),
    (
        "SSMParameterReadPolicy",
        &["ParameterName"],
        &[
            ("ssm:DescribeParameters", "*"),
            (
                "ssm:GetParameters ssm:GetParameter ssm:GetParametersByPath",
                "P:ssm:@:parameter/${ParameterName}",
            ),
        ],
    ),
    (
        "SSMParameterWithSlashPrefixReadPolicy",
        &["ParameterName"],
        &[
            ("ssm:DescribeParameters", "*"),
            (
                "ssm:GetParameters ssm:GetParameter ssm:GetParametersByPath",
                "P:ssm:@:parameter${ParameterName}",
            ),
        ],
    ),
    (
        "StepFunctionsExecutionPolicy",
        &["StateMachineName"],
        &[("states:StartExecution", "P:states:@:stateMachine:${StateMachineName}")],
    ),
    (
        "TextractDetectAnalyzePolicy",
        &[],
        &[(
            "textract:DetectDocumentText textract:StartDocumentTextDetection textract:StartDocumentAnalysis textract:AnalyzeDocument",
            "*",
        )],
    ),
    (
        "TextractGetResultPolicy",
        &[],
        &[("textract:GetDocumentTextDetection textract:GetDocumentAnalysis", "*")],
    ),
    ("TextractPolicy", &[], &[("textract:*", "*")]),
    (
        "VPCAccessPolicy",
        &[],
        &[(
            "ec2:CreateNetworkInterface ec2:DeleteNetworkInterface ec2:DescribeNetworkInterfaces ec2:DetachNetworkInterface",
            "*",
        )],
    ),
];

pub(super) fn is_template(name: &str) -> bool {
    TEMPLATES.iter().any(|(template, ..)| *template == name)
}

/// The document that a template with these parameters stands for.
pub(super) fn expand(name: &str, given: &Value) -> Result<Value, String> {
    let invalid = || format!("Must specify valid parameter values for policy template '{name}'");
    let (_, parameters, statements) =
        TEMPLATES.iter().find(|(template, ..)| *template == name).ok_or_else(invalid)?;
    let empty = Map::new();
    let given = match given {
        Value::Object(given) => given,
        Value::Null => &empty,
        _ => return Err(invalid()),
    };
    if parameters.iter().any(|p| given.get(*p).is_none_or(Value::is_null))
        || given.keys().any(|name| !parameters.contains(&name.as_str()))
    {
        return Err(invalid());
    }
    let statements: Vec<Value> = statements
        .iter()
        .map(|(actions, resources)| {
            let actions: Vec<&str> = actions.split(' ').collect();
            let resources: Vec<Value> =
                resources.split(' ').map(|r| resource(r, parameters, given)).collect();
            let resource = match resources.as_slice() {
                [one] => one.clone(),
                _ => Value::Array(resources),
            };
            object([
                ("Effect", Some(json!("Allow"))),
                ("Action", Some(json!(actions))),
                ("Resource", Some(resource)),
            ])
        })
        .collect();
    Ok(json!({"Statement": statements}))
}

fn resource(text: &str, parameters: &[&str], given: &Map<String, Value>) -> Value {
    let text = match text.strip_prefix("P:") {
        Some(rest) => format!("arn:${{AWS::Partition}}:{rest}")
            .replace(":@:", ":${AWS::Region}:${AWS::AccountId}:"),
        None => text.to_owned(),
    };
    let used: Map<String, Value> = parameters
        .iter()
        .filter(|name| text.contains(&format!("${{{name}}}")))
        .filter_map(|name| Some(((*name).to_owned(), given.get(*name)?.clone())))
        .collect();
    match (used.is_empty(), text.contains("${")) {
        (false, _) => json!({"Fn::Sub": [text, used]}),
        (true, true) => json!({"Fn::Sub": text}),
        (true, false) => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_with_its_parameters() {
        let given = json!({"QueueName": {"Fn::GetAtt": ["Q", "QueueName"]}});
        assert_eq!(
            expand("SQSSendMessagePolicy", &given).unwrap(),
            json!({"Statement": [{
                "Effect": "Allow",
                "Action": ["sqs:SendMessage*"],
                "Resource": {"Fn::Sub": [
                    "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${QueueName}",
                    {"QueueName": {"Fn::GetAtt": ["Q", "QueueName"]}},
                ]},
            }]})
        );
        let all = expand("CloudWatchPutMetricPolicy", &json!({})).unwrap();
        assert_eq!(all["Statement"][0]["Resource"], json!("*"));
        let error = expand("DynamoDBCrudPolicy", &json!({"Table": "t"})).unwrap_err();
        assert_eq!(
            error,
            "Must specify valid parameter values for policy template 'DynamoDBCrudPolicy'"
        );
    }
}
