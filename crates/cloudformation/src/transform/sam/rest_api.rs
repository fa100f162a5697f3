//! `AWS::Serverless::Api`: a REST API made from a Swagger or OpenAPI document, its deployment and stage.

use serde_json::{Map, Value, json};

use super::Sam;
use super::document::{
    Object, alphanumeric, copy, digest, is_intrinsic, list, location, member, object, reference,
    resource, set, suffix,
};
use super::http_api::permit_authorizer;
use super::openapi::{self, Route};

pub(super) fn make(sam: &mut Sam<'_>, id: &str) -> Result<(), String> {
    let p = sam.properties(id);
    let routes = sam.routes.remove(id).unwrap_or_default();
    if id == super::IMPLICIT_REST {
        sam.exist_with(id, &routes);
    }
    let given = |name: &str| p.get(name).filter(|v| !v.is_null());
    let stage_name = given("StageName").cloned().ok_or("Missing required property 'StageName'.")?;
    let mut api = json!({});
    let hashed = match (given("DefinitionUri"), given("DefinitionBody")) {
        (Some(_), Some(_)) => {
            return Err(
                "Specify either 'DefinitionUri' or 'DefinitionBody' property and not both."
                    .to_owned(),
            );
        }
        (Some(uri), None) => {
            let from = location(uri, "DefinitionUri", ["Bucket", "Key", "Version"])?;
            set(&mut api, "BodyS3Location", from.clone());
            from
        }
        (None, body) => {
            let body = document(sam, id, &p, body, &routes)?;
            set(&mut api, "Body", body.clone());
            body
        }
    };
    endpoint(&p, &mut api);
    copy(
        &p,
        &mut api,
        &[
            "ApiKeySourceType",
            "Description",
            "DisableExecuteApiEndpoint",
            "FailOnWarnings",
            "MinimumCompressionSize",
            "Mode",
            "Name",
            "Policy",
        ],
    );
    if let Some(types) = given("BinaryMediaTypes") {
        set(&mut api, "BinaryMediaTypes", Value::Array(list(Some(types))));
    }
    let tags = tag_list(&p);
    if let Some(tags) = tags.clone().filter(|_| sam.is_true(p.get("PropagateTags"))) {
        set(&mut api, "Tags", tags);
    }
    sam.emit_main(id, id, resource("AWS::ApiGateway::RestApi", api));
    deploy(sam, id, &p, &stage_name, &hashed, tags);
    usage_plan(sam, id, &p);
    domain(sam, id, &p)
}

fn tag_list(p: &Object) -> Option<Value> {
    let given = p.get("Tags").and_then(Value::as_object)?;
    let tags = given.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
    Some(Value::Array(tags.collect()))
}

fn binary_types(types: &Value) -> Value {
    let plain = |kind: Value| match kind {
        Value::String(kind) => json!(kind.replace("~1", "/")),
        other => other,
    };
    Value::Array(list(Some(types)).into_iter().map(plain).collect())
}

fn endpoint(p: &Object, api: &mut Value) {
    let Some(given) = p.get("EndpointConfiguration").filter(|v| !v.is_null()) else {
        return;
    };
    let kind =
        if is_intrinsic(given) || given.is_string() { Some(given) } else { given.get("Type") };
    let configuration = object([
        ("Types", kind.map(|kind| json!([kind]))),
        ("VpcEndpointIds", given.get("VPCEndpointIds").cloned()),
        ("IpAddressType", given.get("IpAddressType").cloned()),
    ]);
    set(api, "EndpointConfiguration", configuration);
    if let Some(kind) = kind {
        set(api, "Parameters", json!({"endpointConfigurationTypes": kind}));
    }
}

fn document(
    sam: &mut Sam<'_>,
    id: &str,
    p: &Object,
    given: Option<&Value>,
    routes: &[Route],
) -> Result<Value, String> {
    let version = sam.literal(p.get("OpenApiVersion"));
    let mut body = match given {
        Some(body) if is_intrinsic(body) => return Ok(body.clone()),
        Some(body) => body.clone(),
        None => {
            let title = reference("AWS::StackName");
            let mut body = json!({"info": {"version": "1.0", "title": title}, "paths": {}});
            match &version {
                Some(version) => set(&mut body, "openapi", json!(version)),
                None => set(&mut body, "swagger", json!("2.0")),
            }
            body
        }
    };
    let auth = p.get("Auth").cloned().unwrap_or_default();
    let default = sam.literal(auth.get("DefaultAuthorizer"));
    let needs_key = sam.is_true(auth.get("ApiKeyRequired"));
    let schemes = authorizers(sam, id, &auth, routes, default.as_deref())?;
    let keys = |route: &Route| {
        let own =
            route.auth.as_ref().and_then(|a| a.get("ApiKeyRequired")).and_then(Value::as_bool);
        own.unwrap_or(needs_key)
    };
    let iam = "arn:aws:iam::*:user/*";
    openapi::add(&mut body, routes, |route, operation| {
        let own = |name: &str| route.auth.as_ref().and_then(|a| a.get(name));
        let chosen = own("Authorizer").and_then(Value::as_str).or(default.as_deref());
        let mut security = Map::new();
        if let Some(chosen) = chosen.filter(|name| *name != "NONE") {
            let scopes = own("AuthorizationScopes").cloned().unwrap_or_else(|| json!([]));
            security.insert(chosen.to_owned(), scopes);
            let role = own("InvokeRole").or(auth.get("InvokeRole"));
            let role = role.and_then(Value::as_str).unwrap_or("CALLER_CREDENTIALS");
            if chosen == "AWS_IAM"
                && role != "NONE"
                && let Some(integration) = member(operation, "x-amazon-apigateway-integration")
            {
                let role = if role == "CALLER_CREDENTIALS" { iam } else { role };
                set(integration, "credentials", json!(role));
            }
        }
        if keys(route) {
            security.insert("api_key".to_owned(), json!([]));
        }
        if !security.is_empty() {
            let list: Vec<Value> = security.into_iter().map(|(name, v)| json!({name: v})).collect();
            set(operation, "security", Value::Array(list));
        } else if chosen == Some("NONE") {
            set(operation, "security", json!([]));
        }
    });
    let mut schemes = schemes;
    if needs_key || routes.iter().any(keys) {
        let scheme = json!({"type": "apiKey", "name": "x-api-key", "in": "header"});
        schemes.insert("api_key".to_owned(), scheme);
    }
    let is_openapi = body.get("openapi").is_some();
    let place = match (schemes.is_empty(), is_openapi) {
        (true, _) => None,
        (_, true) => member(&mut body, "components").and_then(|c| member(c, "securitySchemes")),
        (_, false) => member(&mut body, "securityDefinitions"),
    };
    if let Some(all) = place {
        for (name, scheme) in schemes {
            set(all, &name, scheme);
        }
    }
    if let Some(types) = p.get("BinaryMediaTypes").filter(|v| !v.is_null()) {
        set(&mut body, "x-amazon-apigateway-binary-media-types", binary_types(types));
    }
    if let Some(validators) = openapi::validators(routes) {
        set(&mut body, "x-amazon-apigateway-request-validators", validators);
    }
    extras(p, &auth, &mut body);
    cors(sam, p, &mut body);
    let preflight = auth.get("AddDefaultAuthorizerToCorsPreflight");
    let preflight = preflight.is_none() || sam.is_true(preflight);
    let mut security: Vec<Value> = default.iter().map(|name| json!({name: []})).collect();
    if needs_key {
        security.push(json!({"api_key": []}));
    }
    openapi::secure_others(&mut body, |method| {
        let wanted = !security.is_empty() && (preflight || method != "options");
        wanted.then(|| json!(security))
    });
    Ok(body)
}

/// Models, gateway responses and the resource policy.
fn extras(p: &Object, auth: &Value, body: &mut Value) {
    if let Some(models) = p.get("Models").and_then(Value::as_object) {
        let place = match body.get("openapi").is_some() {
            true => member(body, "components").and_then(|c| member(c, "schemas")),
            false => member(body, "definitions"),
        };
        if let Some(place) = place {
            for (name, model) in models {
                set(place, &name.to_lowercase(), model.clone());
            }
        }
    }
    if let Some(responses) = p.get("GatewayResponses").and_then(Value::as_object) {
        let mut all = json!({});
        for (name, response) in responses {
            let mut parameters = json!({});
            for (kind, prefix) in
                [("Headers", "header"), ("Paths", "path"), ("QueryStrings", "querystring")]
            {
                let given = response.get("ResponseParameters").and_then(|p| p.get(kind));
                for (key, value) in given.and_then(Value::as_object).into_iter().flatten() {
                    set(&mut parameters, &format!("gatewayresponse.{prefix}.{key}"), value.clone());
                }
            }
            let made = object([
                ("responseParameters", Some(parameters)),
                ("responseTemplates", response.get("ResponseTemplates").cloned()),
                ("statusCode", response.get("StatusCode").cloned()),
            ]);
            set(&mut all, name, made);
        }
        set(body, "x-amazon-apigateway-gateway-responses", all);
    }
    let statements = auth.get("ResourcePolicy").and_then(|p| p.get("CustomStatements"));
    if let Some(statements) = statements.filter(|v| !v.is_null()) {
        let policy = json!({"Version": "2012-10-17", "Statement": list(Some(statements))});
        set(body, "x-amazon-apigateway-policy", policy);
    }
}

fn authorizers(
    sam: &mut Sam<'_>,
    id: &str,
    auth: &Value,
    routes: &[Route],
    default: Option<&str>,
) -> Result<Map<String, Value>, String> {
    let mut schemes = Map::new();
    let given = auth.get("Authorizers").and_then(Value::as_object).cloned().unwrap_or_default();
    let own = |route: &Route| {
        let name =
            route.auth.as_ref().and_then(|a| a.get("Authorizer")?.as_str().map(str::to_owned));
        name.or_else(|| default.map(str::to_owned))
    };
    for name in routes.iter().filter_map(own) {
        if name == "AWS_IAM" {
            let scheme = json!({
                "type": "apiKey", "name": "Authorization", "in": "header",
                "x-amazon-apigateway-authtype": "awsSigv4",
            });
            schemes.insert(name, scheme);
        } else if name != "NONE" && !given.contains_key(&name) {
            return Err(format!(
                "Unable to set Authorizer on API method because the API does not define authorizer '{name}'."
            ));
        }
    }
    for (name, given) in given {
        let get = |key: &str| given.get(key).filter(|v| !v.is_null()).cloned();
        let identity = get("Identity").unwrap_or_default();
        let header = identity.get("Header").cloned().unwrap_or_else(|| json!("Authorization"));
        let ttl = identity.get("ReauthorizeEvery").cloned();
        let scheme = if let Some(pools) = get("UserPoolArn") {
            json!({
                "type": "apiKey", "name": header, "in": "header",
                "x-amazon-apigateway-authtype": "cognito_user_pools",
                "x-amazon-apigateway-authorizer": object([
                    ("type", Some(json!("cognito_user_pools"))),
                    ("providerARNs", Some(Value::Array(list(Some(&pools))))),
                    ("identityValidationExpression", identity.get("ValidationExpression").cloned()),
                    ("authorizerResultTtlInSeconds", ttl),
                ]),
            })
        } else if let Some(function) = get("FunctionArn") {
            permit_authorizer(sam, id, &name, &given, function.clone());
            lambda(&given, &function, &identity, (header, ttl))
        } else {
            return Err(format!("Authorizer '{name}' must define 'UserPoolArn' or 'FunctionArn'."));
        };
        schemes.insert(name, scheme);
    }
    Ok(schemes)
}

fn lambda(
    given: &Value,
    function: &Value,
    identity: &Value,
    (header, ttl): (Value, Option<Value>),
) -> Value {
    let is_request = given.get("FunctionPayloadType").and_then(Value::as_str) == Some("REQUEST");
    let uri = json!({"Fn::Sub": [
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations",
        {"__FunctionArn__": function},
    ]});
    let mut sources = Vec::new();
    for (key, prefix) in [
        ("Headers", "method.request.header."),
        ("QueryStrings", "method.request.querystring."),
        ("StageVariables", "stageVariables."),
        ("Context", "context."),
    ] {
        for name in list(identity.get(key)) {
            sources.push(format!("{prefix}{}", name.as_str().unwrap_or_default()));
        }
    }
    let source = Some(json!(sources.join(", "))).filter(|_| is_request && !sources.is_empty());
    let expression = identity.get("ValidationExpression").cloned();
    json!({
        "type": "apiKey",
        "name": if is_request { json!("Unused") } else { header },
        "in": "header",
        "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": object([
            ("type", Some(json!(if is_request { "request" } else { "token" }))),
            ("authorizerUri", Some(uri)),
            ("authorizerCredentials", given.get("FunctionInvokeRole").cloned()),
            ("authorizerResultTtlInSeconds", ttl),
            ("identityValidationExpression", expression),
            ("identitySource", source),
        ]),
    })
}

/// `Cors`: an `OPTIONS` method of its own for every path.
fn cors(sam: &Sam<'_>, p: &Object, body: &mut Value) {
    let Some(given) = p.get("Cors").filter(|v| !v.is_null()) else {
        return;
    };
    let whole = !given.is_object() || is_intrinsic(given);
    let get = |name: &str| given.get(name).filter(|v| !v.is_null() && !whole).cloned();
    let origin = if whole { Some(given.clone()) } else { get("AllowOrigin") };
    let openapi = body.get("openapi").is_some();
    let paths = body.get_mut("paths").and_then(Value::as_object_mut);
    for path in paths.into_iter().flat_map(Map::values_mut) {
        let Some(methods) = path.as_object_mut().filter(|methods| !methods.contains_key("options"))
        else {
            continue;
        };
        let mut names: Vec<String> = match methods.contains_key("x-amazon-apigateway-any-method") {
            true => "DELETE GET HEAD PATCH POST PUT".split(' ').map(str::to_owned).collect(),
            false => methods.keys().map(|name| name.to_uppercase()).collect(),
        };
        names.push("OPTIONS".to_owned());
        names.sort_unstable();
        let allowed =
            get("AllowMethods").unwrap_or_else(|| json!(format!("'{}'", names.join(","))));
        let mut parameters = json!({});
        let mut headers = json!({});
        for (name, value) in [
            ("Access-Control-Allow-Headers", get("AllowHeaders")),
            ("Access-Control-Allow-Methods", Some(allowed)),
            ("Access-Control-Allow-Origin", origin.clone().or_else(|| Some(json!("'*'")))),
            ("Access-Control-Max-Age", get("MaxAge")),
            (
                "Access-Control-Allow-Credentials",
                Some(json!("'true'")).filter(|_| sam.is_true(get("AllowCredentials").as_ref())),
            ),
        ] {
            let Some(value) = value else {
                continue;
            };
            set(&mut parameters, &format!("method.response.header.{name}"), value);
            let kind = if openapi {
                json!({"schema": {"type": "string"}})
            } else {
                json!({"type": "string"})
            };
            set(&mut headers, name, kind);
        }
        let method = json!({
            "x-amazon-apigateway-integration": {
                "type": "mock",
                "requestTemplates": {"application/json": "{\n  \"statusCode\" : 200\n}\n"},
                "responses": {"default": {
                    "statusCode": "200",
                    "responseTemplates": {"application/json": "{}\n"},
                    "responseParameters": parameters,
                }},
            },
            "summary": "CORS support",
            "responses": {"200": {"description": "Default response for CORS method", "headers": headers}},
        });
        methods.insert("options".to_owned(), method);
    }
}

fn deploy(
    sam: &mut Sam<'_>,
    id: &str,
    p: &Object,
    name: &Value,
    hashed: &Value,
    tags: Option<Value>,
) {
    let deployment = format!("{id}Deployment{}", suffix(hashed));
    let stage = match name {
        Value::String(name) => format!("{id}{}Stage", alphanumeric(name)),
        _ => format!("{id}Stage"),
    };
    let placeholder = (p.get("OpenApiVersion").is_none()).then(|| json!("Stage"));
    let built = object([
        ("Description", Some(json!(format!("RestApi deployment id: {}", digest(hashed))))),
        ("RestApiId", Some(reference(id))),
        ("StageName", placeholder),
    ]);
    sam.emit(id, deployment.clone(), resource("AWS::ApiGateway::Deployment", built));
    let mut built = object([
        ("DeploymentId", Some(reference(&deployment))),
        ("RestApiId", Some(reference(id))),
        ("StageName", Some(name.clone())),
        ("Variables", p.get("Variables").cloned()),
        ("AccessLogSetting", p.get("AccessLogSetting").cloned()),
        ("CanarySetting", p.get("CanarySetting").cloned()),
        ("Tags", tags),
    ]);
    copy(
        p,
        &mut built,
        &["CacheClusterEnabled", "CacheClusterSize", "MethodSettings", "TracingEnabled"],
    );
    sam.emit(id, stage.clone(), resource("AWS::ApiGateway::Stage", built));
    sam.rename(format!("{id}.Deployment"), deployment);
    sam.rename(format!("{id}.Stage"), stage);
}

/// `Auth.UsagePlan`: a plan and a key, of this API or of all APIs of the template.
fn usage_plan(sam: &mut Sam<'_>, id: &str, p: &Object) {
    let Some(given) = p.get("Auth").and_then(|a| a.get("UsagePlan")).filter(|v| !v.is_null())
    else {
        return;
    };
    let stage = sam.names.get(&format!("{id}.Stage")).cloned().unwrap_or_default();
    let of_api = json!({"ApiId": reference(id), "Stage": reference(&stage)});
    let shared = match sam.literal(given.get("CreateUsagePlan")).as_deref() {
        Some("PER_API") => false,
        Some("SHARED") => true,
        _ => return,
    };
    let prefix = if shared { "Serverless" } else { id };
    let (plan, key) = (format!("{prefix}UsagePlan"), format!("{prefix}ApiKey"));
    if let Some(made) = sam.shared.get_mut(&plan) {
        if let Some(properties) = member(made, "Properties") {
            super::document::push(properties, "ApiStages", of_api);
        }
        return;
    }
    let mut built = json!({"ApiStages": [of_api]});
    if let Some(given) = given.as_object() {
        copy(given, &mut built, &["Description", "Quota", "Tags", "Throttle", "UsagePlanName"]);
    }
    let mut made = resource("AWS::ApiGateway::UsagePlan", built);
    super::function::wait_for(&mut made, id);
    let stage_key = json!({"RestApiId": reference(id), "StageName": reference(&stage)});
    let mut key_made =
        resource("AWS::ApiGateway::ApiKey", json!({"Enabled": true, "StageKeys": [stage_key]}));
    super::function::wait_for(&mut key_made, &plan);
    let link =
        json!({"KeyId": reference(&key), "KeyType": "API_KEY", "UsagePlanId": reference(&plan)});
    sam.shared.insert(plan.clone(), made);
    sam.shared.insert(key.clone(), key_made);
    let mut link = resource("AWS::ApiGateway::UsagePlanKey", link);
    super::function::wait_for(&mut link, &key);
    sam.shared.insert(format!("{plan}Key"), link);
}

fn domain(sam: &mut Sam<'_>, id: &str, p: &Object) -> Result<(), String> {
    let Some(domain) = p.get("Domain").filter(|v| !v.is_null()) else {
        return Ok(());
    };
    let (Some(name), Some(certificate)) = (domain.get("DomainName"), domain.get("CertificateArn"))
    else {
        return Err(
            "Custom Domains only works if both DomainName and CertificateArn are provided."
                .to_owned(),
        );
    };
    let kind = domain.get("EndpointConfiguration").cloned().unwrap_or_else(|| json!("REGIONAL"));
    let at = if kind == json!("EDGE") { "CertificateArn" } else { "RegionalCertificateArn" };
    let domain_id = format!("ApiGatewayDomainName{}", suffix(name));
    let mut built = json!({"DomainName": name, "EndpointConfiguration": {"Types": [kind]}});
    set(&mut built, at, certificate.clone());
    sam.emit(id, domain_id.clone(), resource("AWS::ApiGateway::DomainName", built));
    let stage = sam.names.get(&format!("{id}.Stage")).cloned().unwrap_or_default();
    let mapping = json!({
        "DomainName": reference(&domain_id), "RestApiId": reference(id), "Stage": reference(&stage),
    });
    sam.emit(
        id,
        format!("{id}BasePathMapping"),
        resource("AWS::ApiGateway::BasePathMapping", mapping),
    );
    Ok(())
}
