//! Running a template's transforms, whichever operation brought the template.

use undercast_kernel::{Context, ServiceError};
use undercast_smithy::Document;

use super::Parts;
use super::source::fetch_object;
use crate::macros;
use crate::store::Definition;
use crate::template::{Template, parameters, yaml};
use crate::transform::{self, Values, include};

/// Rounds of `AWS::Include`: what is included may include in turn.
const INCLUDES_MAX: usize = 5;
/// How often a template calls macros: one may answer a call of itself.
const CALLS_MAX: usize = 100;

/// What a template declares, whether or not transforms have still to be run.
pub(crate) fn read_declared(text: &str) -> Result<Template, ServiceError> {
    let document = yaml::parse(text)?;
    Ok(match transform::wanted(&document) {
        true => Template::declared(&document)?,
        false => Template::from_document(&document)?,
    })
}

impl Parts {
    /// Runs the transforms that the template asks for. That they fail is kept, not answered: a change
    /// set is made all the same and says so.
    pub(crate) async fn transform(
        &mut self,
        ctx: &Context,
        previous: Option<&Definition>,
    ) -> Result<(), ServiceError> {
        let document = yaml::parse(&self.text)?;
        if !transform::wanted(&document) {
            return Ok(());
        }
        let template = Template::declared(&document)?;
        let old = previous.map(|d| d.parameters.clone()).unwrap_or_default();
        let mut values = parameters::check(&template, &self.parameters, &old)?;
        // The value of such a parameter is the name of what holds it.
        values.retain(|name, _| {
            let of = template.parameters.get(name);
            of.is_some_and(|p| parameters::ssm_type(&p.kind).is_none())
        });
        self.processed = Some(match include(ctx, document, &values).await {
            Ok(document) => run(ctx, document, &values).await.map(|d| d.to_string()),
            Err(message) => Err(format!("Transform {} failed with: {message}", include::NAME)),
        });
        Ok(())
    }

    /// Without a change set to look at, the caller has to say that transforms may be run.
    pub(crate) fn require_auto_expand(&self) -> Result<(), ServiceError> {
        let given = self.capabilities.iter().any(|c| c == "CAPABILITY_AUTO_EXPAND");
        if self.processed.is_none() || given {
            return Ok(());
        }
        Err(ServiceError::new(
            "InsufficientCapabilitiesException",
            "Requires capabilities : [CAPABILITY_AUTO_EXPAND]",
        ))
    }
}

/// Runs macros from the innermost call outwards, then the template's own transforms in their order.
async fn run(ctx: &Context, mut document: Document, values: &Values) -> Result<Document, String> {
    let mut calls = 0;
    while let Some(at) = transform::innermost(&document) {
        calls += 1;
        if calls > CALLS_MAX {
            return Err(format!("The template calls more than {CALLS_MAX} transforms."));
        }
        let Some(place) = document.pointer_mut(&at) else { break };
        let call = place.as_object_mut().and_then(|members| members.shift_remove(transform::CALL));
        let call = call.unwrap_or_default();
        let name = transform::name(&call).unwrap_or_default();
        if transform::is_own(name) {
            return Err(format!("Transform {name} cannot be called by Fn::Transform."));
        }
        let params = call.get("Parameters").cloned().unwrap_or_else(|| serde_json::json!({}));
        let fragment = place.take();
        *place = macros::call(ctx, name, fragment, params, values).await?;
    }
    for declared in transform::declared(&document) {
        let name = transform::name(&declared).unwrap_or_default();
        document = match transform::is_own(name) {
            true => transform::apply(name, &document, values)?,
            false => {
                let params = declared.get("Parameters").cloned();
                let params = params.unwrap_or_else(|| serde_json::json!({}));
                let fragment = transform::without_transforms(document.clone());
                let mut made = macros::call(ctx, name, fragment, params, values).await?;
                if let (Document::Object(made), Some(left)) = (&mut made, document.get("Transform"))
                {
                    made.insert("Transform".to_owned(), left.clone());
                }
                made
            }
        };
    }
    Ok(transform::without_transforms(document))
}

/// The document with everything in place that it includes from S3.
async fn include(
    ctx: &Context,
    mut document: Document,
    values: &Values,
) -> Result<Document, String> {
    for _ in 0..INCLUDES_MAX {
        let wanted = include::locations(&document);
        if wanted.is_empty() {
            break;
        }
        let mut fetched = Vec::new();
        for at in wanted {
            let invalid = || "The location parameter is not a valid S3 uri.".to_owned();
            let pseudo = |name: &str| match name {
                "AWS::Region" => Some(ctx.region().to_owned()),
                "AWS::AccountId" => Some(ctx.account().to_owned()),
                "AWS::Partition" => Some("aws".to_owned()),
                _ => None,
            };
            let uri = include::plain_location(&at, values, pseudo).ok_or_else(invalid)?;
            let (bucket, key) =
                uri.strip_prefix("s3://").and_then(|u| u.split_once('/')).ok_or_else(invalid)?;
            let text = fetch_object(ctx, bucket, key).await.map_err(|e| e.message().to_owned())?;
            let included = yaml::parse(&text).map_err(|e| e.to_string())?;
            fetched.push((at, included));
        }
        include::place(&mut document, &fetched)?;
        if let Document::Object(root) = &mut document {
            // Those of the whole template are done now.
            let left: Vec<Document> = transform::declared(&Document::Object(root.clone()))
                .into_iter()
                .filter(|t| transform::name(t) != Some(include::NAME))
                .collect();
            root.insert("Transform".to_owned(), Document::Array(left));
        }
    }
    Ok(document)
}
