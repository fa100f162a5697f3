//! The role that a function or state machine gets if it names none.

use serde_json::{Value, json};

use super::document::{Object, copy, is_intrinsic, object, resource, set, tags};
use super::policies;

/// What a role is made of besides the policies that its owner names.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) managed: Vec<Value>,
    /// Names and documents.
    pub(super) inline: Vec<(String, Value)>,
}

impl Needs {
    pub(super) fn managed(&mut self, name: &str) {
        let arn = json!(managed_arn(name));
        if !self.managed.contains(&arn) {
            self.managed.push(arn);
        }
    }

    pub(super) fn allow(&mut self, name: impl Into<String>, actions: Value, resource: Value) {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}],
        });
        self.inline.push((name.into(), document));
    }
}

/// Names of AWS's that stand under `service-role/`.
const SERVICE_ROLES: &[&str] = &[
    "AWSLambdaBasicDurableExecutionRolePolicy",
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaENIManagementAccess",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaMSKExecutionRole",
    "AWSLambdaRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AWSCodeDeployRoleForLambda",
    "AWSCodeDeployRoleForLambdaLimited",
    "AmazonAPIGatewayPushToCloudWatchLogs",
    "AmazonS3ObjectLambdaExecutionRolePolicy",
];

pub(super) fn managed_arn(name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    let folder = if SERVICE_ROLES.contains(&name) { "service-role/" } else { "" };
    format!("arn:aws:iam::aws:policy/{folder}{name}")
}

pub(super) fn trust(service: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Action": ["sts:AssumeRole"],
            "Effect": "Allow",
            "Principal": {"Service": [service]},
        }],
    })
}

/// The role of `owner`, with what it needs and what its `Policies` say.
pub(super) fn role(
    owner: &str,
    service: &str,
    properties: &Object,
    mut needs: Needs,
    created_by: &str,
) -> Result<Value, String> {
    let given = match properties.get("Policies") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(given)) => given.clone(),
        Some(one) => vec![one.clone()],
    };
    for (index, policy) in given.iter().enumerate() {
        let name = || format!("{owner}RolePolicy{index}");
        match policy {
            Value::String(name) => needs.managed(name),
            Value::Object(members) if is_intrinsic(policy) => {
                sort_conditional(members, policy, &mut needs, name());
            }
            Value::Object(members) if members.contains_key("Statement") => {
                needs.inline.push((name(), policy.clone()));
            }
            Value::Object(members) => match members.iter().next() {
                Some((template, given))
                    if members.len() == 1 && policies::is_template(template) =>
                {
                    needs.inline.push((name(), policies::expand(template, given)?));
                }
                _ => {
                    return Err(format!(
                        "Policy at index {index} in the 'Policies' property is not valid"
                    ));
                }
            },
            Value::Null => {}
            _ => {
                return Err(format!(
                    "Policy at index {index} in the 'Policies' property is not valid"
                ));
            }
        }
    }
    let inline: Vec<Value> = needs
        .inline
        .into_iter()
        .map(|(name, document)| match name.is_empty() {
            true => document,
            false => json!({"PolicyName": name, "PolicyDocument": document}),
        })
        .collect();
    let trust = properties.get("AssumeRolePolicyDocument").filter(|d| !d.is_null()).cloned();
    let mut built = object([
        ("AssumeRolePolicyDocument", Some(trust.unwrap_or_else(|| self::trust(service)))),
        ("ManagedPolicyArns", Some(json!(needs.managed)).filter(|_| !needs.managed.is_empty())),
        ("Policies", Some(json!(inline)).filter(|_| !inline.is_empty())),
        ("Path", properties.get("RolePath").cloned()),
    ]);
    copy(properties, &mut built, &["PermissionsBoundary"]);
    set(&mut built, "Tags", tags(created_by, properties.get("Tags")));
    Ok(resource("AWS::IAM::Role", built))
}

/// `Fn::If` may choose between documents; any other function answers an ARN.
fn sort_conditional(members: &Object, policy: &Value, needs: &mut Needs, name: String) {
    let branches = members.get("Fn::If").and_then(Value::as_array);
    let document = branches.is_some_and(|b| b.iter().any(|v| v.get("Statement").is_some()));
    match branches.map(Vec::as_slice) {
        Some([condition, yes, no]) if document || is_call(yes) || is_call(no) => {
            let branch = |value: &Value| match value.as_object().and_then(|o| o.iter().next()) {
                Some((template, given)) if policies::is_template(template) => {
                    policies::expand(template, given).map_or(
                        Value::Null,
                        |document| json!({"PolicyName": name, "PolicyDocument": document}),
                    )
                }
                _ if value.get("Statement").is_some() => {
                    json!({"PolicyName": name, "PolicyDocument": value})
                }
                _ => value.clone(),
            };
            let chosen = json!({"Fn::If": [condition, branch(yes), branch(no)]});
            needs.inline.push((String::new(), chosen));
        }
        _ => needs.managed.push(policy.clone()),
    }
}

fn is_call(value: &Value) -> bool {
    value.as_object().and_then(|o| o.keys().next()).is_some_and(|name| policies::is_template(name))
}
