//! `DeploymentPreference`: traffic of an alias moved by CodeDeploy.

use serde_json::{Value, json};

use super::Sam;
use super::document::{attribute, list, object, reference, resource, set};
use super::role::{managed_arn, trust};

const APPLICATION: &str = "ServerlessDeploymentApplication";
const ROLE: &str = "CodeDeployServiceRole";

/// The configurations that CodeDeploy has by itself.
const KNOWN: &[&str] = &[
    "AllAtOnce",
    "Canary10Percent5Minutes",
    "Canary10Percent10Minutes",
    "Canary10Percent15Minutes",
    "Canary10Percent30Minutes",
    "Linear10PercentEvery1Minute",
    "Linear10PercentEvery2Minutes",
    "Linear10PercentEvery3Minutes",
    "Linear10PercentEvery10Minutes",
];

/// Makes the deployment group of the function `id`, and lets the alias move through it.
pub(super) fn prefer(
    sam: &mut Sam<'_>,
    id: &str,
    preference: &Value,
    alias: &mut Value,
) -> Result<(), String> {
    if let Some(enabled) = preference.get("Enabled").filter(|v| !v.is_null())
        && !sam.is_true(Some(enabled))
    {
        return Ok(());
    }
    let kind = preference
        .get("Type")
        .filter(|v| !v.is_null())
        .ok_or("'DeploymentPreference' requires Type property to be specified.")?;
    let group = format!("{id}DeploymentGroup");
    let hook = |name: &str| preference.get("Hooks").and_then(|h| h.get(name)).cloned();
    let (before, after) = (hook("PreTraffic"), hook("PostTraffic"));
    let given = preference.get("Role").filter(|v| !v.is_null()).cloned();
    let application =
        resource("AWS::CodeDeploy::Application", json!({"ComputePlatform": "Lambda"}));
    sam.shared.insert(APPLICATION.to_owned(), application);
    if given.is_none() {
        let role = json!({
            "AssumeRolePolicyDocument": trust("codedeploy.amazonaws.com"),
            "ManagedPolicyArns": [managed_arn("AWSCodeDeployRoleForLambda")],
        });
        sam.shared.insert(ROLE.to_owned(), resource("AWS::IAM::Role", role));
    }
    let config = match sam.literal(Some(kind)) {
        Some(name) if KNOWN.contains(&name.as_str()) => {
            json!({"Fn::Sub": ["CodeDeployDefault.Lambda${ConfigName}", {"ConfigName": name}]})
        }
        _ => kind.clone(),
    };
    let mut events =
        vec!["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];
    let alarms = preference.get("Alarms").filter(|v| !v.is_null()).map(|alarms| {
        let named: Vec<Value> =
            list(Some(alarms)).into_iter().map(|name| json!({"Name": name})).collect();
        json!({"Enabled": !named.is_empty(), "Alarms": named})
    });
    events.sort_unstable();
    let properties = object([
        ("ApplicationName", Some(reference(APPLICATION))),
        ("AlarmConfiguration", alarms),
        ("AutoRollbackConfiguration", Some(json!({"Enabled": true, "Events": events}))),
        ("DeploymentConfigName", Some(config)),
        (
            "DeploymentStyle",
            Some(
                json!({"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"}),
            ),
        ),
        ("ServiceRoleArn", Some(given.unwrap_or_else(|| attribute(ROLE, "Arn")))),
        ("TriggerConfigurations", preference.get("TriggerConfigurations").cloned()),
    ]);
    sam.emit(id, group.clone(), resource("AWS::CodeDeploy::DeploymentGroup", properties));
    let update = object([
        ("ApplicationName", Some(reference(APPLICATION))),
        ("DeploymentGroupName", Some(reference(&group))),
        ("BeforeAllowTrafficHook", before),
        ("AfterAllowTrafficHook", after),
    ]);
    set(alias, "UpdatePolicy", json!({"CodeDeployLambdaAliasUpdate": update}));
    Ok(())
}
