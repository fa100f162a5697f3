//! `AWS::ApiGatewayV2::{Api, Route, Integration, Authorizer, Stage, Deployment, DomainName, ApiMapping,
//! VpcLink}`, made of the service's own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use undercast_kernel::{
    Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use crate::engine::openapi;
use crate::limits::ROWS_MAX;
use crate::operations::endpoint;
use crate::store::{APIS, DOMAINS, MAPPINGS, PARTS, VPC_LINKS};

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

/// One of the types: they differ in names and in what cannot be changed.
pub(crate) struct Type {
    pub(crate) name: &'static str,
    /// `Route` in `CreateRoute`.
    pub(crate) noun: &'static str,
    /// The member of the output that is the physical id.
    pub(crate) id: &'static str,
    /// What it is a part of.
    pub(crate) parent: Option<&'static str>,
    pub(crate) properties: &'static [&'static str],
    pub(crate) replaced_by: &'static [&'static str],
}

pub(crate) const TYPES: &[Type] = &[
    Type {
        name: "AWS::ApiGatewayV2::Api",
        noun: "Api",
        id: "ApiId",
        parent: None,
        properties: &[
            "ApiKeySelectionExpression",
            "BasePath",
            "Body",
            "BodyS3Location",
            "CorsConfiguration",
            "CredentialsArn",
            "Description",
            "DisableExecuteApiEndpoint",
            "DisableSchemaValidation",
            "FailOnWarnings",
            "IpAddressType",
            "Name",
            "ProtocolType",
            "RouteKey",
            "RouteSelectionExpression",
            "Tags",
            "Target",
            "Version",
        ],
        replaced_by: &["ProtocolType"],
    },
    Type {
        name: "AWS::ApiGatewayV2::Route",
        noun: "Route",
        id: "RouteId",
        parent: Some("ApiId"),
        properties: &[
            "ApiId",
            "ApiKeyRequired",
            "AuthorizationScopes",
            "AuthorizationType",
            "AuthorizerId",
            "OperationName",
            "RequestModels",
            "RequestParameters",
            "RouteKey",
            "RouteResponseSelectionExpression",
            "Target",
        ],
        replaced_by: &["ApiId"],
    },
    Type {
        name: "AWS::ApiGatewayV2::Integration",
        noun: "Integration",
        id: "IntegrationId",
        parent: Some("ApiId"),
        properties: &[
            "ApiId",
            "ConnectionId",
            "ConnectionType",
            "CredentialsArn",
            "Description",
            "IntegrationMethod",
            "IntegrationSubtype",
            "IntegrationType",
            "IntegrationUri",
            "PassthroughBehavior",
            "PayloadFormatVersion",
            "RequestParameters",
            "ResponseParameters",
            "TimeoutInMillis",
            "TlsConfig",
        ],
        replaced_by: &["ApiId"],
    },
    Type {
        name: "AWS::ApiGatewayV2::Stage",
        noun: "Stage",
        id: "StageName",
        parent: Some("ApiId"),
        properties: &[
            "AccessLogSettings",
            "ApiId",
            "AutoDeploy",
            "DefaultRouteSettings",
            "DeploymentId",
            "Description",
            "RouteSettings",
            "StageName",
            "StageVariables",
            "Tags",
        ],
        replaced_by: &["ApiId", "StageName"],
    },
    Type {
        name: "AWS::ApiGatewayV2::Deployment",
        noun: "Deployment",
        id: "DeploymentId",
        parent: Some("ApiId"),
        properties: &["ApiId", "Description", "StageName"],
        replaced_by: &["ApiId", "StageName"],
    },
    Type {
        name: "AWS::ApiGatewayV2::Authorizer",
        noun: "Authorizer",
        id: "AuthorizerId",
        parent: Some("ApiId"),
        properties: &[
            "ApiId",
            "AuthorizerCredentialsArn",
            "AuthorizerPayloadFormatVersion",
            "AuthorizerResultTtlInSeconds",
            "AuthorizerType",
            "AuthorizerUri",
            "EnableSimpleResponses",
            "IdentitySource",
            "IdentityValidationExpression",
            "JwtConfiguration",
            "Name",
        ],
        replaced_by: &["ApiId"],
    },
    Type {
        name: "AWS::ApiGatewayV2::DomainName",
        noun: "DomainName",
        id: "DomainName",
        parent: None,
        properties: &[
            "DomainName",
            "DomainNameConfigurations",
            "MutualTlsAuthentication",
            "RoutingMode",
            "Tags",
        ],
        replaced_by: &["DomainName"],
    },
    Type {
        name: "AWS::ApiGatewayV2::ApiMapping",
        noun: "ApiMapping",
        id: "ApiMappingId",
        parent: Some("DomainName"),
        properties: &["ApiId", "ApiMappingKey", "DomainName", "Stage"],
        replaced_by: &["DomainName"],
    },
    Type {
        name: "AWS::ApiGatewayV2::VpcLink",
        noun: "VpcLink",
        id: "VpcLinkId",
        parent: None,
        properties: &["Name", "SecurityGroupIds", "SubnetIds", "Tags"],
        replaced_by: &["SecurityGroupIds", "SubnetIds"],
    },
];

/// Resources of ours remember in a tag-like member which request made them, so that a second attempt
/// after a crash finds them.
const MADE_BY: &str = "Description";

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "apigatewayv2", operation, &input).await
}

/// Templates may give booleans and numbers as text; the operations' readers take both.
fn input(of: &Type, request: &ResourceRequest) -> Map<String, Value> {
    let mut input = request.properties.as_object().cloned().unwrap_or_default();
    input.retain(|name, _| !SOURCES.contains(&name.as_str()));
    if of.noun == "Authorizer" {
        input.entry("IdentitySource").or_insert_with(|| json!([]));
    }
    if let Some(given) = input.get_mut("ResponseParameters") {
        *given = response_parameters(given);
    }
    input
}

/// The keys of a map that the old properties had and the new ones have not.
fn gone<'a>(request: &'a ResourceRequest, map: &str) -> Vec<&'a String> {
    let has = |key: &String| request.properties.get(map).is_some_and(|m| m.get(key).is_some());
    let old = request.old.get(map).and_then(Value::as_object);
    old.into_iter().flat_map(|old| old.keys()).filter(|key| !has(key)).collect()
}

/// Maps are changed key by key: what is gone from the template is given empty.
fn forget(input: &mut Map<String, Value>, request: &ResourceRequest) {
    for (map, empty) in [
        ("RequestParameters", json!("")),
        ("StageVariables", json!("")),
        ("ResponseParameters", json!({})),
    ] {
        for key in gone(request, map) {
            let given = input.entry(map).or_insert_with(|| json!({}));
            if let Value::Object(given) = given {
                given.insert(key.clone(), empty.clone());
            }
        }
    }
}

/// Takes off what only an operation of its own takes off.
async fn take_off(ctx: &Context, of: &Type, request: &ResourceRequest) -> Result<(), ServiceError> {
    let is_gone =
        |name: &str| request.properties.get(name).is_none() && request.old.get(name).is_some();
    if of.noun == "Api" && is_gone("CorsConfiguration") {
        call(ctx, "DeleteCorsConfiguration", json!({"ApiId": request.physical_id})).await?;
    }
    if of.noun != "Stage" {
        return Ok(());
    }
    let stage = json!({"ApiId": request.text("ApiId"), "StageName": request.physical_id});
    if is_gone("AccessLogSettings") {
        call(ctx, "DeleteAccessLogSettings", stage.clone()).await?;
    }
    for key in gone(request, "RouteSettings") {
        let mut input = stage.clone();
        if let Value::Object(input) = &mut input {
            input.insert("RouteKey".to_owned(), key.clone().into());
        }
        match call(ctx, "DeleteRouteSettings", input).await {
            Err(error) if error.code() == "NotFoundException" => {}
            other => other.map(|_| ())?,
        }
    }
    Ok(())
}

/// Templates write `{"200": {"ResponseParameters": [{"Destination": key, "Source": value}]}}`, the API takes
/// `{"200": {key: value}}`.
fn response_parameters(given: &Value) -> Value {
    let by_status = given.as_object().into_iter().flatten().map(|(status, of)| {
        let Some(list) = of.get("ResponseParameters").and_then(Value::as_array) else {
            return (status.clone(), of.clone());
        };
        let changes = list.iter().filter_map(|change| {
            let key = change.get("Destination")?.as_str()?.to_owned();
            Some((key, change.get("Source")?.clone()))
        });
        (status.clone(), Value::Object(changes.collect()))
    });
    Value::Object(by_status.collect())
}

impl ResourceType for &'static Type {
    fn name(&self) -> &'static str {
        self.name
    }

    fn properties(&self) -> &'static [&'static str] {
        self.properties
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        self.replaced_by
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        let of: &'static Type = self;
        async move {
            let body = match of.noun {
                "Api" => definition(&ctx, &request).await?,
                _ => None,
            };
            if request.attempt > 1
                && let Some(found) = made_before(&ctx, of, &request).await?
            {
                import(&ctx, &found, body.as_ref(), &request).await?;
                return resource(&ctx, of, found).await;
            }
            let mut input = input(of, &request);
            if TAGGED.contains(&of.noun) {
                input.insert("Tags".to_owned(), tags(&request));
            }
            if of.noun == "Api" {
                let title = body.as_ref().and_then(|b| b.pointer("/info/title")).cloned();
                if let Some(title) = title {
                    input.entry("Name").or_insert(title);
                    input.entry("ProtocolType").or_insert_with(|| json!("HTTP"));
                }
            }
            let output = call(&ctx, &format!("Create{}", of.noun), Value::Object(input)).await?;
            let id = output.get(of.id).and_then(Value::as_str).unwrap_or_default().to_owned();
            import(&ctx, &id, body.as_ref(), &request).await?;
            resource(&ctx, of, id).await
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        let of: &'static Type = self;
        async move {
            let id = request.physical_id.clone();
            if of.noun == "Deployment" {
                return resource(&ctx, of, id).await;
            }
            if of.noun == "Api" {
                let body = definition(&ctx, &request).await?;
                import(&ctx, &id, body.as_ref(), &request).await?;
            }
            let mut input = input(of, &request);
            input.insert(of.id.to_owned(), id.clone().into());
            for name in ["Tags", "ProtocolType"] {
                input.remove(name);
            }
            forget(&mut input, &request);
            call(&ctx, &format!("Update{}", of.noun), Value::Object(input)).await?;
            take_off(&ctx, of, &request).await?;
            resource(&ctx, of, id).await
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        let of: &'static Type = self;
        async move {
            let mut input = Map::new();
            if let Some(parent) = of.parent {
                input.insert(parent.to_owned(), request.text(parent).unwrap_or_default().into());
            }
            input.insert(of.id.to_owned(), request.physical_id.clone().into());
            match call(&ctx, &format!("Delete{}", of.noun), Value::Object(input)).await {
                Err(error) if error.code() == "NotFoundException" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

/// Members that describe where an API's parts come from, not the API.
const SOURCES: &[&str] = &["BasePath", "Body", "BodyS3Location", "FailOnWarnings"];
const BODY_BYTES_MAX: u64 = 6 * 1024 * 1024;

/// The OpenAPI document that the API is made from, if it is.
async fn definition(
    ctx: &Context,
    request: &ResourceRequest,
) -> Result<Option<Value>, ServiceError> {
    if let Some(body) = request.properties.get("Body").filter(|b| !b.is_null()) {
        return Ok(Some(body.clone()));
    }
    let Some(at) = request.properties.get("BodyS3Location").filter(|b| !b.is_null()) else {
        return Ok(None);
    };
    let input =
        json!({"Bucket": at.get("Bucket"), "Key": at.get("Key"), "VersionId": at.get("Version")});
    let (_, body) = ctx.kernel().call_for_body(ctx, "s3", "GetObject", &input).await?;
    let bytes = body
        .collect(BODY_BYTES_MAX)
        .await
        .map_err(|_| crate::error::bad("The API definition is too large"))?;
    openapi::parse(&String::from_utf8_lossy(&bytes)).map(Some)
}

/// Makes the parts from the document. What the template says of the API itself stands above it.
async fn import(
    ctx: &Context,
    id: &str,
    body: Option<&Value>,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    let Some(body) = body else {
        return Ok(());
    };
    call(ctx, "ReimportApi", json!({"ApiId": id, "Body": body.to_string()})).await?;
    let mut own = request.properties.as_object().cloned().unwrap_or_default();
    own.retain(|name, _| !SOURCES.contains(&name.as_str()));
    own.retain(|name, _| name != "Tags" && name != "ProtocolType");
    if own.is_empty() {
        return Ok(());
    }
    own.insert("ApiId".to_owned(), id.into());
    call(ctx, "UpdateApi", Value::Object(own)).await.map(|_| ())
}

fn tags(request: &ResourceRequest) -> Value {
    let own = request.tag_list().into_iter();
    Value::Object(own.map(|(key, value)| (key, value.into())).collect())
}

/// Kinds that carry tags of their own, by which an attempt before a crash is found.
const TAGGED: &[&str] = &["Api", "DomainName", "VpcLink"];

/// What an attempt before a crash made: an API carries its stack and logical id as tags, its parts are
/// known by what must be unique in them.
async fn made_before(
    ctx: &Context,
    of: &Type,
    request: &ResourceRequest,
) -> Result<Option<String>, ServiceError> {
    let scope = (ctx.account().to_owned(), ctx.region().to_owned());
    let mine = |document: &Value| {
        let tag =
            |name: &str| document.get("Tags").and_then(|t| t.get(name)).and_then(Value::as_str);
        tag("aws:cloudformation:stack-id") == Some(&request.stack_id)
            && tag("aws:cloudformation:logical-id") == Some(&request.logical_id)
    };
    match of.noun {
        "Api" => {
            let rows = APIS.list(ctx.store(), APIS.prefix(&scope), ROWS_MAX, false).await?;
            let found = rows.into_iter().find(|(_, row)| mine(&row.document));
            return Ok(found.map(|(key, _)| key.2));
        }
        "DomainName" | "VpcLink" => {
            let table = if of.noun == "VpcLink" { VPC_LINKS } else { DOMAINS };
            let rows = table.list(ctx.store(), table.prefix(&scope), ROWS_MAX, false).await?;
            let found = rows.into_iter().find(|(_, row)| mine(&row.document));
            return Ok(found.map(|(key, _)| key.2));
        }
        "ApiMapping" => {
            let name = request.text("DomainName").unwrap_or_default().to_ascii_lowercase();
            let key = request.text("ApiMappingKey").unwrap_or_default();
            let rows =
                MAPPINGS.list(ctx.store(), MAPPINGS.prefix(&(name,)), ROWS_MAX, false).await?;
            return Ok(rows.into_iter().find(|(_, row)| row.key == key).map(|(_, row)| row.id));
        }
        _ => {}
    }
    let kind = of.noun.to_lowercase();
    let api = request.text("ApiId").unwrap_or_default().to_owned();
    let rows = PARTS.list(ctx.store(), PARTS.prefix(&(api, kind)), 1_000, false).await?;
    let unique = match of.noun {
        "Route" => "RouteKey",
        "Stage" => "StageName",
        "Integration" => "IntegrationUri",
        "Authorizer" => "Name",
        _ => MADE_BY,
    };
    let Some(wanted) = request.properties.get(unique) else {
        return Ok(None);
    };
    let found = rows.into_iter().find(|(_, row)| row.document.get(unique) == Some(wanted));
    Ok(found.map(|(key, _)| key.2))
}

async fn resource(ctx: &Context, of: &Type, id: String) -> Result<Resource, ServiceError> {
    let resource = Resource::new(id.clone());
    Ok(match of.noun {
        "Api" => resource.with("ApiId", id.clone()).with("ApiEndpoint", endpoint(ctx, &id)),
        "Stage" => resource,
        "DomainName" => {
            let made = call(ctx, "GetDomainName", json!({"DomainName": id})).await?;
            let of = |pointer: &str| made.pointer(pointer).cloned().unwrap_or_default();
            resource
                .with("DomainNameArn", of("/DomainNameArn"))
                .with("RegionalDomainName", of("/DomainNameConfigurations/0/ApiGatewayDomainName"))
                .with("RegionalHostedZoneId", of("/DomainNameConfigurations/0/HostedZoneId"))
        }
        _ => resource.with(of.id, id),
    })
}

/// APIs and domain names, for `undercast ls`.
pub(crate) async fn list(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let rows = APIS.list(kernel.db(), APIS.all(), 10_000, false).await?;
    let domains = DOMAINS.list(kernel.db(), DOMAINS.all(), ROWS_MAX, false).await?;
    let domains = domains.into_iter().map(|((account, region, name), _)| Listed {
        kind: "AWS::ApiGatewayV2::DomainName",
        arn: format!("arn:aws:apigateway:{region}::/domainnames/{name}"),
        note: String::new(),
        name,
        account,
        region,
    });
    Ok(rows
        .into_iter()
        .map(|((account, region, id), row)| {
            let ctx = kernel.service_context("apigateway.amazonaws.com", &account, &region);
            Listed {
                kind: "AWS::ApiGatewayV2::Api",
                arn: format!("arn:aws:apigateway:{region}::/apis/{id}"),
                name: row
                    .document
                    .get("Name")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                note: endpoint(&ctx, &id),
                account,
                region,
            }
        })
        .chain(domains)
        .collect())
}
