//! The resource types, made of the service's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use undercast_kernel::{
    Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use super::deploy::unless;
use super::store::{APPLICATIONS, DEPLOYMENTS};

pub(crate) type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

const NAME_MAX: usize = 100;

pub(crate) struct ApplicationType;
pub(crate) struct ConfigType;
pub(crate) struct GroupType;

pub(crate) async fn call(
    ctx: &Context,
    operation: &str,
    input: Value,
) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "codedeploy", operation, &input).await
}

/// What an earlier attempt has made is there already.
async fn make(
    ctx: &Context,
    request: &ResourceRequest,
    operation: &str,
    input: Value,
    exists: &str,
) -> Result<(), ServiceError> {
    match call(ctx, operation, input).await {
        Err(error) if error.code() == exists && request.attempt > 1 => Ok(()),
        other => other.map(drop),
    }
}

fn name(request: &ResourceRequest, property: &str) -> String {
    request.text(property).map_or_else(|| request.generated_name(NAME_MAX), str::to_owned)
}

fn tags(request: &ResourceRequest) -> Value {
    let all = request.tag_list().into_iter();
    all.map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// The API's form: names begin with a small letter there. Templates may write numbers and truth as text.
fn api_form(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| {
                let mut letters = key.chars();
                let first = letters.next().map(|c| c.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect(), api_form(value))
            });
            Value::Object(entries.collect())
        }
        Value::Array(items) => items.iter().map(api_form).collect(),
        Value::String(text) => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => text.parse::<i64>().map_or_else(|_| value.clone(), Into::into),
        },
        other => other.clone(),
    }
}

/// Takes properties over in the API's form; those whose value is a name or an ARN as they are.
fn copy(request: &ResourceRequest, plain: &[&str], names: &[&str]) -> Map<String, Value> {
    let mut input = Map::new();
    for property in plain.iter().chain(names) {
        let Some(value) = request.properties.get(*property).filter(|value| !value.is_null()) else {
            continue;
        };
        let value = if names.contains(property) { value.clone() } else { api_form(value) };
        let mut letters = property.chars();
        let first = letters.next().map(|c| c.to_ascii_lowercase());
        input.insert(first.into_iter().chain(letters).collect(), value);
    }
    input
}

impl ResourceType for ApplicationType {
    fn name(&self) -> &'static str {
        "AWS::CodeDeploy::Application"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["ApplicationName", "ComputePlatform", "Tags"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["ApplicationName", "ComputePlatform"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = name(&request, "ApplicationName");
            let mut input = copy(&request, &[], &["ComputePlatform"]);
            input.insert("applicationName".to_owned(), name.clone().into());
            input.insert("tags".to_owned(), tags(&request));
            let exists = "ApplicationAlreadyExistsException";
            make(&ctx, &request, "CreateApplication", input.into(), exists).await?;
            Ok(Resource::new(name))
        }
        .boxed()
    }

    fn update(&self, _: Context, request: ResourceRequest) -> Future<Resource> {
        async move { Ok(Resource::new(request.physical_id)) }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"applicationName": request.physical_id});
            call(&ctx, "DeleteApplication", input).await.map(drop)
        }
        .boxed()
    }
}

impl ResourceType for ConfigType {
    fn name(&self) -> &'static str {
        "AWS::CodeDeploy::DeploymentConfig"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "ComputePlatform",
            "DeploymentConfigName",
            "MinimumHealthyHosts",
            "TrafficRoutingConfig",
            "ZonalConfig",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = name(&request, "DeploymentConfigName");
            let plain = ["MinimumHealthyHosts", "TrafficRoutingConfig", "ZonalConfig"];
            let mut input = copy(&request, &plain, &["ComputePlatform"]);
            input.insert("deploymentConfigName".to_owned(), name.clone().into());
            let exists = "DeploymentConfigAlreadyExistsException";
            make(&ctx, &request, "CreateDeploymentConfig", input.into(), exists).await?;
            Ok(Resource::new(name))
        }
        .boxed()
    }

    fn update(&self, _: Context, request: ResourceRequest) -> Future<Resource> {
        async move { Ok(Resource::new(request.physical_id)) }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"deploymentConfigName": request.physical_id});
            call(&ctx, "DeleteDeploymentConfig", input).await.map(drop)
        }
        .boxed()
    }
}

const GROUP_PLAIN: &[&str] = &[
    "AlarmConfiguration",
    "AutoRollbackConfiguration",
    "AutoScalingGroups",
    "BlueGreenDeploymentConfiguration",
    "DeploymentStyle",
    "ECSServices",
    "Ec2TagFilters",
    "Ec2TagSet",
    "LoadBalancerInfo",
    "OnPremisesInstanceTagFilters",
    "OnPremisesTagSet",
    "TriggerConfigurations",
];

impl ResourceType for GroupType {
    fn name(&self) -> &'static str {
        "AWS::CodeDeploy::DeploymentGroup"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AlarmConfiguration",
            "ApplicationName",
            "AutoRollbackConfiguration",
            "AutoScalingGroups",
            "BlueGreenDeploymentConfiguration",
            "DeploymentConfigName",
            "DeploymentGroupName",
            "DeploymentStyle",
            "ECSServices",
            "Ec2TagFilters",
            "Ec2TagSet",
            "LoadBalancerInfo",
            "OnPremisesInstanceTagFilters",
            "OnPremisesTagSet",
            "ServiceRoleArn",
            "Tags",
            "TriggerConfigurations",
        ]
    }

    fn inert_properties(&self) -> &'static [&'static str] {
        &["OutdatedInstancesStrategy", "TerminationHookEnabled"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["ApplicationName", "DeploymentGroupName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = name(&request, "DeploymentGroupName");
            let names = ["ApplicationName", "DeploymentConfigName", "ServiceRoleArn"];
            let mut input = copy(&request, GROUP_PLAIN, &names);
            input.insert("deploymentGroupName".to_owned(), name.clone().into());
            input.insert("tags".to_owned(), tags(&request));
            let exists = "DeploymentGroupAlreadyExistsException";
            make(&ctx, &request, "CreateDeploymentGroup", input.into(), exists).await?;
            Ok(Resource::new(name))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let names = ["ApplicationName", "ServiceRoleArn"];
            let mut input = copy(&request, GROUP_PLAIN, &names);
            let config = request.text("DeploymentConfigName").unwrap_or(super::config::DEFAULT);
            input.insert("deploymentConfigName".to_owned(), config.into());
            input.insert(
                "currentDeploymentGroupName".to_owned(),
                request.physical_id.clone().into(),
            );
            // A rollback that the template has no longer is none.
            input
                .entry("autoRollbackConfiguration")
                .or_insert_with(|| json!({"enabled": false, "events": []}));
            call(&ctx, "UpdateDeploymentGroup", input.into()).await?;
            Ok(Resource::new(request.physical_id))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({
                "applicationName": request.properties.get("ApplicationName"),
                "deploymentGroupName": request.physical_id,
            });
            let gone = &["ApplicationDoesNotExistException"];
            call(&ctx, "DeleteDeploymentGroup", input).await.map(drop).or_else(unless(gone))
        }
        .boxed()
    }
}

/// Applications and deployments, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let applications = APPLICATIONS.list(kernel.db(), APPLICATIONS.all(), 10_000, false).await?;
    let applications = applications.into_iter().map(|((account, region, name), _)| Listed {
        kind: "AWS::CodeDeploy::Application",
        arn: format!("arn:aws:codedeploy:{region}:{account}:application:{name}"),
        account,
        region,
        name,
        note: String::new(),
    });
    let deployments = DEPLOYMENTS.list(kernel.db(), DEPLOYMENTS.all(), 10_000, false).await?;
    let deployments = deployments.into_iter().map(|((account, region, id), row)| Listed {
        kind: "AWS::CodeDeploy::Deployment",
        arn: format!(
            "arn:aws:codedeploy:{region}:{account}:deploymentgroup:{}/{}",
            row.application, row.group
        ),
        account,
        region,
        name: id,
        note: row.status.name().to_lowercase(),
    });
    Ok(applications.chain(deployments).collect())
}
