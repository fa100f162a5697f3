//! `AWS::IAM::Role`, `AWS::IAM::Policy` and `AWS::IAM::ManagedPolicy`, made of IAM's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{
    Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use crate::store::{ROLES, USERS};

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct RoleType;
pub(crate) struct PolicyType;
pub(crate) struct ManagedPolicyType;

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "iam", operation, &input).await
}

/// The same, where somebody else having done it already is as good.
async fn call_unless(
    ctx: &Context,
    operation: &str,
    input: Value,
    code: &str,
) -> Result<(), ServiceError> {
    match call(ctx, operation, input).await {
        Err(error) if error.code() == code => Ok(()),
        other => other.map(|_| ()),
    }
}

const GONE: &str = "NoSuchEntityException";

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value, property: &str) -> Vec<Value> {
    value.get(property).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn tags(request: &ResourceRequest) -> Vec<Value> {
    // Tags of AWS's own prefix are kept by CloudFormation, not on the role.
    request
        .tag_list()
        .into_iter()
        .filter(|(key, _)| !key.starts_with("aws:"))
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect()
}

impl ResourceType for RoleType {
    fn name(&self) -> &'static str {
        "AWS::IAM::Role"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "Path",
            "PermissionsBoundary",
            "Policies",
            "RoleName",
            "Tags",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["RoleName", "Path"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let p = &request.properties;
            let name = request.text("RoleName").map_or_else(|| request.generated_name(64), str::to_owned);
            let input = json!({
                "RoleName": name,
                "Path": p.get("Path"),
                "AssumeRolePolicyDocument": text_of(p.get("AssumeRolePolicyDocument").unwrap_or(&Value::Null)),
                "Description": p.get("Description"),
                "MaxSessionDuration": p.get("MaxSessionDuration"),
                "PermissionsBoundary": p.get("PermissionsBoundary"),
                "Tags": tags(&request),
            });
            match call(&ctx, "CreateRole", input).await {
                Err(error) if error.code() == "EntityAlreadyExistsException" && request.attempt > 1 => {}
                other => {
                    other?;
                }
            }
            set_policies(&ctx, &name, &request).await?;
            describe_role(&ctx, name).await
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request.physical_id.clone();
            let p = &request.properties;
            let trust = text_of(p.get("AssumeRolePolicyDocument").unwrap_or(&Value::Null));
            call(
                &ctx,
                "UpdateAssumeRolePolicy",
                json!({"RoleName": name, "PolicyDocument": trust}),
            )
            .await?;
            let input = json!({
                "RoleName": name,
                "Description": request.text("Description").unwrap_or_default(),
                "MaxSessionDuration": p.get("MaxSessionDuration").cloned().unwrap_or(json!(3600)),
            });
            call(&ctx, "UpdateRole", input).await?;
            match p.get("PermissionsBoundary") {
                Some(arn) => {
                    let input = json!({"RoleName": name, "PermissionsBoundary": arn});
                    call(&ctx, "PutRolePermissionsBoundary", input).await?;
                }
                None => {
                    call(&ctx, "DeleteRolePermissionsBoundary", json!({"RoleName": name})).await?;
                }
            }
            set_policies(&ctx, &name, &request).await?;
            set_tags(&ctx, &name, &request).await?;
            describe_role(&ctx, name).await
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let name = request.physical_id.clone();
            let role = json!({"RoleName": name});
            let Ok(inline) = call(&ctx, "ListRolePolicies", role.clone()).await else {
                return Ok(());
            };
            // Policies that other resources of the template put are theirs to delete; what is left
            // belongs to the role.
            for policy in list(&inline, "PolicyNames") {
                let input = json!({"RoleName": name, "PolicyName": policy});
                call_unless(&ctx, "DeleteRolePolicy", input, GONE).await?;
            }
            let attached = call(&ctx, "ListAttachedRolePolicies", role.clone()).await?;
            for policy in list(&attached, "AttachedPolicies") {
                let input = json!({"RoleName": name, "PolicyArn": policy.get("PolicyArn")});
                call_unless(&ctx, "DetachRolePolicy", input, GONE).await?;
            }
            call_unless(&ctx, "DeleteRole", role, GONE).await
        }
        .boxed()
    }
}

/// Inline and attached policies as the properties say; those of before that are not named go.
async fn set_policies(
    ctx: &Context,
    role: &str,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    let p = &request.properties;
    let names = |of: &Value| -> Vec<Value> {
        list(of, "Policies").iter().filter_map(|policy| policy.get("PolicyName").cloned()).collect()
    };
    for policy in list(p, "Policies") {
        let document = text_of(policy.get("PolicyDocument").unwrap_or(&Value::Null));
        let input = json!({"RoleName": role, "PolicyName": policy.get("PolicyName"), "PolicyDocument": document});
        call(ctx, "PutRolePolicy", input).await?;
    }
    let kept = names(p);
    for name in names(&request.old).into_iter().filter(|name| !kept.contains(name)) {
        let input = json!({"RoleName": role, "PolicyName": name});
        call_unless(ctx, "DeleteRolePolicy", input, GONE).await?;
    }
    let arns = list(p, "ManagedPolicyArns");
    for arn in &arns {
        call(ctx, "AttachRolePolicy", json!({"RoleName": role, "PolicyArn": arn})).await?;
    }
    for arn in list(&request.old, "ManagedPolicyArns").into_iter().filter(|arn| !arns.contains(arn))
    {
        let input = json!({"RoleName": role, "PolicyArn": arn});
        call_unless(ctx, "DetachRolePolicy", input, GONE).await?;
    }
    Ok(())
}

async fn set_tags(
    ctx: &Context,
    role: &str,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    let wanted = tags(request);
    let have = call(ctx, "ListRoleTags", json!({"RoleName": role})).await?;
    let gone: Vec<Value> = list(&have, "Tags")
        .iter()
        .filter_map(|tag| tag.get("Key").cloned())
        .filter(|key| !wanted.iter().any(|tag| tag.get("Key") == Some(key)))
        .collect();
    if !gone.is_empty() {
        call(ctx, "UntagRole", json!({"RoleName": role, "TagKeys": gone})).await?;
    }
    if !wanted.is_empty() {
        call(ctx, "TagRole", json!({"RoleName": role, "Tags": wanted})).await?;
    }
    Ok(())
}

async fn describe_role(ctx: &Context, name: String) -> Result<Resource, ServiceError> {
    let output = call(ctx, "GetRole", json!({"RoleName": name})).await?;
    let role = output.get("Role").cloned().unwrap_or_default();
    let part = |key: &str| role.get(key).cloned().unwrap_or_default();
    Ok(Resource::new(name).with("Arn", part("Arn")).with("RoleId", part("RoleId")))
}

impl ResourceType for PolicyType {
    fn name(&self) -> &'static str {
        "AWS::IAM::Policy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Groups", "PolicyDocument", "PolicyName", "Roles", "Users"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["PolicyName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            put_inline(&ctx, &request).await?;
            let name = request.generated_name(128);
            Ok(Resource::new(name.clone()).with("Id", name))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            put_inline(&ctx, &request).await?;
            let kept = owners(&request.properties);
            for owner in owners(&request.old).into_iter().filter(|owner| !kept.contains(owner)) {
                drop_inline(&ctx, &owner, request.old.get("PolicyName")).await?;
            }
            Ok(Resource::new(request.physical_id.clone()).with("Id", request.physical_id))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            for owner in owners(&request.properties) {
                drop_inline(&ctx, &owner, request.properties.get("PolicyName")).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// `Role` or `User`, and the name.
fn owners(properties: &Value) -> Vec<(&'static str, Value)> {
    let roles = list(properties, "Roles").into_iter().map(|name| ("Role", name));
    roles.chain(list(properties, "Users").into_iter().map(|name| ("User", name))).collect()
}

async fn put_inline(ctx: &Context, request: &ResourceRequest) -> Result<(), ServiceError> {
    let p = &request.properties;
    if !list(p, "Groups").is_empty() {
        return Err(ServiceError::unsupported("a policy of a group"));
    }
    let document = text_of(p.get("PolicyDocument").unwrap_or(&Value::Null));
    for (kind, name) in owners(p) {
        let mut input = json!({"PolicyName": p.get("PolicyName"), "PolicyDocument": document});
        if let Value::Object(input) = &mut input {
            input.insert(format!("{kind}Name"), name);
        }
        call(ctx, &format!("Put{kind}Policy"), input).await?;
    }
    Ok(())
}

async fn drop_inline(
    ctx: &Context,
    (kind, name): &(&'static str, Value),
    policy: Option<&Value>,
) -> Result<(), ServiceError> {
    let mut input = json!({"PolicyName": policy});
    if let Value::Object(input) = &mut input {
        input.insert(format!("{kind}Name"), name.clone());
    }
    call_unless(ctx, &format!("Delete{kind}Policy"), input, GONE).await
}

impl ResourceType for ManagedPolicyType {
    fn name(&self) -> &'static str {
        "AWS::IAM::ManagedPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "Groups", "ManagedPolicyName", "Path", "PolicyDocument", "Roles", "Users"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["Description", "ManagedPolicyName", "Path"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let p = &request.properties;
            let name = request
                .text("ManagedPolicyName")
                .map_or_else(|| request.generated_name(128), str::to_owned);
            let path = request.text("Path").unwrap_or("/").to_owned();
            let arn = format!("arn:aws:iam::{}:policy{path}{name}", ctx.account());
            let input = json!({
                "PolicyName": name,
                "Path": path,
                "Description": p.get("Description"),
                "PolicyDocument": text_of(p.get("PolicyDocument").unwrap_or(&Value::Null)),
            });
            match call(&ctx, "CreatePolicy", input).await {
                Err(error)
                    if error.code() == "EntityAlreadyExistsException" && request.attempt > 1 => {}
                other => {
                    other?;
                }
            }
            attach_all(&ctx, &arn, &request).await?;
            Ok(Resource::new(arn.clone()).with("PolicyArn", arn))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let arn = request.physical_id.clone();
            if request.changed("PolicyDocument") {
                let versions = call(&ctx, "ListPolicyVersions", json!({"PolicyArn": arn})).await?;
                let versions = list(&versions, "Versions");
                let spare =
                    versions.iter().rfind(|v| v.get("IsDefaultVersion") != Some(&json!(true)));
                if let Some(version) = spare.filter(|_| versions.len() >= 5) {
                    let input = json!({"PolicyArn": arn, "VersionId": version.get("VersionId")});
                    call(&ctx, "DeletePolicyVersion", input).await?;
                }
                let document =
                    text_of(request.properties.get("PolicyDocument").unwrap_or(&Value::Null));
                let input =
                    json!({"PolicyArn": arn, "PolicyDocument": document, "SetAsDefault": true});
                call(&ctx, "CreatePolicyVersion", input).await?;
            }
            attach_all(&ctx, &arn, &request).await?;
            Ok(Resource::new(arn.clone()).with("PolicyArn", arn))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let arn = request.physical_id.clone();
            for (kind, name) in owners(&request.properties) {
                set_attached(&ctx, "Detach", kind, &name, &arn).await?;
            }
            let Ok(versions) = call(&ctx, "ListPolicyVersions", json!({"PolicyArn": arn})).await
            else {
                return Ok(());
            };
            for version in list(&versions, "Versions") {
                if version.get("IsDefaultVersion") != Some(&json!(true)) {
                    let input = json!({"PolicyArn": arn, "VersionId": version.get("VersionId")});
                    call_unless(&ctx, "DeletePolicyVersion", input, GONE).await?;
                }
            }
            call_unless(&ctx, "DeletePolicy", json!({"PolicyArn": arn}), GONE).await
        }
        .boxed()
    }
}

async fn attach_all(
    ctx: &Context,
    arn: &str,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    let wanted = owners(&request.properties);
    for (kind, name) in &wanted {
        set_attached(ctx, "Attach", kind, name, arn).await?;
    }
    for (kind, name) in owners(&request.old).iter().filter(|owner| !wanted.contains(owner)) {
        set_attached(ctx, "Detach", kind, name, arn).await?;
    }
    Ok(())
}

async fn set_attached(
    ctx: &Context,
    verb: &str,
    kind: &str,
    name: &Value,
    arn: &str,
) -> Result<(), ServiceError> {
    let mut input = json!({"PolicyArn": arn});
    if let Value::Object(input) = &mut input {
        input.insert(format!("{kind}Name"), name.clone());
    }
    let operation = format!("{verb}{kind}Policy");
    if verb == "Detach" {
        return call_unless(ctx, &operation, input, GONE).await;
    }
    call(ctx, &operation, input).await.map(|_| ())
}

/// Roles and users, for `undercast ls`.
pub(crate) async fn list_all(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let db = kernel.db();
    let roles = ROLES.list(db, ROLES.all(), 10_000, false).await?;
    let users = USERS.list(db, USERS.all(), 10_000, false).await?;
    let listed = |kind, account: String, path: String, name: String, word: &str| Listed {
        kind,
        arn: format!("arn:aws:iam::{account}:{word}{path}{name}"),
        account,
        region: String::new(),
        name,
        note: String::new(),
    };
    let roles = roles
        .into_iter()
        .map(|((account, _), row)| listed("AWS::IAM::Role", account, row.path, row.name, "role"));
    let users = users
        .into_iter()
        .map(|((account, _), row)| listed("AWS::IAM::User", account, row.path, row.name, "user"));
    Ok(roles.chain(users).collect())
}
