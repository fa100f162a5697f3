//! Local code in templates: a function whose `Code` is a path is zipped and uploaded, as
//! `aws cloudformation package` does it; of SAM's resources their `CodeUri` and the like.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_cloudformation::template::yaml;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::client::Client;
use crate::terminal::{Failure, note};

/// How deep templates may name each other: one could name itself.
const DEPTH_MAX: usize = 10;
const FILES_MAX: usize = 50_000;
/// What a template may weigh in a call; a larger one goes through the bucket.
const BODY_BYTES_MAX: usize = 51_200;

/// What `CreateChangeSet` is given for the template: its body, or a URL of ours.
pub(crate) async fn template(
    client: &Client,
    path: &Path,
) -> Result<(&'static str, String), Failure> {
    let text = packaged(client, path, 0).await?;
    if text.len() <= BODY_BYTES_MAX {
        return Ok(("TemplateBody", text));
    }
    Ok(("TemplateURL", upload_template(client, text).await?))
}

async fn upload_template(client: &Client, text: String) -> Result<String, Failure> {
    let (bucket, key) = upload(client, text.into_bytes(), "template").await?;
    Ok(format!("{}/{bucket}/{key}", client.endpoint()))
}

/// The text of a template, everything uploaded that it names by a path.
fn packaged<'a>(
    client: &'a Client,
    path: &'a Path,
    depth: usize,
) -> BoxFuture<'a, Result<String, Failure>> {
    async move {
        if depth > DEPTH_MAX {
            return Err(format!("{}: nested more than {DEPTH_MAX} deep", path.display()));
        }
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut document = yaml::parse(&text).map_err(|e| e.to_string())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut changed = false;
        if let Some(common) = document.get_mut("Globals").and_then(|g| g.get_mut("Function")) {
            changed |= package_uri(client, folder, common, ("CodeUri", true)).await?;
        }
        let resources = document.get_mut("Resources").and_then(Value::as_object_mut);
        for (_, resource) in resources.into_iter().flatten() {
            changed |= package(client, folder, resource).await?;
            changed |= package_nested(client, folder, resource, depth).await?;
        }
        changed |= package_includes(client, folder, &mut document).await?;
        Ok(if changed { document.to_string() } else { text })
    }
    .boxed()
}

/// Where resources name the template of a stack within.
const NESTED: &[(&str, &str)] =
    &[("AWS::CloudFormation::Stack", "TemplateURL"), ("AWS::Serverless::Application", "Location")];

/// Uploads the template of a nested stack; whether there was something to do.
async fn package_nested(
    client: &Client,
    folder: &Path,
    resource: &mut Value,
    depth: usize,
) -> Result<bool, Failure> {
    let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
    let Some((_, property)) = NESTED.iter().find(|(name, _)| *name == kind) else {
        return Ok(false);
    };
    let place = resource.get_mut("Properties").and_then(|p| p.get_mut(*property));
    let Some(place) = place.filter(|p| p.as_str().is_some_and(|uri| !uri.contains("://"))) else {
        return Ok(false);
    };
    let path = folder.join(place.as_str().unwrap_or_default());
    let text = packaged(client, &path, depth + 1).await?;
    *place = json!(upload_template(client, text).await?);
    Ok(true)
}

/// Where SAM's resources name files, and whether those are zipped.
const SERVERLESS: &[(&str, (&str, bool))] = &[
    ("AWS::Serverless::Function", ("CodeUri", true)),
    ("AWS::Serverless::LayerVersion", ("ContentUri", true)),
    ("AWS::Serverless::Api", ("DefinitionUri", false)),
    ("AWS::Serverless::HttpApi", ("DefinitionUri", false)),
    ("AWS::Serverless::StateMachine", ("DefinitionUri", false)),
];

/// Uploads the code of one function; whether there was something to do.
async fn package(client: &Client, folder: &Path, resource: &mut Value) -> Result<bool, Failure> {
    let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
    let is_function = kind == "AWS::Lambda::Function";
    if let Some((_, property)) = SERVERLESS.iter().find(|(name, _)| *name == kind) {
        return match resource.get_mut("Properties") {
            Some(properties) => package_uri(client, folder, properties, *property).await,
            None => Ok(false),
        };
    }
    let code = resource.get_mut("Properties").and_then(|p| p.get_mut("Code"));
    let Some(code) = code.filter(|code| is_function && code.is_string()) else {
        return Ok(false);
    };
    let path = folder.join(code.as_str().unwrap_or_default());
    let archive = archive(&path)?;
    let (bucket, key) = upload(client, archive, "zip").await?;
    *code = json!({"S3Bucket": bucket, "S3Key": key});
    Ok(true)
}

/// Uploads what a property names by a path; whether it does.
async fn package_uri(
    client: &Client,
    folder: &Path,
    properties: &mut Value,
    (property, zipped): (&str, bool),
) -> Result<bool, Failure> {
    let Some(uri) = properties.get_mut(property) else {
        return Ok(false);
    };
    let Some(path) = uri.as_str().filter(|uri| !uri.contains("://")).map(|uri| folder.join(uri))
    else {
        return Ok(false);
    };
    let (bucket, key) = if zipped {
        upload(client, archive(&path)?, "zip").await?
    } else {
        let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        upload(client, bytes, "definition").await?
    };
    *uri = json!(format!("s3://{bucket}/{key}"));
    Ok(true)
}

/// Uploads what `AWS::Include` names by a path; whether anything does.
async fn package_includes(
    client: &Client,
    folder: &Path,
    document: &mut Value,
) -> Result<bool, Failure> {
    let mut found = false;
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(members) => {
                if let Some(call) = members.get_mut("Fn::Transform")
                    && call.get("Name").and_then(Value::as_str) == Some("AWS::Include")
                    && let Some(parameters) = call.get_mut("Parameters")
                {
                    found |= package_uri(client, folder, parameters, ("Location", false)).await?;
                }
                open.extend(members.values_mut());
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Puts bytes into the deployment bucket under the hash of their content.
async fn upload(
    client: &Client,
    bytes: Vec<u8>,
    suffix: &str,
) -> Result<(String, String), Failure> {
    let bucket = client.deployment_bucket();
    let key = format!("{}.{suffix}", undercast_store::BlobId::of(&bytes).hash);
    let created = client.call("s3", "CreateBucket", json!({"Bucket": bucket})).await;
    if let Err(refused) = created
        && !refused.code.starts_with("BucketAlready")
    {
        return Err(refused.into());
    }
    note(&format!("uploading {key} ({} KiB)", bytes.len().div_ceil(1024)));
    client.put_object(&bucket, &key, bytes).await?;
    Ok((bucket, key))
}

/// A folder or file as an archive that depends on nothing but names and contents.
fn archive(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    if path.extension().is_some_and(|e| e == "zip") {
        return fs::read(path).map_err(|e| failed(&e));
    }
    let mut files = Vec::new();
    collect(path, &mut files)?;
    files.sort();
    let root = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(mode(&file));
        zip.start_file(name, options).map_err(|e| failed(&e))?;
        let bytes = fs::read(&file).map_err(|e| failed(&e))?;
        zip.write_all(&bytes).map_err(|e| failed(&e))?;
    }
    Ok(zip.finish().map_err(|e| failed(&e))?.into_inner())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        collect(&entry.map_err(failed)?.path(), files)?;
        if files.len() > FILES_MAX {
            return Err(format!("{} holds more than {FILES_MAX} files", path.display()));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    let executable = fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o111 != 0);
    if executable { 0o755 } else { 0o644 }
}

#[cfg(not(unix))]
fn mode(_: &Path) -> u32 {
    0o644
}
