//! What an overlay costs a candidate: the same DynamoDB calls, in process, on the embedded store and on an overlay
//! over it. Writes of an overlay reach no disk, so they are compared with a store that does not wait for one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use undercast_kernel::{Context, Kernel, Principal, Settings, Side};
use undercast_store::{Db, Durability, Env, Options};

const ROUNDS: usize = 7;
const CALLS: u32 = 2_000;
/// An invocation makes so many calls; the next one has a new overlay.
const CALLS_OF_ONE: u32 = 20;

async fn call(ctx: &Context, operation: &str, input: &Value) -> Value {
    ctx.kernel().call(ctx, "dynamodb", operation, input).await.unwrap()
}

/// Time per call, on contexts that `side` gives for each invocation.
async fn time(operation: &str, side: impl Fn() -> Context) -> Duration {
    let begun = Instant::now();
    for n in 0..CALLS / CALLS_OF_ONE {
        let ctx = side();
        for m in 0..CALLS_OF_ONE {
            let id = format!("i{}", (n * CALLS_OF_ONE + m) % 1_000);
            let input = match operation {
                "GetItem" => json!({"TableName": "items", "Key": {"id": {"S": id}}}),
                "Query" => {
                    json!({"TableName": "items", "KeyConditionExpression": "id = :i", "ExpressionAttributeValues": {":i": {"S": id}}})
                }
                _ => {
                    json!({"TableName": "items", "Item": {"id": {"S": id}, "v": {"S": "x".repeat(200)}}})
                }
            };
            call(&ctx, operation, &input).await;
        }
    }
    begun.elapsed() / CALLS
}

#[tokio::main]
async fn main() {
    let folder = std::env::temp_dir().join(format!("undercast-overlay-{}", std::process::id()));
    let options = Options { durability: Durability::None, ..Options::dir(&folder) };
    let kernel = Kernel::new(Db::open(options, Env::system()).await.unwrap(), Settings::default());
    kernel.install(undercast_dynamodb::services(&kernel));
    let root = Principal::Root { account: "000000000000".to_owned() };
    let live = kernel.context(root, "000000000000", "us-east-1");
    let table = json!({
        "TableName": "items", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    });
    call(&live, "CreateTable", &table).await;
    let is_there = async || {
        let table = call(&live, "DescribeTable", &json!({"TableName": "items"})).await;
        table.pointer("/Table/TableStatus").and_then(Value::as_str) == Some("ACTIVE")
    };
    while !is_there().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    time("PutItem", || live.clone()).await;
    // The primary of each invocation has written one item.
    let primary = Side::primary(kernel.db());
    let item = json!({"TableName": "items", "Item": {"id": {"S": "i0"}}});
    call(&live.on_side(&primary), "PutItem", &item).await;
    let dark =
        || live.on_side(&Side::candidate(kernel.db(), "run", Some(&primary), &Arc::default()));
    for operation in ["GetItem", "Query", "PutItem"] {
        let mut ratios: Vec<f64> = Vec::new();
        let mut last = (Duration::ZERO, Duration::ZERO);
        for _ in 0..ROUNDS {
            last = (time(operation, || live.clone()).await, time(operation, dark).await);
            ratios.push(last.1.as_secs_f64() / last.0.as_secs_f64());
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ROUNDS / 2).copied().unwrap_or(0.0);
        println!(
            "  {operation:<8} live {:?}, overlay {:?}: {median:.2}x (median of {ROUNDS})",
            last.0, last.1
        );
    }
    kernel.db().close().await;
    let _ = std::fs::remove_dir_all(folder);
}
