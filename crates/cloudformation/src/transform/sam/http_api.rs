//! `AWS::Serverless::HttpApi`: an API made from an OpenAPI document, and its stage.

use serde_json::{Map, Value, json};

use super::Sam;
use super::document::{
    Object, alphanumeric, copy, is_intrinsic, list, location, member, object, push, reference,
    resource, set, suffix,
};
use super::openapi::{self, Route};

const TAG: &str = "httpapi:createdBy";

pub(super) fn make(sam: &mut Sam<'_>, id: &str) -> Result<(), String> {
    let p = sam.properties(id);
    let routes = sam.routes.remove(id).unwrap_or_default();
    if id == super::IMPLICIT_HTTP {
        sam.exist_with(id, &routes);
    }
    let given = |name: &str| p.get(name).filter(|v| !v.is_null());
    let mut api = json!({});
    match (given("DefinitionUri"), given("DefinitionBody")) {
        (Some(_), Some(_)) => {
            return Err(
                "Specify either 'DefinitionUri' or 'DefinitionBody' property and not both."
                    .to_owned(),
            );
        }
        (Some(uri), None) => {
            let from = location(uri, "DefinitionUri", ["Bucket", "Key", "Version"])?;
            set(&mut api, "BodyS3Location", from);
        }
        (None, body) => {
            if body.is_none() && routes.is_empty() {
                return Err("'DefinitionUri' or 'DefinitionBody' are required properties of an 'AWS::Serverless::HttpApi' if no event refers to it.".to_owned());
            }
            let body = document(sam, id, &p, body, &routes)?;
            set(&mut api, "Body", body);
        }
    }
    copy(&p, &mut api, &["Description", "DisableExecuteApiEndpoint", "FailOnWarnings"]);
    sam.emit_main(id, id, resource("AWS::ApiGatewayV2::Api", api));
    stage(sam, id, &p);
    domain(sam, id, &p)
}

fn document(
    sam: &mut Sam<'_>,
    id: &str,
    p: &Object,
    given: Option<&Value>,
    routes: &[Route],
) -> Result<Value, String> {
    let name = p.get("Name").cloned().unwrap_or_else(|| reference("AWS::StackName"));
    let mut body = match given {
        Some(body) if is_intrinsic(body) => return Ok(body.clone()),
        Some(body) => body.clone(),
        None => json!({"openapi": "3.0.1", "info": {"version": "1.0", "title": name}, "paths": {}}),
    };
    let auth = p.get("Auth").cloned().unwrap_or_default();
    let default = sam.literal(auth.get("DefaultAuthorizer"));
    let schemes = authorizers(sam, id, &auth)?;
    for scheme in routes.iter().filter_map(|r| r.auth.as_ref()?.get("Authorizer")?.as_str()) {
        if scheme != "NONE" && scheme != "AWS_IAM" && !schemes.contains_key(scheme) {
            return Err(format!(
                "Unable to set Authorizer on API method because the API does not define authorizer '{scheme}'."
            ));
        }
    }
    openapi::add(&mut body, routes, |route, operation| {
        let own = |name: &str| route.auth.as_ref().and_then(|a| a.get(name));
        let chosen = own("Authorizer").and_then(Value::as_str).or(default.as_deref());
        let Some(chosen) = chosen else {
            return;
        };
        if chosen == "NONE" {
            set(operation, "security", json!([]));
            return;
        }
        let scopes = own("AuthorizationScopes").cloned().or_else(|| {
            let of = auth.get("Authorizers").and_then(|a| a.get(chosen))?;
            of.get("AuthorizationScopes").cloned()
        });
        let scopes = scopes.unwrap_or_else(|| json!([]));
        set(operation, "security", json!([{chosen: scopes}]));
    });
    let of_default = auth
        .get("Authorizers")
        .and_then(|all| all.get(default.as_deref()?)?.get("AuthorizationScopes"))
        .cloned()
        .unwrap_or_else(|| json!([]));
    openapi::secure_others(&mut body, |_| Some(json!([{default.as_deref()?: of_default}])));
    if !schemes.is_empty()
        && let Some(all) =
            member(&mut body, "components").and_then(|c| member(c, "securitySchemes"))
    {
        for (name, scheme) in schemes {
            set(all, &name, scheme);
        }
    }
    if let Some(cors) = cors(p.get("CorsConfiguration")) {
        set(&mut body, "x-amazon-apigateway-cors", cors);
    }
    let mut tags = vec![(TAG.to_owned(), json!("SAM"))];
    let own = p.get("Tags").and_then(Value::as_object).into_iter().flatten();
    tags.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    for (name, value) in tags {
        push(&mut body, "tags", json!({"name": name, "x-amazon-apigateway-tag-value": value}));
    }
    if let Some(description) = p.get("Description")
        && let Some(info) = member(&mut body, "info")
    {
        set(info, "description", description.clone());
    }
    Ok(body)
}

/// The security schemes that `Auth` describes.
fn authorizers(sam: &mut Sam<'_>, id: &str, auth: &Value) -> Result<Map<String, Value>, String> {
    let mut schemes = Map::new();
    let given = auth.get("Authorizers").and_then(Value::as_object).cloned().unwrap_or_default();
    if sam.is_true(auth.get("EnableIamAuthorizer")) {
        let scheme = json!({
            "type": "apiKey", "name": "Authorization", "in": "header",
            "x-amazon-apigateway-authtype": "awsSigv4",
        });
        schemes.insert("AWS_IAM".to_owned(), scheme);
    }
    for (name, given) in given {
        let get = |key: &str| given.get(key).filter(|v| !v.is_null()).cloned();
        let (kind, authorizer) = if let Some(jwt) = get("JwtConfiguration") {
            let jwt = lower_first(&jwt);
            let source =
                get("IdentitySource").unwrap_or_else(|| json!("$request.header.Authorization"));
            (
                json!({"type": "oauth2"}),
                json!({"type": "jwt", "jwtConfiguration": jwt, "identitySource": source}),
            )
        } else if let Some(function) = get("FunctionArn") {
            let version = get("AuthorizerPayloadFormatVersion").ok_or_else(|| {
                format!("{name} Lambda Authorizer must define 'AuthorizerPayloadFormatVersion'.")
            })?;
            let request = lambda_authorizer(&given, &function, version);
            if sam.is_true(given.get("EnableFunctionDefaultPermissions")) {
                permit_authorizer(sam, id, &name, &given, function);
            }
            (json!({"type": "apiKey", "name": "Unused", "in": "header"}), request)
        } else {
            return Err(format!(
                "Authorizer '{name}' must define 'JwtConfiguration' or 'FunctionArn'."
            ));
        };
        let mut scheme = kind;
        set(&mut scheme, "x-amazon-apigateway-authorizer", authorizer);
        schemes.insert(name, scheme);
    }
    Ok(schemes)
}

fn lambda_authorizer(given: &Value, function: &Value, version: Value) -> Value {
    let identity = given.get("Identity").cloned().unwrap_or_default();
    let mut sources = Vec::new();
    for (key, prefix) in [
        ("Headers", "$request.header."),
        ("QueryStrings", "$request.querystring."),
        ("StageVariables", "$stageVariables."),
        ("Context", "$context."),
    ] {
        for name in list(identity.get(key)) {
            sources.push(json!(format!("{prefix}{}", name.as_str().unwrap_or_default())));
        }
    }
    let uri = json!({"Fn::Sub": [
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations",
        {"__FunctionArn__": function},
    ]});
    object([
        ("type", Some(json!("request"))),
        ("authorizerUri", Some(uri)),
        ("authorizerPayloadFormatVersion", Some(version)),
        ("identitySource", Some(Value::Array(sources)).filter(|s| *s != json!([]))),
        ("authorizerResultTtlInSeconds", identity.get("ReauthorizeEvery").cloned()),
        ("authorizerCredentials", given.get("FunctionInvokeRole").cloned()),
        ("enableSimpleResponses", given.get("EnableSimpleResponses").cloned()),
    ])
}

/// Lets the API call its authorizer, unless it does so in a role.
pub(super) fn permit_authorizer(
    sam: &mut Sam<'_>,
    id: &str,
    name: &str,
    given: &Value,
    function: Value,
) {
    let role = given.get("FunctionInvokeRole").filter(|v| !v.is_null() && **v != json!("NONE"));
    let wanted = match given.get("EnableFunctionDefaultPermissions") {
        Some(wanted) => sam.is_true(Some(wanted)),
        None => role.is_none(),
    };
    if !wanted {
        return;
    }
    let arn = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/authorizers/*";
    let permission = json!({
        "Action": "lambda:InvokeFunction",
        "FunctionName": function,
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": {"Fn::Sub": [arn, {"__ApiId__": reference(id)}]},
    });
    let permission = resource("AWS::Lambda::Permission", permission);
    sam.emit(id, format!("{id}{}AuthorizerPermission", alphanumeric(name)), permission);
}

fn lower_first(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten().map(|(name, value)| {
        let mut chars = name.chars();
        let first = chars.next().map(|c| c.to_ascii_lowercase());
        (first.into_iter().chain(chars).collect::<String>(), value.clone())
    });
    Value::Object(members.collect())
}

fn cors(given: Option<&Value>) -> Option<Value> {
    match given? {
        Value::Bool(true) => Some(json!({"allowOrigins": ["*"]})),
        value @ Value::Object(_) if is_intrinsic(value) => Some(json!({"allowOrigins": [value]})),
        value @ Value::Object(_) => Some(lower_first(value)),
        _ => None,
    }
}

fn stage(sam: &mut Sam<'_>, id: &str, p: &Object) {
    let written = p.get("StageName").filter(|v| !v.is_null());
    let (name, stage) = match written {
        None => (json!("$default"), format!("{id}ApiGatewayDefaultStage")),
        Some(Value::String(name)) if name == "$default" => {
            (json!("$default"), format!("{id}ApiGatewayDefaultStage"))
        }
        Some(Value::String(name)) => (json!(name), format!("{id}{}Stage", alphanumeric(name))),
        Some(other) => (other.clone(), format!("{id}Stage")),
    };
    let mut tags = json!({TAG: "SAM"});
    for (key, value) in p.get("Tags").and_then(Value::as_object).into_iter().flatten() {
        set(&mut tags, key, value.clone());
    }
    let mut built = object([
        ("ApiId", Some(reference(id))),
        ("StageName", Some(name)),
        ("AutoDeploy", Some(json!(true))),
        ("Tags", Some(tags)),
    ]);
    copy(
        p,
        &mut built,
        &["AccessLogSettings", "DefaultRouteSettings", "RouteSettings", "StageVariables"],
    );
    sam.emit(id, stage.clone(), resource("AWS::ApiGatewayV2::Stage", built));
    sam.rename(format!("{id}.Stage"), stage);
}

fn domain(sam: &mut Sam<'_>, id: &str, p: &Object) -> Result<(), String> {
    let Some(domain) = p.get("Domain").filter(|v| !v.is_null()) else {
        return Ok(());
    };
    let name = domain
        .get("DomainName")
        .ok_or("Custom Domains only works if both DomainName and CertificateArn are provided.")?;
    let certificate = domain
        .get("CertificateArn")
        .ok_or("Custom Domains only works if both DomainName and CertificateArn are provided.")?;
    let domain_id = format!("ApiGatewayDomainNameV2{}", suffix(name));
    let configuration = object([
        ("CertificateArn", Some(certificate.clone())),
        (
            "EndpointType",
            Some(domain.get("EndpointConfiguration").cloned().unwrap_or_else(|| json!("REGIONAL"))),
        ),
        ("SecurityPolicy", domain.get("SecurityPolicy").cloned()),
    ]);
    let built = json!({"DomainName": name, "DomainNameConfigurations": [configuration], "Tags": {TAG: "SAM"}});
    sam.emit(id, domain_id.clone(), resource("AWS::ApiGatewayV2::DomainName", built));
    let stage = sam.names.get(&format!("{id}.Stage")).cloned().unwrap_or_default();
    let mapping = json!({"ApiId": reference(id), "DomainName": reference(&domain_id), "Stage": reference(&stage)});
    sam.emit(id, format!("{id}ApiMapping"), resource("AWS::ApiGatewayV2::ApiMapping", mapping));
    Ok(())
}
