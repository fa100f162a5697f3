//! How many pairs of 4 KiB answers one core compares in a second: equal ones, slightly different ones, such with
//! generated values, and such with effects. `cargo run --release -p undercast-patterns --example compare_rate`

#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use bytes::Bytes;
use serde_json::{Value, json};
use undercast_patterns::compare::{Answer, CompiledRules, Effect, Observed, Rules, compare};
use undercast_store::Env;

fn order(id: u32, cents: u32, note: &str, session: &str) -> Value {
    let items: Vec<Value> = (0..24)
        .map(|n| {
            json!({
                "sku": format!("SKU-{n:05}"),
                "name": format!("Article number {n} of the catalogue"),
                "price": f64::from(cents + n * 100) / 100.0,
                "quantity": n % 5 + 1,
                "tags": ["garden", "sale"],
                "added": "2026-11-20T10:00:00Z",
            })
        })
        .collect();
    json!({
        "id": id, "session": session, "customer": {"name": "Ann Example", "city": "Bern", "vip": null},
        "note": note, "items": items, "total": f64::from(cents) / 10.0,
    })
}

fn observed(body: &Value, effects: Vec<Effect>) -> Observed {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let answer = Answer::Http { status: 200, headers, body: Bytes::from(body.to_string()) };
    Observed { answer, effects, duration_ms: 12.0, started_ms: 1_795_521_600_000 }
}

fn effects(id: &str, price: &str) -> Vec<Effect> {
    let effect = |service: &str, operation: &str, input: Value| Effect {
        service: service.to_owned(),
        operation: operation.to_owned(),
        input,
        outcome: Ok(()),
    };
    let put = |n: u32| {
        let item = json!({"id": {"S": format!("{id}{n}")}, "price": {"N": price}, "n": {"N": n.to_string()},
            "lines": {"L": [{"M": {"sku": {"S": "SKU-1"}, "count": {"N": "3"}}}]}});
        effect("dynamodb", "PutItem", json!({"TableName": "orders", "Item": item}))
    };
    let message = json!({"order": id, "lines": 4}).to_string();
    let mut all: Vec<Effect> = (0..4).map(put).collect();
    let send = json!({"QueueUrl": "http://localhost:4566/1/jobs", "MessageBody": message});
    all.push(effect("sqs", "SendMessage", send));
    all
}

/// Seconds that this thread was on a core: others may be busy on the same machine.
fn on_core() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanos / 1e9)
}

fn rate(name: &str, a: &Observed, b: &Observed, rules: &CompiledRules) {
    let clock = Env::system().clock;
    let now = || on_core().unwrap_or_else(|| clock.monotonic().as_secs_f64());
    let kinds = compare(a, b, rules).differences.len();
    let (begun, mut rounds) = (now(), 0_u32);
    while now() - begun < 1.0 {
        for _ in 0..200 {
            std::hint::black_box(compare(std::hint::black_box(a), std::hint::black_box(b), rules));
        }
        rounds += 200;
    }
    println!("{name:<44} {:>9.0} pairs/s, {kinds} kinds", f64::from(rounds) / (now() - begun));
}

fn main() {
    let rules = Rules::default().compile().unwrap_or_else(|error| {
        println!("{error}");
        std::process::exit(1)
    });
    let (one, two) =
        ("550e8400-e29b-41d4-a716-446655440000", "661e8400-e29b-41d4-a716-446655440001");
    let base = observed(&order(1, 1999, "as always", one), Vec::new());
    let Answer::Http { body, .. } = &base.answer else { return };
    println!("answers of {} bytes", body.len());
    rate("equal", &base, &base.clone(), &rules);
    let session = observed(&order(1, 1999, "as always", two), Vec::new());
    rate("equal but for a generated value", &base, &session, &rules);
    let other = observed(&order(1, 1999, "As  always", one), Vec::new());
    rate("one text differs", &base, &other, &rules);
    let prices = observed(&order(2, 2001, "as always", two), Vec::new());
    rate("every price differs", &base, &prices, &rules);
    let (a, b) = (effects(one, "12.50"), effects(two, "12.5"));
    let left = observed(&order(1, 1999, "as always", one), a.clone());
    let right = observed(&order(1, 1999, "as always", two), b);
    rate("equal but for generated values, 5 effects", &left, &right, &rules);
    let right = observed(&order(1, 1999, "as always", one), effects(one, "13"));
    rate("equal answer, 5 effects differ", &left, &right, &rules);
    let right = observed(&order(1, 1999, "as always", one), a);
    rate("equal, 5 effects", &left, &right, &rules);
}
