//! Parameter policies: expiration, by a task. The notifications that go to EventBridge are kept only.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value, json};
use undercast_kernel::service::TaskSpec;
use undercast_kernel::{Kernel, ServiceError};
use undercast_store::{Backoff, NewTask, Outcome, Task, TaskError, Tx};

use super::operations::erase;
use super::store::{PARAMETERS, ParameterKey};
use crate::api::ssm::shapes::ParameterInlinePolicy;

const EXPIRE: &str = "ssm.expire";
const POLICIES_MAX: usize = 10;

fn parsed(policies: &str) -> Option<Vec<Value>> {
    let all: Vec<Value> = serde_json::from_str(policies).ok()?;
    let kinds = ["Expiration", "ExpirationNotification", "NoChangeNotification"];
    let is_known = |policy: &Value| {
        policy.get("Type").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind))
            && policy.get("Attributes").is_some_and(Value::is_object)
    };
    (all.len() <= POLICIES_MAX && all.iter().all(is_known)).then_some(all)
}

/// When the policies have the parameter deleted, if they are right.
pub(crate) fn expiry(policies: &str, now_ms: i64) -> Result<Option<i64>, ServiceError> {
    let invalid = |message: &str| {
        Err(ServiceError::new("InvalidPolicyAttributeException", message.to_owned()))
    };
    let Some(all) = parsed(policies) else {
        return Err(ServiceError::new(
            "InvalidPolicyTypeException",
            "The policy type isn't supported. Parameter Store supports the following policy types: Expiration, ExpirationNotification, and NoChangeNotification.",
        ));
    };
    let mut at_ms = None;
    for policy in all.iter().filter(|policy| policy.get("Type").is_some_and(|t| t == "Expiration"))
    {
        let text =
            policy.get("Attributes").and_then(|a| a.get("Timestamp")).and_then(Value::as_str);
        let at = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        match at.map(|at| at.as_millisecond()) {
            Some(at) if at > now_ms => at_ms = Some(at),
            Some(_) => return invalid("The expiration time has to be in the future."),
            None => return invalid("The expiration policy needs a Timestamp in ISO 8601."),
        }
    }
    Ok(at_ms)
}

pub(crate) fn shown(policies: Option<&String>) -> Vec<ParameterInlinePolicy> {
    let all = policies.and_then(|policies| parsed(policies)).unwrap_or_default();
    let shown = |policy: Value| ParameterInlinePolicy {
        policy_type: policy.get("Type").and_then(Value::as_str).map(str::to_owned),
        policy_text: Some(policy.to_string()),
        policy_status: Some("Pending".to_owned()),
    };
    all.into_iter().map(shown).collect()
}

pub(crate) fn spawn(tx: &Tx, key: &ParameterKey, at_ms: i64) -> Result<(), ServiceError> {
    let payload = json!(key).to_string().into_bytes();
    tx.spawn(NewTask {
        kind: EXPIRE,
        key: payload.clone(),
        due_ms: at_ms,
        payload: payload.into(),
    })?;
    Ok(())
}

pub(crate) fn task() -> TaskSpec {
    TaskSpec {
        name: EXPIRE,
        concurrency: 1,
        attempts_max: 0,
        backoff: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) },
        run: Arc::new(|kernel, task| expire(kernel, task).boxed()),
    }
}

async fn expire(kernel: Kernel, task: Task) -> Result<Outcome, TaskError> {
    let key: ParameterKey = serde_json::from_slice(&task.payload).map_err(TaskError::fatal)?;
    let run = move |tx: Tx| {
        let key = key.clone();
        async move {
            let row = PARAMETERS.get(&tx, &key).await?;
            // Deleted, put off, or without a policy by now.
            match row.and_then(|row| row.expires_ms) {
                Some(at) if at <= tx.now_ms() => erase(&tx, &key).await,
                _ => Ok::<_, ServiceError>(()),
            }
        }
    };
    kernel.db().transact(run).await.map_err(|error| TaskError::new(error.to_string()))?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_say_when_a_parameter_goes() {
        let expiration = |at: &str| {
            format!(
                r#"[{{"Type":"Expiration","Version":"1.0","Attributes":{{"Timestamp":"{at}"}}}}]"#
            )
        };
        let at = expiry(&expiration("2030-01-01T00:00:00.000Z"), 0).unwrap();
        assert_eq!(at, Some(1_893_456_000_000));
        assert!(expiry(&expiration("2030-01-01T00:00:00Z"), i64::MAX).is_err());
        assert!(expiry(&expiration("soon"), 0).is_err());
        assert!(expiry(r#"[{"Type":"Other","Attributes":{}}]"#, 0).is_err());
        assert_eq!(shown(Some(&expiration("2030-01-01T00:00:00Z"))).len(), 1);
    }
}
