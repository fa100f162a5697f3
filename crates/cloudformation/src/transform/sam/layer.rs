//! `AWS::Serverless::LayerVersion`: a layer whose logical id changes with its contents.

use serde_json::json;

use super::Sam;
use super::document::{copy, location, resource, set, suffix};

pub(super) fn make(sam: &mut Sam<'_>, id: &str) -> Result<(), String> {
    let p = sam.properties(id);
    let uri = p
        .get("ContentUri")
        .filter(|v| !v.is_null())
        .ok_or("Missing required property 'ContentUri'.")?;
    let content = location(uri, "ContentUri", ["S3Bucket", "S3Key", "S3ObjectVersion"])?;
    let policy = match sam.literal(p.get("RetentionPolicy")).map(|text| text.to_lowercase()) {
        None => "Retain",
        Some(text) if text == "retain" => "Retain",
        Some(text) if text == "delete" => "Delete",
        Some(_) => {
            return Err(
                "'RetentionPolicy' must be one of the following options: ['Retain', 'Delete']."
                    .to_owned(),
            );
        }
    };
    let mut built = json!({"Content": content});
    copy(
        &p,
        &mut built,
        &[
            "CompatibleArchitectures",
            "CompatibleRuntimes",
            "Description",
            "LayerName",
            "LicenseInfo",
        ],
    );
    if built.get("LayerName").is_none() {
        set(&mut built, "LayerName", json!(id));
    }
    // Whatever is written of the layer makes another version of it.
    let mut written = sam.written.get(id).cloned().unwrap_or_default();
    written.sort_all_objects();
    let hashed = json!({id: written});
    let version = format!("{id}{}", suffix(&hashed));
    let mut made = resource("AWS::Lambda::LayerVersion", built);
    set(&mut made, "DeletionPolicy", json!(policy));
    sam.emit_main(id, version.clone(), made);
    sam.rename(id, version);
    Ok(())
}
