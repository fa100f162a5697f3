//! Measures calls on items against the store alone, in one run: `cargo run --release -p undercast-dynamodb
//! --example measure`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use undercast_kernel::{Context, Kernel, Principal, Settings};
use undercast_store::{Db, Env, Error, Options};

const ROUNDS: usize = 2_000;

async fn median<F: Future>(run: impl Fn(usize) -> F) -> Duration {
    let mut times = Vec::with_capacity(ROUNDS);
    for n in 0..ROUNDS {
        let began = Instant::now();
        run(n).await;
        times.push(began.elapsed());
    }
    times.sort();
    times[ROUNDS / 2]
}

async fn call(ctx: &Context, operation: &str, input: Value) -> Value {
    ctx.kernel().call(ctx, "dynamodb", operation, &input).await.unwrap()
}

fn report(what: &str, ours: Duration, bare: Duration) {
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("{what:<28} {ours:>10.1?}   store alone {bare:>10.1?}   ratio {ratio:.2}");
}

#[tokio::main]
async fn main() {
    let folder = std::env::temp_dir().join(format!("undercast-measure-{}", std::process::id()));
    let db = Db::open(Options::dir(&folder), Env::system()).await.unwrap();
    let kernel = Kernel::new(db.clone(), Settings::default());
    kernel.install(undercast_dynamodb::services(&kernel));
    let root = Principal::Root { account: "000000000000".into() };
    let ctx = &kernel.context(root, "000000000000", "us-east-1");
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    for (name, indexes) in [
        ("plain", json!(null)),
        (
            "indexed",
            json!([{
                "IndexName": "state", "KeySchema": [key("g", "HASH"), key("sk", "RANGE")], "Projection": {"ProjectionType": "ALL"},
            }]),
        ),
    ] {
        let mut attributes = vec![attribute("pk"), attribute("sk")];
        attributes.extend((!indexes.is_null()).then(|| attribute("g")));
        let input = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": attributes,
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")], "GlobalSecondaryIndexes": indexes,
        });
        call(ctx, "CreateTable", input).await;
    }
    let item = |n: usize| {
        json!({
            "pk": {"S": format!("customer#{}", n % 100)}, "sk": {"S": format!("order#{n:08}")}, "g": {"S": "open"},
            "total": {"N": "129.95"}, "lines": {"L": [{"M": {"sku": {"S": "abc-123"}, "count": {"N": "2"}}}]},
            "note": {"S": "x".repeat(200)},
        })
    };
    let value = vec![7u8; 330];
    let (db, value) = (&db, &value);
    let bare_key = |n: usize| format!("\u{7f}bare{n:08}").into_bytes();
    let bare_put = median(|n| async move {
        let put = db.transact(|tx| async move { tx.put(bare_key(n), value.clone()) });
        put.await.map_err(|e: Error| e).unwrap();
    })
    .await;
    let put = |table: &'static str| {
        move |n: usize| call(ctx, "PutItem", json!({"TableName": table, "Item": item(n)}))
    };
    report("PutItem", median(put("plain")).await, bare_put);
    report("PutItem, one global index", median(put("indexed")).await, bare_put);
    let bare_get =
        median(|n| async move { db.begin().await.unwrap().get(&bare_key(n)).await.unwrap() }).await;
    let get = |n: usize| {
        let item = item(n);
        call(
            ctx,
            "GetItem",
            json!({"TableName": "plain", "Key": {"pk": item["pk"], "sk": item["sk"]}}),
        )
    };
    report("GetItem", median(get).await, bare_get);
    let query = |n: usize| {
        call(
            ctx,
            "Query",
            json!({
                "TableName": "plain", "KeyConditionExpression": "pk = :p",
                "ExpressionAttributeValues": {":p": {"S": format!("customer#{}", n % 100)}},
            }),
        )
    };
    report("Query of 20 items", median(query).await, bare_get);
    db.close().await;
    let _ = std::fs::remove_dir_all(folder);
}
