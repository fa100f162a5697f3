//! What an alarm does when its state changes: it invokes functions. Other actions are passed on where there is
//! a service for them, and the history says what became of each.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{
    Arn, Context, InvokeKind, InvokeRequest, Kernel, ServiceError, resource_policy,
};
use undercast_smithy::Timestamp;
use undercast_store::{Backoff, Outcome, Task, TaskError, Tx};

use super::{AlarmRow, arn, remember, spawn as spawn_task};
use crate::store::AlarmKey;

const KIND: &str = "cloudwatch.action";
/// Who invokes functions for alarms.
const PRINCIPAL: &str = "lambda.alarms.cloudwatch.amazonaws.com";
const ATTEMPTS_MAX: u32 = 5;

pub(crate) fn task() -> TaskSpec {
    let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };
    let run = Arc::new(|kernel, task| run(kernel, task).boxed());
    TaskSpec { name: KIND, concurrency: 8, attempts_max: 0, backoff, run }
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    key: AlarmKey,
    is_composite: bool,
    action: String,
    event: Value,
}

pub(super) fn spawn(
    tx: &Tx,
    key: &AlarmKey,
    before: &AlarmRow,
    row: &AlarmRow,
    action: String,
) -> Result<(), ServiceError> {
    let order = Order {
        key: key.clone(),
        is_composite: row.is_composite,
        action,
        event: event(key, before, row),
    };
    spawn_task(tx, KIND, Vec::new(), tx.now_ms(), &json!(order))
}

fn time(ms: i64) -> String {
    Timestamp::from_millis(ms).format("%Y-%m-%dT%H:%M:%S.%3f+0000")
}

/// The event that a function gets.
fn event(key: &AlarmKey, before: &AlarmRow, row: &AlarmRow) -> Value {
    let state = |row: &AlarmRow| {
        let mut state = json!({
            "value": row.state, "reason": row.reason, "timestamp": time(row.transitioned_ms),
        });
        if let (Some(data), Value::Object(members)) = (&row.reason_data, &mut state) {
            members.insert("reasonData".to_owned(), data.as_str().into());
        }
        state
    };
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": arn(key),
        "accountId": key.0,
        "time": time(row.transitioned_ms),
        "region": key.1,
        "alarmData": {
            "alarmName": key.2,
            "state": state(row),
            "previousState": state(before),
            "configuration": configuration(row),
        },
    })
}

fn configuration(row: &AlarmRow) -> Value {
    let settings = row.document();
    let of = |name: &str| settings.get(name).cloned().unwrap_or(Value::Null);
    let description = of("AlarmDescription");
    if row.is_composite {
        return json!({"description": description, "alarmRule": of("AlarmRule")});
    }
    let metric = |metric: &Value, stat: Value, period: Value, unit: Value| {
        let all = metric.get("Dimensions").and_then(Value::as_array).into_iter().flatten();
        let pair = |d: &Value| {
            let text = |name: &str| d.get(name).and_then(Value::as_str).unwrap_or_default();
            (text("Name").to_owned(), text("Value").into())
        };
        let dimensions: serde_json::Map<String, Value> = all.map(pair).collect();
        json!({
            "metric": {
                "namespace": metric.get("Namespace"), "name": metric.get("MetricName"),
                "dimensions": dimensions,
            },
            "period": period, "stat": stat, "unit": unit,
        })
    };
    let metrics: Vec<Value> = match settings.get("Metrics").and_then(Value::as_array) {
        None => {
            let stat = match of("Statistic") {
                Value::Null => of("ExtendedStatistic"),
                stat => stat,
            };
            let stat = metric(&settings, stat, of("Period"), of("Unit"));
            vec![json!({"id": row.number.to_string(), "metricStat": stat, "returnData": true})]
        }
        Some(queries) => queries
            .iter()
            .map(|query| {
                let of = |name: &str| query.get(name).cloned().unwrap_or(Value::Null);
                let returns = of("ReturnData") != Value::Bool(false);
                let mut shown = json!({"id": of("Id"), "returnData": returns});
                if let Value::Object(shown) = &mut shown {
                    for (name, value) in [("label", of("Label")), ("expression", of("Expression"))]
                    {
                        if !value.is_null() {
                            shown.insert(name.to_owned(), value);
                        }
                    }
                    if let Some(stat) = query.get("MetricStat") {
                        let of = |name: &str| stat.get(name).cloned().unwrap_or(Value::Null);
                        let whole = metric(&of("Metric"), of("Stat"), of("Period"), of("Unit"));
                        shown.insert("metricStat".to_owned(), whole);
                    }
                }
                shown
            })
            .collect(),
    };
    json!({"description": description, "metrics": metrics})
}

async fn run(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let order: Order = serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let ctx = kernel.service_context(PRINCIPAL, &order.key.0, &order.key.1);
    let result = carry_out(&ctx, &order).await;
    if let Err(error) = &result
        && error.status().is_some_and(|status| status >= 500 && status != 501)
        && task.attempt < ATTEMPTS_MAX
    {
        return Err(TaskError::new(error));
    }
    let action = &order.action;
    let (summary, data) = match result {
        Ok(()) => (
            format!("Successfully executed action {action}"),
            json!({"actionState": "Succeeded", "notificationResource": action}),
        ),
        Err(error) => (
            format!("Failed to execute action {action}. Received error: \"{}\"", error.message()),
            json!({"actionState": "Failed", "notificationResource": action, "error": error.message()}),
        ),
    };
    let summary: String = summary.chars().take(255).collect();
    let noted = kernel.db().transact(|tx| {
        let (key, summary, data, task) =
            (order.key.clone(), summary.clone(), data.clone(), task.clone());
        let is_composite = order.is_composite;
        async move {
            remember(&tx, &key, is_composite, "Action", summary, &data).await?;
            task.complete(&tx)?;
            Ok::<_, ServiceError>(())
        }
    });
    noted.await.map_err(TaskError::new)?;
    Ok(Outcome::Done)
}

async fn carry_out(ctx: &Context, order: &Order) -> Result<(), ServiceError> {
    let service = Arn::parse(&order.action).map(|arn| arn.service).unwrap_or_default();
    match service.as_str() {
        "lambda" => {
            let source = arn(&order.key);
            resource_policy::may_invoke(ctx, &order.action, PRINCIPAL, &source).await?;
            let request = InvokeRequest {
                function: order.action.clone(),
                payload: order.event.to_string().into_bytes().into(),
                kind: InvokeKind::Event,
                guise: None,
            };
            ctx.kernel().invoke()?.invoke(ctx.clone(), request).await.map(drop)
        }
        "sns" if ctx.kernel().service("sns").is_some() => {
            let data = order.event.get("alarmData");
            let state =
                data.and_then(|data| data.get("state")).and_then(|state| state.get("value"));
            let state = state.and_then(Value::as_str).unwrap_or_default();
            let name = &order.key.2;
            let subject: String = format!("{state}: \"{name}\"").chars().take(100).collect();
            let input = json!({
                "TopicArn": order.action, "Subject": subject,
                "Message": order.event.to_string(),
            });
            ctx.kernel().call(ctx, "sns", "Publish", &input).await.map(drop)
        }
        _ => Err(ServiceError::unsupported(format!("the alarm action {}", order.action))),
    }
}
