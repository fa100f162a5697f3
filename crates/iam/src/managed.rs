//! The policies that AWS manages, as far as applications attach them. An ARN that is not here may be
//! attached and grants nothing.

/// The document of a managed policy, by the name at the end of its ARN.
pub(crate) fn document(arn: &str) -> Option<String> {
    let name = arn.strip_prefix("arn:aws:iam::aws:policy/")?;
    let name = name.rsplit('/').next().unwrap_or(name);
    const LOGS: &str = "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents";
    const NETWORK: &str = "ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces ec2:DescribeSubnets ec2:DeleteNetworkInterface ec2:AssignPrivateIpAddresses ec2:UnassignPrivateIpAddresses";
    let actions: Vec<&str> = match name {
        "AdministratorAccess" => vec!["*"],
        "AWSLambdaBasicExecutionRole" => LOGS.split(' ').collect(),
        "AWSLambdaVPCAccessExecutionRole" => LOGS.split(' ').chain(NETWORK.split(' ')).collect(),
        "AWSLambdaSQSQueueExecutionRole" => LOGS
            .split(' ')
            .chain(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"])
            .collect(),
        "AWSLambdaDynamoDBExecutionRole" => LOGS
            .split(' ')
            .chain([
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ])
            .collect(),
        "AWSCodeDeployRoleForLambda" | "AWSCodeDeployRoleForLambdaLimited" => {
            return Some(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudwatch:DescribeAlarms","lambda:UpdateAlias","lambda:GetAlias","lambda:GetProvisionedConcurrencyConfig"],"Resource":"*"},{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:*:*:function:CodeDeployHook_*"}]}"#.to_owned());
        }
        "AWSLambdaRole" | "AWSLambda_FullAccess" => vec!["lambda:*"],
        "AWSCloudFormationReadOnlyAccess" => {
            vec![
                "cloudformation:Describe*",
                "cloudformation:Get*",
                "cloudformation:List*",
                "cloudformation:ValidateTemplate",
            ]
        }
        "AWSCloudFormationFullAccess" => vec!["cloudformation:*"],
        "AWSXRayDaemonWriteAccess" | "AWSXrayWriteOnlyAccess" => vec![
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:GetSamplingStatisticSummaries",
        ],
        "CloudWatchLambdaInsightsExecutionRolePolicy" => {
            vec!["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        }
        "AmazonAPIGatewayPushToCloudWatchLogs" | "CloudWatchLogsFullAccess" => vec!["logs:*"],
        "AmazonDynamoDBFullAccess" => vec!["dynamodb:*"],
        "AmazonDynamoDBReadOnlyAccess" => vec![
            "dynamodb:BatchGet*",
            "dynamodb:Describe*",
            "dynamodb:Get*",
            "dynamodb:List*",
            "dynamodb:Query",
            "dynamodb:Scan",
        ],
        "AmazonS3FullAccess" => vec!["s3:*"],
        "AmazonS3ReadOnlyAccess" => vec!["s3:Get*", "s3:List*", "s3:Describe*"],
        "AmazonSQSFullAccess" => vec!["sqs:*"],
        "AmazonSQSReadOnlyAccess" => vec![
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ListDeadLetterSourceQueues",
            "sqs:ListQueues",
        ],
        "AmazonSNSFullAccess" => vec!["sns:*"],
        "AmazonEventBridgeFullAccess" => vec!["events:*", "scheduler:*", "pipes:*", "schemas:*"],
        "AWSStepFunctionsFullAccess" => vec!["states:*"],
        "AmazonSSMReadOnlyAccess" => vec!["ssm:Describe*", "ssm:Get*", "ssm:List*"],
        "SecretsManagerReadWrite" => vec!["secretsmanager:*"],
        "AWSAppSyncPushToCloudWatchLogs" => LOGS.split(' ').collect(),
        "PowerUserAccess" => {
            return Some(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"}]}"#.to_owned());
        }
        "ReadOnlyAccess" => vec![
            "*:Get*",
            "*:List*",
            "*:Describe*",
            "*:BatchGet*",
            "dynamodb:Query",
            "dynamodb:Scan",
        ],
        _ => return None,
    };
    let statement = serde_json::json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
    Some(serde_json::json!({"Version": "2012-10-17", "Statement": [statement]}).to_string())
}

/// The name at the end of a policy's ARN.
pub(crate) fn name_of(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}
