//! What creating and updating have in common: the template's source, and a checked definition.

use std::collections::BTreeMap;

use undercast_kernel::{Context, ServiceError};
use undercast_store::Tx;

use crate::api::cloudformation::shapes::{Parameter, Tag};
use crate::deploy::circle;
use crate::error::validation;
use crate::stack::{self, Prepared};
use crate::store::{Definition, StackRow};
use crate::template::parameters::{self, Given};
use crate::template::{Template, model::plain};
use crate::types;

const BODY_BYTES_MAX: usize = 51_200;
const URL_BYTES_MAX: u64 = 1_048_576;

/// Where the caller says the template is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) body: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) previous: bool,
}

/// Everything that an operation says about what a stack is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    pub(crate) text: String,
    /// What transforms made of it; the error is why they failed.
    pub(crate) processed: Option<Result<String, String>>,
    pub(crate) parameters: BTreeMap<String, Given>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) capabilities: Vec<String>,
    pub(crate) role_arn: Option<String>,
    pub(crate) notification_arns: Vec<String>,
}

pub(crate) fn parts(
    text: String,
    parameters: Option<Vec<Parameter>>,
    tags: Option<Vec<Tag>>,
    capabilities: Option<Vec<String>>,
    role_arn: Option<String>,
    notification_arns: Option<Vec<String>>,
) -> Parts {
    let given = parameters.into_iter().flatten().filter_map(|p| {
        let value = match (p.use_previous_value, p.parameter_value) {
            (Some(true), _) => Given::Previous,
            (_, value) => Given::Value(value.unwrap_or_default()),
        };
        Some((p.parameter_key?, value))
    });
    Parts {
        text,
        processed: None,
        parameters: given.collect(),
        tags: tags.map(|tags| tags.into_iter().map(|t| (t.key, t.value)).collect()),
        capabilities: capabilities.unwrap_or_default(),
        role_arn,
        notification_arns: notification_arns.unwrap_or_default(),
    }
}

/// The text of the template.
pub(crate) async fn fetch_template(
    ctx: &Context,
    source: &Source,
    stack: Option<&StackRow>,
) -> Result<String, ServiceError> {
    match (&source.body, &source.url, source.previous) {
        (Some(body), None, false) if body.len() > BODY_BYTES_MAX => Err(validation(format!(
            "1 validation error detected: Value '{}' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to {BODY_BYTES_MAX}",
            body.chars().take(1024).collect::<String>()
        ))),
        (Some(body), None, false) if body.trim().is_empty() => {
            Err(validation("Either Template URL or Template Body must be specified."))
        }
        (Some(body), None, false) => Ok(body.clone()),
        (None, Some(url), false) => fetch_url(ctx, url).await,
        (None, None, true) => {
            let hash = stack
                .and_then(|s| s.current.as_ref())
                .map(|d| d.original.clone().unwrap_or_else(|| d.template.clone()));
            let Some(hash) = hash else {
                return Err(validation("Either Template URL or Template Body must be specified."));
            };
            let ctx = ctx.clone();
            ctx.clone()
                .store()
                .transact(move |tx| {
                    let (ctx, hash) = (ctx.clone(), hash.clone());
                    async move { stack::template_text(&tx, &ctx, &hash).await }
                })
                .await
        }
        _ => Err(validation("Either Template URL or Template Body must be specified.")),
    }
}

/// A template's URL names an object of ours, in whatever form: path style or virtual host, under our
/// own origin or under AWS's.
pub(super) async fn fetch_url(ctx: &Context, url: &str) -> Result<String, ServiceError> {
    let unsupported = || validation("TemplateURL must be a supported URL.");
    let (_, rest) = url.split_once("://").ok_or_else(unsupported)?;
    let (host, path) = rest.split_once('/').ok_or_else(unsupported)?;
    let path = path.split('?').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let virtual_bucket = host.split_once(".s3").map(|(bucket, _)| bucket).filter(|b| !b.is_empty());
    let (bucket, key) = match virtual_bucket {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').ok_or_else(unsupported)?,
    };
    fetch_object(ctx, bucket, &percent_decode(key)).await
}

/// The text of an object.
pub(super) async fn fetch_object(
    ctx: &Context,
    bucket: &str,
    key: &str,
) -> Result<String, ServiceError> {
    let input = serde_json::json!({"Bucket": bucket, "Key": key});
    let (_, body) = ctx
        .kernel()
        .call_for_body(ctx, "s3", "GetObject", &input)
        .await
        .map_err(|e| validation(format!("S3 error: {}", e.message())))?;
    let bytes = body.collect(URL_BYTES_MAX).await.map_err(|_| {
        validation(format!("Template size exceeds the limit of {URL_BYTES_MAX} bytes."))
    })?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| validation("Template format error: not UTF-8 text."))
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        match (*first, hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Parts {
    /// The text that the stack is made from.
    pub(crate) fn effective(&self) -> Result<&str, ServiceError> {
        match &self.processed {
            None => Ok(&self.text),
            Some(Ok(text)) => Ok(text),
            Some(Err(reason)) => Err(validation(reason)),
        }
    }

    /// The values behind parameters that name SSM parameters.
    pub(crate) async fn resolve_ssm(
        &self,
        ctx: &Context,
        previous: Option<&Definition>,
    ) -> Result<BTreeMap<String, String>, ServiceError> {
        let template = Template::parse(self.effective()?)?;
        let old = previous.map(|d| d.parameters.clone()).unwrap_or_default();
        let values = parameters::check(&template, &self.parameters, &old)?;
        let mut resolved = BTreeMap::new();
        for (name, parameter) in &template.parameters {
            let Some(of) =
                values.get(name).filter(|_| parameters::ssm_type(&parameter.kind).is_some())
            else {
                continue;
            };
            let input = serde_json::json!({"Name": of, "WithDecryption": false});
            let output = ctx.kernel().call(ctx, "ssm", "GetParameter", &input).await.map_err(|error| {
                if error.code() == "ParameterNotFound" {
                    validation(format!("Unable to fetch parameters [{of}] from parameter store for this account."))
                } else {
                    error
                }
            })?;
            let value = output.get("Parameter").and_then(|p| p.get("Value")).map(plain);
            resolved.insert(name.clone(), value.unwrap_or_default());
        }
        Ok(resolved)
    }

    /// Checks everything that can be checked before a resource is touched, and keeps the template.
    pub(crate) async fn define(
        &self,
        tx: &Tx,
        ctx: &Context,
        stack: &StackRow,
        resolved: &BTreeMap<String, String>,
    ) -> Result<(Definition, Prepared), ServiceError> {
        let template = Template::parse(self.effective()?)?;
        let old = stack.current.clone().unwrap_or_default();
        let values = parameters::check(&template, &self.parameters, &old.parameters)?;
        super::check_capabilities(&template, &self.capabilities)?;
        let definition = Definition {
            template: stack::keep_template(tx, ctx, self.effective()?)?,
            original: match self.processed {
                Some(_) => Some(stack::keep_template(tx, ctx, &self.text)?),
                None => None,
            },
            parameters: values,
            resolved: resolved.clone(),
            tags: self.tags.clone().unwrap_or(old.tags),
            capabilities: self.capabilities.clone(),
            role_arn: self.role_arn.clone().or(stack.role_arn.clone()).or(old.role_arn),
            notification_arns: self.notification_arns.clone(),
        };
        let exports = stack::exports(tx, ctx).await?;
        let pseudo = stack::pseudo(ctx, stack, &definition);
        let prepared = Prepared::new(self.effective()?, &definition, pseudo, &exports)?;
        let mut unknown: Vec<&str> = prepared
            .template
            .resources
            .iter()
            .map(|r| r.kind.as_str())
            .filter(|kind| types::find(ctx.kernel(), kind).is_none())
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() {
            return Err(validation(format!(
                "Template format error: Unrecognized resource types: [{}]",
                unknown.join(", ")
            )));
        }
        if let Some(names) = circle(&prepared) {
            return Err(validation(format!(
                "Circular dependency between resources: [{}]",
                names.join(", ")
            )));
        }
        Ok((definition, prepared))
    }
}
