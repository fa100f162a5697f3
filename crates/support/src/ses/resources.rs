//! `AWS::SES::EmailIdentity` and `AWS::SES::Template`, made of the services' own operations.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::{Context, Resource, ResourceRequest, ResourceType, ServiceError};

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct IdentityType;
pub(crate) struct TemplateType;

async fn call(
    ctx: &Context,
    service: &str,
    operation: &str,
    input: Value,
) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, service, operation, &input).await
}

impl ResourceType for IdentityType {
    fn name(&self) -> &'static str {
        "AWS::SES::EmailIdentity"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["EmailIdentity"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["EmailIdentity"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request.text("EmailIdentity").unwrap_or_default();
            let input = json!({"EmailIdentity": name});
            match call(&ctx, "sesv2", "CreateEmailIdentity", input.clone()).await {
                Err(error) if error.code() == "AlreadyExistsException" && request.attempt > 1 => {}
                made => drop(made?),
            }
            let found = call(&ctx, "sesv2", "GetEmailIdentity", input).await?;
            let tokens = found.get("DkimAttributes").and_then(|dkim| dkim.get("Tokens"));
            let tokens = tokens.and_then(Value::as_array).into_iter().flatten();
            let mut resource = Resource::new(name);
            for (at, token) in tokens.filter_map(Value::as_str).enumerate() {
                let at = at + 1;
                resource = resource
                    .with(&format!("DkimDNSTokenName{at}"), format!("{token}._domainkey.{name}"))
                    .with(&format!("DkimDNSTokenValue{at}"), format!("{token}.dkim.amazonses.com"));
            }
            Ok(resource)
        }
        .boxed()
    }

    fn update(&self, _: Context, request: ResourceRequest) -> Future<Resource> {
        async move { Ok(Resource::new(request.physical_id)) }.boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"EmailIdentity": request.physical_id});
            match call(&ctx, "sesv2", "DeleteEmailIdentity", input).await {
                Err(error) if error.code() == "NotFoundException" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

/// The template of a request, with its name.
fn template(request: &ResourceRequest) -> (String, Value) {
    let mut template = request.properties.get("Template").cloned().unwrap_or_default();
    let given = template.get("TemplateName").and_then(Value::as_str).map(str::to_owned);
    let name = match &*request.physical_id {
        "" => given.unwrap_or_else(|| request.generated_name(64)),
        name => name.to_owned(),
    };
    if let Value::Object(template) = &mut template {
        template.insert("TemplateName".to_owned(), name.clone().into());
    }
    (name, json!({"Template": template}))
}

impl ResourceType for TemplateType {
    fn name(&self) -> &'static str {
        "AWS::SES::Template"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Template"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let (name, input) = template(&request);
            match call(&ctx, "ses", "CreateTemplate", input.clone()).await {
                Err(error) if error.code() == "AlreadyExistsException" && request.attempt > 1 => {
                    call(&ctx, "ses", "UpdateTemplate", input).await?;
                }
                made => drop(made?),
            }
            Ok(Resource::new(&*name).with("Id", name))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let (name, input) = template(&request);
            call(&ctx, "ses", "UpdateTemplate", input).await?;
            Ok(Resource::new(&*name).with("Id", name))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let input = json!({"TemplateName": request.physical_id});
            call(&ctx, "ses", "DeleteTemplate", input).await.map(|_| ())
        }
        .boxed()
    }
}
