//! The dark lane, property by property: whatever is done in it, the live data stays as it is, row by row;
//! and who does there what a primary has done meets what the primary met.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use undercast_kernel::{Context, Kernel, Service, Side};
use undercast_store::sim::{Sim, SimRng};
use undercast_store::{Db, KeyRange};
use undercast_testkit::{Cloud, Disk};

use super::{ACCOUNT, call, seeds};

fn services(kernel: &Kernel) -> Vec<Service> {
    let mut services = super::services(kernel);
    services.push(undercast_apigateway::service(kernel));
    services.extend(undercast_dynamodb::services(kernel));
    services.push(undercast_logs::service(kernel));
    services.push(undercast_s3::service(kernel));
    services
}

/// Every row that there is.
async fn dump(db: &Db) -> Vec<(Bytes, Bytes)> {
    let tx = db.begin().await.unwrap();
    tx.range(KeyRange::prefix(Vec::new()), 100_000, false).await.unwrap()
}

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;

/// What is there before anything happens in the dark.
async fn furnish(ctx: &Context) {
    for (service, operation, input) in [
        ("sqs", "CreateQueue", json!({"QueueName": "q0"})),
        ("sqs", "CreateQueue", json!({"QueueName": "q1"})),
        (
            "sqs",
            "CreateQueue",
            json!({"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true", "ContentBasedDeduplication": "true"}}),
        ),
        (
            "dynamodb",
            "CreateTable",
            json!({
                "TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "g", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "GlobalSecondaryIndexes": [{"IndexName": "idx", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}],
            }),
        ),
        ("s3", "CreateBucket", json!({"Bucket": "bucket-0"})),
        ("iam", "CreateRole", json!({"RoleName": "r0", "AssumeRolePolicyDocument": TRUST})),
        ("logs", "CreateLogGroup", json!({"logGroupName": "g0"})),
        ("ssm", "PutParameter", json!({"Name": "p0", "Value": "v", "Type": "String"})),
        ("apigatewayv2", "CreateApi", json!({"Name": "a0", "ProtocolType": "HTTP"})),
    ] {
        call(ctx, service, operation, input).await.unwrap();
    }
    for n in 0..4 {
        call(ctx, "sqs", "SendMessage", json!({"QueueUrl": "q0", "MessageBody": format!("m{n}")}))
            .await
            .unwrap();
        let in_order = json!({"QueueUrl": "q.fifo", "MessageBody": format!("m{n}"), "MessageGroupId": (n % 2).to_string()});
        call(ctx, "sqs", "SendMessage", in_order).await.unwrap();
        call(ctx, "dynamodb", "PutItem", json!({"TableName": "tab", "Item": {"id": {"S": format!("i{n}")}, "n": {"N": "1"}, "g": {"S": "x"}}})).await.unwrap();
    }
    // Tables and stacks are made by tasks.
    ctx.env().clock.sleep(Duration::from_secs(5)).await;
}

/// The same on a FIFO queue.
fn in_order(n: u64, key: &str) -> (&'static str, &'static str, Value) {
    let group = (n % 3).to_string();
    match n % 2 {
        0 => (
            "sqs",
            "SendMessage",
            json!({"QueueUrl": "q.fifo", "MessageBody": key, "MessageGroupId": group}),
        ),
        _ => (
            "sqs",
            "ReceiveMessage",
            json!({"QueueUrl": "q.fifo", "MaxNumberOfMessages": 2, "VisibilityTimeout": n}),
        ),
    }
}

/// One thing that somebody may do, on what is there and on what is not.
fn deed(rng: &mut SimRng) -> (&'static str, &'static str, Value) {
    let n = rng.below(6);
    let (queue, item, key) = (format!("q{}", rng.below(3)), format!("i{n}"), format!("k{n}"));
    let id = json!({"id": {"S": item}});
    let template = json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": format!("s{n}")}}}}).to_string();
    match rng.below(36) {
        33 | 34 => in_order(n, &key),
        0 | 1 => ("sqs", "SendMessage", json!({"QueueUrl": queue, "MessageBody": "dark"})),
        2 => (
            "sqs",
            "SendMessageBatch",
            json!({"QueueUrl": queue, "Entries": [{"Id": "a", "MessageBody": "x"}, {"Id": "b", "MessageBody": "y", "DelaySeconds": 1}]}),
        ),
        3 | 4 => ("sqs", "ReceiveMessage", json!({"QueueUrl": queue, "MaxNumberOfMessages": 3})),
        5 => ("sqs", "PurgeQueue", json!({"QueueUrl": queue})),
        6 => ("sqs", "DeleteQueue", json!({"QueueUrl": queue})),
        7 => ("sqs", "CreateQueue", json!({"QueueName": queue})),
        8 => (
            "sqs",
            "SetQueueAttributes",
            json!({"QueueUrl": queue, "Attributes": {"DelaySeconds": n.to_string()}}),
        ),
        9 | 10 => (
            "dynamodb",
            "PutItem",
            json!({"TableName": "tab", "Item": {"id": {"S": item}, "g": {"S": "y"}}, "ConditionExpression": "attribute_not_exists(id)"}),
        ),
        11 | 12 => (
            "dynamodb",
            "UpdateItem",
            json!({"TableName": "tab", "Key": id, "UpdateExpression": "ADD n :v SET g = :g", "ExpressionAttributeValues": {":v": {"N": "2"}, ":g": {"S": "z"}}, "ReturnValues": "ALL_NEW"}),
        ),
        13 => (
            "dynamodb",
            "DeleteItem",
            json!({"TableName": "tab", "Key": id, "ReturnValues": "ALL_OLD"}),
        ),
        14 => (
            "dynamodb",
            "TransactWriteItems",
            json!({"TransactItems": [
                {"Put": {"TableName": "tab", "Item": {"id": {"S": "tx"}}}},
                {"Update": {"TableName": "tab", "Key": id, "UpdateExpression": "SET n = n + :v", "ExpressionAttributeValues": {":v": {"N": "1"}}}},
            ]}),
        ),
        15 => (
            "dynamodb",
            "BatchWriteItem",
            json!({"RequestItems": {"tab": [{"PutRequest": {"Item": {"id": {"S": "b"}}}}, {"DeleteRequest": {"Key": id}}]}}),
        ),
        16 => ("dynamodb", "DeleteTable", json!({"TableName": "tab"})),
        17 => (
            "dynamodb",
            "CreateTable",
            json!({"TableName": "tab1", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}),
        ),
        18 => (
            "dynamodb",
            "UpdateTimeToLive",
            json!({"TableName": "tab", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "ttl"}}),
        ),
        19 => (
            "dynamodb",
            "Query",
            json!({"TableName": "tab", "IndexName": "idx", "KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": {"S": "z"}}}),
        ),
        20 => ("s3", "CreateBucket", json!({"Bucket": format!("bucket-{n}")})),
        21 => ("s3", "DeleteBucket", json!({"Bucket": "bucket-0"})),
        22 => (
            "s3",
            "PutBucketTagging",
            json!({"Bucket": "bucket-0", "Tagging": {"TagSet": [{"Key": key, "Value": "v"}]}}),
        ),
        23 => ("s3", "CreateMultipartUpload", json!({"Bucket": "bucket-0", "Key": key})),
        24 => (
            "iam",
            "CreateRole",
            json!({"RoleName": format!("r{n}"), "AssumeRolePolicyDocument": TRUST}),
        ),
        25 => ("iam", "DeleteRole", json!({"RoleName": "r0"})),
        26 => (
            "logs",
            "PutLogEvents",
            json!({"logGroupName": "g0", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}]}),
        ),
        27 => ("logs", "CreateLogStream", json!({"logGroupName": "g0", "logStreamName": "s"})),
        28 => ("logs", "DeleteLogGroup", json!({"logGroupName": "g0"})),
        29 => (
            "ssm",
            "PutParameter",
            json!({"Name": format!("p{n}"), "Value": "w", "Type": "String", "Overwrite": true}),
        ),
        30 => ("ssm", "DeleteParameter", json!({"Name": "p0"})),
        31 => ("apigatewayv2", "CreateApi", json!({"Name": key, "ProtocolType": "HTTP"})),
        32 => (
            "cloudformation",
            "CreateStack",
            json!({"StackName": format!("st{n}"), "TemplateBody": template}),
        ),
        _ => ("cloudformation", "DeleteStack", json!({"StackName": format!("st{n}")})),
    }
}

fn outcome(result: &Result<Value, undercast_kernel::ServiceError>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

fn on_cloud<F>(seed: u64, run: impl FnOnce(Cloud, SimRng) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let disk = Arc::new(Disk::default());
    let sim = Sim::new(seed);
    let cloud = Cloud::start(&disk, &sim.env(), seed, 0, services).unwrap();
    sim.block_on(run(cloud, SimRng::new(seed)));
    sim.kill_all();
}

#[test]
fn whatever_is_done_in_the_dark_the_live_data_stays_row_by_row() {
    for seed in 0..seeds(60) {
        on_cloud(seed, |cloud, mut rng| async move {
            let ctx = cloud.context(ACCOUNT);
            furnish(&ctx).await;
            let before = dump(cloud.kernel.db()).await;
            let mut done = Vec::new();
            for _ in 0..3 {
                let side = Side::candidate(cloud.kernel.db(), "run", None, &Arc::default());
                let dark = ctx.on_side(&side);
                for _ in 0..30 {
                    let (service, operation, input) = deed(&mut rng);
                    let result = call(&dark, service, operation, input).await;
                    done.push(format!("{service}:{operation} {}", outcome(&result)));
                }
                side.end();
            }
            // Whatever was spawned would have run by now.
            ctx.env().clock.sleep(Duration::from_secs(30)).await;
            let after = dump(cloud.kernel.db()).await;
            let changed = after.iter().filter(|row| !before.contains(row)).count()
                + before.iter().filter(|row| !after.contains(row)).count();
            assert_eq!(changed, 0, "seed {seed}: {changed} rows changed by {done:#?}");
            assert!(done.iter().filter(|line| line.ends_with(" ok")).count() > 30, "{done:#?}");
        });
    }
}

#[test]
fn a_candidate_that_does_what_its_primary_did_meets_what_it_met() {
    for seed in 0..seeds(60) {
        on_cloud(seed, |cloud, mut rng| async move {
            let ctx = cloud.context(ACCOUNT);
            furnish(&ctx).await;
            for round in 0..4 {
                // A stack is made, tables and groups are emptied by tasks, which are nobody's invocation.
                let deeds: Vec<_> = std::iter::repeat_with(|| deed(&mut rng))
                    .filter(|deed| {
                        deed.0 != "cloudformation"
                            && !["DeleteTable", "DeleteLogGroup"].contains(&deed.1)
                    })
                    .take(8)
                    .collect();
                let primary = Side::primary(cloud.kernel.db());
                let mut met = Vec::new();
                for (service, operation, input) in &deeds {
                    let live = ctx.on_side(&primary);
                    met.push(outcome(&call(&live, service, operation, input.clone()).await));
                }
                let live_rows = dump(cloud.kernel.db()).await;
                let side =
                    Side::candidate(cloud.kernel.db(), "run", Some(&primary), &Arc::default());
                for ((service, operation, input), met) in deeds.iter().zip(&met) {
                    let dark = ctx.on_side(&side);
                    let again = outcome(&call(&dark, service, operation, input.clone()).await);
                    assert_eq!(
                        &again, met,
                        "seed {seed}, round {round}: {service}:{operation} {input}\n{deeds:#?}"
                    );
                }
                let (first, second) = (primary.calls().0, side.calls().0);
                let names = |calls: &[undercast_kernel::SideCall]| -> Vec<String> {
                    calls
                        .iter()
                        .map(|c| format!("{}:{} {:?}", c.service, c.operation, c.error))
                        .collect()
                };
                assert_eq!(names(&first), names(&second), "seed {seed}");
                assert_eq!(
                    dump(cloud.kernel.db()).await,
                    live_rows,
                    "seed {seed}: the candidate left something"
                );
            }
        });
    }
}
