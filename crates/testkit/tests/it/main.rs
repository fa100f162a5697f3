//! Services under simulation: queues with senders and consumers, stacks being deployed, crashes at any
//! moment. Each run is told by its seed; `UNDERCAST_SIM_SEEDS` asks for more of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod dark;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use undercast_kernel::{Context, Kernel, Service, ServiceError};
use undercast_store::Env;
use undercast_store::sim::{Sim, SimRng};
use undercast_testkit::{Cloud, Disk};

const ACCOUNT: &str = "123456789012";

fn seeds(default: u64) -> u64 {
    std::env::var("UNDERCAST_SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn services(kernel: &Kernel) -> Vec<Service> {
    let mut services = undercast_iam::services(kernel);
    services.push(undercast_sqs::service(kernel));
    services.push(undercast_cloudformation::service(kernel));
    services.extend(undercast_support::services(kernel));
    services
}

async fn call(
    ctx: &Context,
    service: &str,
    operation: &str,
    input: Value,
) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, service, operation, &input).await
}

/// What clients were told, over all lives of a run.
#[derive(Default)]
struct Told {
    sent: BTreeSet<String>,
    /// Deletions that were acknowledged.
    deleted: BTreeSet<String>,
    /// Deletions that were asked for, whatever came of them.
    tried: BTreeSet<String>,
}

async fn sender(ctx: Context, name: String, told: Arc<Mutex<Told>>) {
    for n in 0..60 {
        let body = format!("{name}-{n}");
        let input = json!({"QueueUrl": "q", "MessageBody": body});
        if call(&ctx, "sqs", "SendMessage", input).await.is_ok() {
            told.lock().unwrap().sent.insert(body);
        }
    }
}

async fn consumer(ctx: Context, told: Arc<Mutex<Told>>) {
    loop {
        let input = json!({"QueueUrl": "q", "MaxNumberOfMessages": 5, "WaitTimeSeconds": 5, "VisibilityTimeout": 2});
        let Ok(got) = call(&ctx, "sqs", "ReceiveMessage", input).await else { return };
        for message in got.get("Messages").and_then(Value::as_array).into_iter().flatten() {
            let body = message["Body"].as_str().unwrap().to_owned();
            told.lock().unwrap().tried.insert(body.clone());
            let input = json!({"QueueUrl": "q", "ReceiptHandle": message["ReceiptHandle"]});
            if call(&ctx, "sqs", "DeleteMessage", input).await.is_ok() {
                told.lock().unwrap().deleted.insert(body);
            }
        }
    }
}

/// Everything that is still in the queue.
async fn drain(ctx: &Context) -> BTreeSet<String> {
    let mut left = BTreeSet::new();
    // What a consumer of an earlier life had becomes visible again.
    ctx.env().clock.sleep(Duration::from_secs(10)).await;
    loop {
        let input = json!({"QueueUrl": "q", "MaxNumberOfMessages": 10, "VisibilityTimeout": 600});
        let got = call(ctx, "sqs", "ReceiveMessage", input).await.unwrap();
        let Some(messages) = got.get("Messages").and_then(Value::as_array).cloned() else {
            return left;
        };
        left.extend(messages.iter().map(|m| m["Body"].as_str().unwrap().to_owned()));
    }
}

/// Several lives with a crash at the end of each; `fails_one_in` syncs fail on the way, after which
/// nothing is acknowledged until the next life.
fn queue_run(seed: u64, fails_one_in: u64) -> (Option<String>, u64, usize) {
    let mut rng = SimRng::new(seed);
    let disk = Arc::new(Disk::default());
    let told = Arc::new(Mutex::new(Told::default()));
    let sim = Sim::new(seed);
    let start = |env: &Env, life: u64, fails: u64| {
        Cloud::start(&disk, env, seed ^ life, fails, services).unwrap()
    };
    for life in 0..4 {
        let cloud = start(&sim.env(), life, if life == 0 { 0 } else { fails_one_in });
        let until = Duration::from_micros(2_000 + rng.below(200_000));
        let telling = Arc::clone(&told);
        sim.block_on(async move {
            let ctx = cloud.context(ACCOUNT);
            if life == 0 {
                call(&ctx, "sqs", "CreateQueue", json!({"QueueName": "q"})).await.unwrap();
            }
            for n in 0..2 {
                let name = format!("{life}-{n}");
                ctx.env().spawn("sender", sender(ctx.clone(), name, Arc::clone(&telling)));
                ctx.env().spawn("consumer", consumer(ctx.clone(), Arc::clone(&telling)));
            }
            ctx.env().clock.sleep(until).await;
        });
        sim.kill_all();
        disk.crash(&mut rng);
    }
    let cloud = start(&sim.env(), 9, 0);
    let left = sim.block_on(async move { drain(&cloud.context(ACCOUNT)).await });
    sim.kill_all();
    let told = told.lock().unwrap();
    let lost = told.sent.iter().find(|body| !left.contains(*body) && !told.tried.contains(*body));
    let back = told.deleted.iter().find(|body| left.contains(*body));
    let problem = match (lost, back) {
        (Some(body), _) => Some(format!("{body} was acknowledged and is lost")),
        (_, Some(body)) => Some(format!("{body} was deleted and is back")),
        _ => None,
    };
    (problem, sim.trace(), told.sent.len())
}

#[test]
fn queues_lose_nothing_and_nothing_comes_back() {
    let mut sent = 0;
    for seed in 0..seeds(300) {
        let (problem, _, n) = queue_run(seed, if seed % 2 == 0 { 0 } else { 40 });
        assert_eq!(problem, None, "seed {seed}");
        sent += n;
    }
    assert!(sent > 1_000, "{sent}");
}

#[test]
fn a_run_can_be_repeated() {
    for seed in 0..20 {
        assert_eq!(queue_run(seed, 40), queue_run(seed, 40), "seed {seed}");
    }
}

fn template(n: u64) -> String {
    json!({
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue"},
            "Live": {"Type": "AWS::SQS::Queue", "Properties": {
                "DelaySeconds": n,
                "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2},
            }},
            "Named": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": format!("named-{n}")}},
            "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "Live"}}},
        },
        "Outputs": {"Url": {"Value": {"Ref": "Live"}, "Export": {"Name": "url"}}},
    })
    .to_string()
}

async fn status(ctx: &Context) -> Option<String> {
    let output =
        call(ctx, "cloudformation", "DescribeStacks", json!({"StackName": "s"})).await.ok()?;
    Some(output["Stacks"][0]["StackStatus"].as_str()?.to_owned())
}

/// Until the stack is at rest; `None` if it never is.
async fn settle(ctx: &Context) -> Option<String> {
    for _ in 0..600 {
        let status = status(ctx).await;
        if status.as_ref().is_none_or(|s| !s.ends_with("_IN_PROGRESS")) {
            return Some(status.unwrap_or_else(|| "GONE".to_owned()));
        }
        ctx.env().clock.sleep(Duration::from_millis(200)).await;
    }
    None
}

async fn queues(ctx: &Context) -> usize {
    let output = call(ctx, "sqs", "ListQueues", json!({})).await.unwrap();
    output.get("QueueUrls").and_then(Value::as_array).map_or(0, Vec::len)
}

/// A stack is created, updated and deleted, with a crash somewhere in each.
fn stack_run(seed: u64) -> u64 {
    let mut rng = SimRng::new(seed);
    let disk = Arc::new(Disk::default());
    let sim = Sim::new(seed);
    let steps = [
        (
            "CreateStack",
            json!({"StackName": "s", "TemplateBody": template(1)}),
            "CREATE_COMPLETE",
            3,
        ),
        (
            "UpdateStack",
            json!({"StackName": "s", "TemplateBody": template(2)}),
            "UPDATE_COMPLETE",
            3,
        ),
        ("DeleteStack", json!({"StackName": "s"}), "GONE", 0),
    ];
    for (step, (operation, input, wanted, wanted_queues)) in steps.into_iter().enumerate() {
        let mut accepted = false;
        for life in 0..4u64 {
            let number = step as u64 * 10 + life;
            let cloud = Cloud::start(&disk, &sim.env(), seed ^ number, 0, services).unwrap();
            let until = Duration::from_micros(rng.below(60_000));
            let (input, again) = (input.clone(), !accepted);
            accepted |= sim.block_on(async move {
                let ctx = cloud.context(ACCOUNT);
                let told = again && call(&ctx, "cloudformation", operation, input).await.is_ok();
                ctx.env().clock.sleep(until).await;
                told
            });
            sim.kill_all();
            disk.crash(&mut rng);
        }
        let cloud = Cloud::start(&disk, &sim.env(), seed ^ 1000, 0, services).unwrap();
        let seen = sim.block_on(async move {
            let ctx = cloud.context(ACCOUNT);
            if !accepted {
                call(&ctx, "cloudformation", operation, input).await.unwrap();
            }
            let seen = (settle(&ctx).await, queues(&ctx).await);
            cloud.stop().await;
            seen
        });
        sim.kill_all();
        assert_eq!(seen, (Some(wanted.to_owned()), wanted_queues), "seed {seed}, {operation}");
    }
    sim.trace()
}

#[test]
fn stacks_finish_whatever_crashes_and_leave_nothing_half_done() {
    for seed in 0..seeds(150) {
        stack_run(seed);
    }
    assert_eq!(stack_run(3), stack_run(3));
}
