//! `AWS::Serverless::Function`: the function, its role, version, alias, URL and what invokes it.

use serde_json::{Value, json};

use super::document::{
    Object, alphanumeric, attribute, copy, is_intrinsic, list, location, object, reference,
    resource, set, suffix, tags,
};
use super::role::{self, Needs};
use super::{Sam, deployment, events};

const TAG: &str = "lambda:createdBy";

/// Properties that the function has under the same name.
const SAME: &[&str] = &[
    "Architectures",
    "CodeSigningConfigArn",
    "Description",
    "DurableConfig",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "FunctionName",
    "Handler",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "RecursiveLoop",
    "ReservedConcurrentExecutions",
    "Runtime",
    "RuntimeManagementConfig",
    "SnapStart",
    "TenancyConfig",
    "Timeout",
    "VpcConfig",
];

/// What events and destinations need to know of a function.
pub(super) struct Function {
    pub(super) id: String,
    pub(super) alias: Option<Alias>,
    pub(super) needs: Needs,
}

pub(super) struct Alias {
    pub(super) id: String,
    pub(super) name: String,
}

impl Function {
    /// What callers name: the alias if there is one, else the function.
    pub(super) fn name(&self) -> Value {
        reference(self.alias.as_ref().map_or(&self.id, |alias| &alias.id))
    }

    pub(super) fn arn(&self) -> Value {
        match &self.alias {
            Some(alias) => reference(&alias.id),
            None => attribute(&self.id, "Arn"),
        }
    }

    /// `${…}` in a `Fn::Sub` that stands for the ARN.
    pub(super) fn placeholder(&self) -> String {
        match &self.alias {
            Some(alias) => format!("${{{}}}", alias.id),
            None => format!("${{{}.Arn}}", self.id),
        }
    }
}

pub(super) fn make(sam: &mut Sam<'_>, id: &str) -> Result<(), String> {
    let p = sam.properties(id);
    let code = code(sam, &p)?;
    let mut built = object([("Code", Some(code.clone()))]);
    copy(&p, &mut built, SAME);
    set(&mut built, "Tags", tags(TAG, p.get("Tags")));
    let mut needs = Needs::default();
    let durable = p.contains_key("DurableConfig");
    needs.managed(if durable {
        "AWSLambdaBasicDurableExecutionRolePolicy"
    } else {
        "AWSLambdaBasicExecutionRole"
    });
    if let Some(mode) = p.get("Tracing") {
        if sam.literal(Some(mode)).as_deref() != Some("Disabled") {
            set(&mut built, "TracingConfig", json!({"Mode": mode}));
        }
        if sam.literal(Some(mode)).is_none_or(|m| m == "Active") {
            needs.managed("AWSXrayWriteOnlyAccess");
        }
    }
    if p.get("VpcConfig").is_some_and(|v| !v.is_null()) {
        needs.managed("AWSLambdaVPCAccessExecutionRole");
    }
    if let Some(queue) = p.get("DeadLetterQueue").filter(|q| !q.is_null()) {
        dead_letters(queue, &mut built, &mut needs)?;
    }
    let role_given = p.get("Role").filter(|r| !r.is_null());
    set(
        &mut built,
        "Role",
        role_given.cloned().unwrap_or_else(|| attribute(&format!("{id}Role"), "Arn")),
    );
    let absent = role_given.and_then(|role| conditional_role(sam, id, role, &mut built));
    let alias = alias(sam, id, &p)?;
    let mut function = Function { id: id.to_owned(), alias, needs };
    sam.emit_main(id, id, resource("AWS::Lambda::Function", built.clone()));
    if let Some(alias) = &function.alias {
        publish(sam, id, &p, (&code, &built), alias)?;
    }
    url(sam, &p, &function)?;
    invoke_config(sam, &p, &mut function)?;
    let given = p.get("Events").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, event) in &given {
        events::make(sam, &mut function, name, event)
            .map_err(|message| format!("Event with id [{name}] is invalid. {message}"))?;
    }
    if role_given.is_none() || absent.is_some() {
        let mut role = role::role(id, "lambda.amazonaws.com", &p, function.needs, TAG)?;
        if let Some((condition, formula)) = absent {
            set(&mut role, "Condition", json!(condition));
            sam.conditions.insert(condition, formula);
        }
        sam.emit(id, format!("{id}Role"), role);
    }
    Ok(())
}

/// `Role: !If [Condition, role, AWS::NoValue]` asks for the generated role where there is none: the name
/// of the condition under which that is, and what it says.
fn conditional_role(
    sam: &Sam<'_>,
    id: &str,
    role: &Value,
    built: &mut Value,
) -> Option<(String, Value)> {
    let [condition, yes, no] = role.get("Fn::If")?.as_array()?.as_slice() else {
        return None;
    };
    let nothing = reference("AWS::NoValue");
    let generated = attribute(&format!("{id}Role"), "Arn");
    let name = condition.as_str()?;
    let holds = json!({"Condition": name});
    let (formula, branches) = match (*yes == nothing, *no == nothing) {
        (true, false) => (holds, json!([condition, generated, no])),
        (false, true) => (json!({"Fn::Not": [holds]}), json!([condition, yes, generated])),
        _ => return None,
    };
    set(built, "Role", json!({"Fn::If": branches}));
    let own = sam.written_attribute(id, "Condition").map(|own| json!({"Condition": own}));
    Some(match (own, *yes == nothing) {
        (Some(own), _) => (format!("{id}RoleCondition"), json!({"Fn::And": [own, formula]})),
        (None, true) => (format!("{id}RoleCondition"), json!({"Fn::And": [formula, formula]})),
        (None, false) => (format!("NOT{name}"), formula),
    })
}

fn code(sam: &Sam<'_>, p: &Object) -> Result<Value, String> {
    let present = |name: &str| p.get(name).filter(|v| !v.is_null());
    let is_image = sam.literal(present("PackageType")).as_deref() == Some("Image");
    match (present("CodeUri"), present("InlineCode"), present("ImageUri")) {
        (_, _, Some(uri)) if is_image || present("CodeUri").is_none() => {
            Ok(json!({"ImageUri": uri}))
        }
        (Some(uri), None, _) => location(uri, "CodeUri", ["S3Bucket", "S3Key", "S3ObjectVersion"]),
        (_, Some(text), _) => Ok(json!({"ZipFile": text})),
        _ if is_image => Err("'ImageUri' must be set.".to_owned()),
        _ => Err("Either 'InlineCode' or 'CodeUri' must be set.".to_owned()),
    }
}

fn dead_letters(queue: &Value, built: &mut Value, needs: &mut Needs) -> Result<(), String> {
    let kind = queue.get("Type").and_then(Value::as_str);
    let target = queue.get("TargetArn").filter(|v| !v.is_null());
    let (Some(kind), Some(target)) = (kind, target) else {
        return Err(
            "'DeadLetterQueue' requires Type and TargetArn properties to be specified.".to_owned()
        );
    };
    let action = match kind {
        "SQS" => "sqs:SendMessage",
        "SNS" => "sns:Publish",
        _ => return Err("'DeadLetterQueue' requires Type of either 'SNS' or 'SQS'.".to_owned()),
    };
    needs.allow("DeadLetterQueuePolicy", json!(action), target.clone());
    set(built, "DeadLetterConfig", json!({"TargetArn": target}));
    Ok(())
}

fn alias(sam: &Sam<'_>, id: &str, p: &Object) -> Result<Option<Alias>, String> {
    let Some(given) = p.get("AutoPublishAlias").filter(|v| !v.is_null()) else {
        return Ok(None);
    };
    let name = sam
        .literal(Some(given))
        .ok_or("'AutoPublishAlias' must be a string or a Ref to a template parameter")?;
    Ok(Some(Alias { id: format!("{id}Alias{}", alphanumeric(&name)), name }))
}

/// The version that the code makes and the alias that points to it.
fn publish(
    sam: &mut Sam<'_>,
    id: &str,
    p: &Object,
    (code, built): (&Value, &Value),
    alias: &Alias,
) -> Result<(), String> {
    let all = sam.is_true(p.get("AutoPublishAliasAllProperties"));
    let hashed = match sam.literal(p.get("AutoPublishCodeSha256")) {
        Some(hash) => Value::String(hash),
        None if all => built.clone(),
        None => code.clone(),
    };
    let version_id = format!("{id}Version{}", suffix(&hashed));
    let version = object([
        ("FunctionName", Some(reference(id))),
        ("Description", p.get("VersionDescription").cloned()),
    ]);
    let mut version = resource("AWS::Lambda::Version", version);
    let policy = p.get("VersionDeletionPolicy").cloned().unwrap_or_else(|| json!("Retain"));
    set(&mut version, "DeletionPolicy", policy);
    sam.emit(id, version_id.clone(), version);
    let properties = object([
        ("Name", Some(json!(alias.name))),
        ("FunctionName", Some(reference(id))),
        ("FunctionVersion", Some(attribute(&version_id, "Version"))),
        ("ProvisionedConcurrencyConfig", p.get("ProvisionedConcurrencyConfig").cloned()),
    ]);
    let mut made = resource("AWS::Lambda::Alias", properties);
    if let Some(preference) = p.get("DeploymentPreference").filter(|v| !v.is_null()) {
        deployment::prefer(sam, id, preference, &mut made)?;
    }
    sam.emit(id, alias.id.clone(), made);
    sam.rename(format!("{id}.Version"), version_id);
    sam.rename(format!("{id}.Alias"), alias.id.clone());
    Ok(())
}

fn url(sam: &mut Sam<'_>, p: &Object, function: &Function) -> Result<(), String> {
    let Some(config) = p.get("FunctionUrlConfig").filter(|v| !v.is_null()) else {
        return Ok(());
    };
    let id = &function.id;
    let auth = config.get("AuthType").filter(|v| !v.is_null()).ok_or(
        "AuthType is required to configure function property `FunctionUrlConfig`. Please provide either AWS_IAM or NONE.",
    )?;
    let built = object([
        ("AuthType", Some(auth.clone())),
        ("Cors", config.get("Cors").cloned()),
        ("InvokeMode", config.get("InvokeMode").cloned()),
        ("TargetFunctionArn", Some(function.name())),
    ]);
    sam.emit(id, format!("{id}Url"), resource("AWS::Lambda::Url", built));
    if sam.literal(Some(auth)).as_deref() == Some("NONE") {
        let permission = object([
            ("Action", Some(json!("lambda:InvokeFunctionUrl"))),
            ("FunctionName", Some(function.name())),
            ("FunctionUrlAuthType", Some(auth.clone())),
            ("Principal", Some(json!("*"))),
        ]);
        let permission = resource("AWS::Lambda::Permission", permission);
        sam.emit(id, format!("{id}UrlPublicPermissions"), permission);
        let permission = object([
            ("Action", Some(json!("lambda:InvokeFunction"))),
            ("FunctionName", Some(function.name())),
            ("InvokedViaFunctionUrl", Some(json!(true))),
            ("Principal", Some(json!("*"))),
        ]);
        let permission = resource("AWS::Lambda::Permission", permission);
        sam.emit(id, format!("{id}URLInvokeAllowPublicAccess"), permission);
    }
    Ok(())
}

/// `EventInvokeConfig`: retries of asynchronous invocations, and where their results go.
fn invoke_config(sam: &mut Sam<'_>, p: &Object, function: &mut Function) -> Result<(), String> {
    let Some(config) = p.get("EventInvokeConfig").and_then(Value::as_object) else {
        return Ok(());
    };
    let id = function.id.clone();
    let mut destinations = json!({});
    for side in ["OnSuccess", "OnFailure"] {
        let given = config.get("DestinationConfig").and_then(|d| d.get(side));
        if let Some(given) = given.filter(|v| !v.is_null()) {
            let arn = destination(sam, function, side, given)?;
            set(&mut destinations, side, json!({"Destination": arn}));
        }
    }
    let qualifier =
        function.alias.as_ref().map_or_else(|| json!("$LATEST"), |alias| json!(alias.name));
    let mut built = object([
        ("FunctionName", Some(reference(&id))),
        ("Qualifier", Some(qualifier)),
        (
            "DestinationConfig",
            Some(destinations.clone()).filter(|d| d.as_object().is_some_and(|d| !d.is_empty())),
        ),
    ]);
    let members = config.clone();
    copy(&members, &mut built, &["MaximumEventAgeInSeconds", "MaximumRetryAttempts"]);
    let mut made = resource("AWS::Lambda::EventInvokeConfig", built);
    if let Some(alias) = &function.alias {
        set(&mut made, "DependsOn", json!([alias.id]));
    }
    sam.emit(&id, format!("{id}EventInvokeConfig"), made);
    Ok(())
}

fn destination(
    sam: &mut Sam<'_>,
    function: &mut Function,
    side: &str,
    given: &Value,
) -> Result<Value, String> {
    let kind = given.get("Type").and_then(Value::as_str).ok_or_else(|| {
        "'Type: SQS, SNS, EventBridge, Lambda' is required for a destination".to_owned()
    })?;
    let id = function.id.clone();
    let arn = match (given.get("Destination").filter(|v| !v.is_null()), kind) {
        (Some(arn), _) => arn.clone(),
        (None, "SQS") => {
            let queue = format!("{id}EventInvokeConfig{side}Queue");
            sam.emit(&id, queue.clone(), resource("AWS::SQS::Queue", json!({})));
            sam.rename(format!("{id}.DestinationQueue"), queue.clone());
            attribute(&queue, "Arn")
        }
        (None, "SNS") => {
            let topic = format!("{id}EventInvokeConfig{side}Topic");
            sam.emit(&id, topic.clone(), resource("AWS::SNS::Topic", json!({})));
            sam.rename(format!("{id}.DestinationTopic"), topic.clone());
            reference(&topic)
        }
        _ => return Err("Destination is required if Type is not {'SQS', 'SNS'}".to_owned()),
    };
    let (name, action) = match kind {
        "SQS" => ("SQSPolicy", "sqs:SendMessage"),
        "SNS" => ("SNSPolicy", "sns:publish"),
        "Lambda" => ("LambdaPolicy", "lambda:InvokeFunction"),
        "EventBridge" => ("EventBridgePolicy", "events:PutEvents"),
        "S3Bucket" => ("S3Policy", "s3:PutObject"),
        _ => {
            return Err(format!("'Type: {kind}' must be one of SQS, SNS, EventBridge, Lambda"));
        }
    };
    let name = format!("{id}EventInvokeConfig{side}{name}");
    function.needs.allow(name, json!(action), arn.clone());
    Ok(arn)
}

/// Whether a value names a resource of this template, and which.
pub(super) fn named(value: &Value) -> Option<&str> {
    if is_intrinsic(value) { super::document::target(value) } else { None }
}

/// Adds `id` to what a resource waits for.
pub(super) fn wait_for(resource: &mut Value, id: &str) {
    let mut names = list(resource.get("DependsOn"));
    if !names.iter().any(|name| name == id) {
        names.push(json!(id));
    }
    set(resource, "DependsOn", Value::Array(names));
}
