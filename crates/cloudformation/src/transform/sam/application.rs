//! `AWS::Serverless::Application`: a nested stack.

use serde_json::{Value, json};

use super::Sam;
use super::document::{copy, resource, set};

pub(super) fn make(sam: &mut Sam<'_>, id: &str) -> Result<(), String> {
    let p = sam.properties(id);
    let url = match p.get("Location").filter(|v| !v.is_null()) {
        None => return Err("Missing required property 'Location'.".to_owned()),
        Some(Value::Object(location)) if location.contains_key("ApplicationId") => {
            return Err(
                "The Serverless Application Repository is not implemented by Undercast".to_owned()
            );
        }
        Some(location) => url(location),
    };
    let mut built = json!({"TemplateURL": url});
    copy(&p, &mut built, &["NotificationARNs", "Parameters", "TimeoutInMinutes"]);
    let mut tags = vec![json!({"Key": "lambda:createdBy", "Value": "SAM"})];
    let own = p.get("Tags").and_then(Value::as_object).into_iter().flatten();
    tags.extend(own.map(|(key, value)| json!({"Key": key, "Value": value})));
    set(&mut built, "Tags", Value::Array(tags));
    sam.emit_main(id, id, resource("AWS::CloudFormation::Stack", built));
    Ok(())
}

/// `s3://bucket/key` in the form that nested stacks take.
fn url(location: &Value) -> Value {
    match location.as_str().and_then(|text| text.strip_prefix("s3://")) {
        Some(rest) => json!(format!("https://s3.amazonaws.com/{rest}")),
        None => location.clone(),
    }
}
