//! Secrets, their versions and staging labels.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use undercast_kernel::{Context, ServiceError};
use undercast_smithy::{Blob, Timestamp};
use undercast_store::Tx;

use super::error::{deleted, invalid, no_value, not_found, refused};
use super::store::{Key, SECRETS, SecretRow, VALUES, ValueRow, Version};
use crate::api::secretsmanager::shapes::{GetSecretValueOutput, RotationRulesType, Tag};

pub(crate) const CURRENT: &str = "AWSCURRENT";
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";
pub(crate) const PENDING: &str = "AWSPENDING";
/// Versions without a label beyond this many are forgotten, the oldest first.
const VERSIONS_MAX: usize = 100;
const VALUE_BYTES_MAX: usize = 65_536;
const STAGES_MAX: usize = 20;
const DAY_MS: i64 = 24 * 3_600_000;

pub(crate) fn arn(ctx: &Context, name: &str, row: &SecretRow) -> String {
    ctx.arn("secretsmanager", format!("secret:{name}-{}", row.suffix))
}

pub(crate) fn key(ctx: &Context, name: &str) -> Key {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

/// A secret by its name, its ARN, or its ARN without the suffix; deleted or not.
pub(crate) async fn find(
    tx: &Tx,
    ctx: &Context,
    id: &str,
) -> Result<Option<(Key, SecretRow)>, ServiceError> {
    let prefix = ctx.arn("secretsmanager", "secret:");
    let name = match id.strip_prefix(&prefix) {
        Some(name) => name,
        None if id.starts_with("arn:") => return Ok(None),
        None => id,
    };
    let whole = key(ctx, name);
    if let Some(row) = SECRETS.get(tx, &whole).await? {
        return Ok(Some((whole, row)));
    }
    let Some((name, suffix)) = name.rsplit_once('-').filter(|_| id.starts_with("arn:")) else {
        return Ok(None);
    };
    let place = key(ctx, name);
    let row = SECRETS.get(tx, &place).await?.filter(|row| row.suffix == suffix);
    Ok(row.map(|row| (place, row)))
}

/// A secret that is there and not marked for deletion.
pub(crate) async fn require(
    tx: &Tx,
    ctx: &Context,
    id: &str,
) -> Result<(Key, SecretRow), ServiceError> {
    let (key, row) = find(tx, ctx, id).await?.ok_or_else(not_found)?;
    match row.deleted_ms {
        Some(_) => Err(deleted()),
        None => Ok((key, row)),
    }
}

/// A value as it is given: its text, and whether that is base64 of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) is_binary: bool,
}

/// The value in a request, if there is one.
pub(crate) fn given(
    text: Option<&String>,
    bytes: Option<&Blob>,
) -> Result<Option<Given>, ServiceError> {
    let (length, given) = match (text, bytes) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            ));
        }
        (Some(text), None) => (text.len(), Given { text: text.clone(), is_binary: false }),
        (None, Some(bytes)) => {
            let text = BASE64_STANDARD.encode(&bytes.0);
            (bytes.0.len(), Given { text, is_binary: true })
        }
        (None, None) => return Ok(None),
    };
    if length > VALUE_BYTES_MAX {
        return Err(invalid(format!("The secret value is longer than {VALUE_BYTES_MAX} bytes.")));
    }
    Ok(Some(given))
}

/// A token that the client gave, or one of ours.
pub(crate) fn token(tx: &Tx, given: Option<&String>) -> String {
    given.cloned().unwrap_or_else(|| tx.ids().uuid())
}

fn place(key: &Key, version: &str) -> (String, String, String, String) {
    (key.0.clone(), key.1.clone(), key.2.clone(), version.to_owned())
}

fn seal_name(key: &Key, version: &str) -> String {
    format!("secretsmanager:{}:{}:{}:{version}", key.0, key.1, key.2)
}

pub(crate) async fn value(
    tx: &Tx,
    ctx: &Context,
    key: &Key,
    version: &str,
) -> Result<Option<Given>, ServiceError> {
    let Some(row) = VALUES.get(tx, &place(key, version)).await? else { return Ok(None) };
    let text = ctx.kernel().settings().vault.open(&seal_name(key, version), &row.sealed)?;
    Ok(Some(Given { text, is_binary: row.is_binary }))
}

/// Adds a version with its value and moves the labels to it. The same version with the same value is left as
/// it is; `false` then. The caller puts the row.
pub(crate) async fn put_value(
    tx: &Tx,
    ctx: &Context,
    key: &Key,
    row: &mut SecretRow,
    version: &str,
    given: &Given,
    stages: &[String],
) -> Result<bool, ServiceError> {
    if stages.is_empty() || stages.len() > STAGES_MAX {
        return Err(invalid(format!("A version has 1 to {STAGES_MAX} staging labels.")));
    }
    if let Some(old) = value(tx, ctx, key, version).await? {
        if old == *given {
            return Ok(false);
        }
        return Err(ServiceError::new(
            "ResourceExistsException",
            format!(
                "You can't use ClientRequestToken {version} because that value is already in use for a version of secret {}.",
                arn(ctx, &key.2, row)
            ),
        ));
    }
    let vault = &ctx.kernel().settings().vault;
    let sealed = vault.seal(tx.ids(), &seal_name(key, version), &given.text)?;
    let is_binary = given.is_binary;
    VALUES.put(tx, &place(key, version), &ValueRow { sealed, is_binary })?;
    add_version(row, version, tx.now_ms());
    for stage in stages {
        move_stage(row, stage, Some(version));
    }
    // The first version is the current one, whatever it is called.
    if !row.versions.values().any(|version| version.stages.contains(CURRENT)) {
        move_stage(row, CURRENT, Some(version));
    }
    row.changed_ms = tx.now_ms();
    forget_old(tx, key, row)
}

/// A version without a value: a rotation fills it.
pub(crate) fn add_version(row: &mut SecretRow, version: &str, now_ms: i64) {
    let fresh = || Version { created_ms: now_ms, ..Version::default() };
    row.versions.entry(version.to_owned()).or_insert_with(fresh);
}

/// A label is on one version at most; what loses `AWSCURRENT` becomes `AWSPREVIOUS`.
pub(crate) fn move_stage(row: &mut SecretRow, stage: &str, to: Option<&str>) {
    let mut from = None;
    for (id, version) in &mut row.versions {
        if version.stages.remove(stage) {
            from = Some(id.clone());
        }
    }
    if let Some(version) = to.and_then(|to| row.versions.get_mut(to)) {
        version.stages.insert(stage.to_owned());
    }
    if stage == CURRENT
        && let Some(from) = from.filter(|from| Some(from.as_str()) != to)
    {
        if let Some(to) = to.and_then(|to| row.versions.get_mut(to)) {
            to.stages.remove(PREVIOUS);
        }
        move_stage(row, PREVIOUS, Some(&from));
    }
}

fn forget_old(tx: &Tx, key: &Key, row: &mut SecretRow) -> Result<bool, ServiceError> {
    while row.versions.len() > VERSIONS_MAX {
        let unlabelled = row.versions.iter().filter(|(_, version)| version.stages.is_empty());
        let Some(oldest) = unlabelled.min_by_key(|(_, v)| v.created_ms).map(|(id, _)| id.clone())
        else {
            return Err(ServiceError::new(
                "LimitExceededException",
                format!("A secret has at most {VERSIONS_MAX} versions with staging labels."),
            ));
        };
        row.versions.remove(&oldest);
        VALUES.delete(tx, &place(key, &oldest))?;
    }
    Ok(true)
}

/// Everything of a secret goes.
pub(crate) fn erase(tx: &Tx, key: &Key, row: &SecretRow) -> Result<(), ServiceError> {
    for version in row.versions.keys() {
        VALUES.delete(tx, &place(key, version))?;
    }
    Ok(SECRETS.delete(tx, key)?)
}

pub(crate) fn labelled<'a>(row: &'a SecretRow, stage: &str) -> Option<&'a str> {
    let mut versions = row.versions.iter();
    versions.find(|(_, version)| version.stages.contains(stage)).map(|(id, _)| id.as_str())
}

/// One value, as `GetSecretValue` gives it. Notes the day on which it was read.
pub(crate) async fn read(
    tx: &Tx,
    ctx: &Context,
    id: &str,
    version: Option<&str>,
    stage: Option<&str>,
) -> Result<GetSecretValueOutput, ServiceError> {
    let (key, mut row) = require(tx, ctx, id).await?;
    let stage_or_current = stage.unwrap_or(CURRENT);
    let missing = || match version {
        Some(version) => no_value(&format!("VersionId: {version}")),
        None => no_value(&format!("staging label: {stage_or_current}")),
    };
    let wanted = match version {
        Some(version) => row.versions.contains_key(version).then_some(version),
        None => labelled(&row, stage_or_current),
    };
    let wanted = wanted.ok_or_else(missing)?.to_owned();
    let of = row.versions.get(&wanted).cloned().unwrap_or_default();
    if let (Some(_), Some(stage)) = (version, stage)
        && !of.stages.contains(stage)
    {
        return Err(refused(
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ));
    }
    let given = value(tx, ctx, &key, &wanted).await?.ok_or_else(missing)?;
    let today = tx.now_ms() - tx.now_ms().rem_euclid(DAY_MS);
    if row.accessed_ms != Some(today) {
        row.accessed_ms = Some(today);
        SECRETS.put(tx, &key, &row)?;
    }
    let bytes = match given.is_binary {
        true => Some(BASE64_STANDARD.decode(&given.text).map_err(ServiceError::internal)?),
        false => None,
    };
    Ok(GetSecretValueOutput {
        arn: Some(arn(ctx, &key.2, &row)),
        name: Some(key.2),
        version_id: Some(wanted),
        secret_binary: bytes.map(Blob::from),
        secret_string: Some(given.text).filter(|_| !given.is_binary),
        version_stages: Some(of.stages.into_iter().collect()),
        created_date: Some(Timestamp::from_millis(of.created_ms)),
    })
}

pub(crate) fn tags(row: &SecretRow) -> Option<Vec<Tag>> {
    let tag = |(key, value): (&String, &String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    Some(row.tags.iter().map(tag).collect())
}

pub(crate) fn tag_map<'a>(
    tags: impl Iterator<Item = &'a Tag>,
) -> impl Iterator<Item = (String, String)> {
    tags.map(|tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default()))
}

pub(crate) fn stages(row: &SecretRow) -> std::collections::BTreeMap<String, Vec<String>> {
    let labelled = row.versions.iter().filter(|(_, version)| !version.stages.is_empty());
    labelled.map(|(id, version)| (id.clone(), version.stages.iter().cloned().collect())).collect()
}

pub(crate) fn rules(row: &SecretRow) -> Option<RotationRulesType> {
    let rotation = row.rotation.as_ref()?;
    Some(RotationRulesType {
        automatically_after_days: rotation.after_days,
        duration: rotation.duration.clone(),
        schedule_expression: rotation.schedule.clone(),
    })
}

/// What is wrong with a resource policy, if something is.
pub(crate) fn policy_fault(policy: &str) -> Option<&'static str> {
    let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(policy) else {
        return Some("This resource policy contains invalid Json.");
    };
    let is_statement = |statement: &Value| {
        ["Effect", "Principal", "Action", "Resource"].iter().all(|name| {
            statement.get(name).is_some() || statement.get(format!("Not{name}")).is_some()
        })
    };
    match policy.get("Statement") {
        Some(Value::Array(all)) if !all.is_empty() && all.iter().all(is_statement) => None,
        Some(one @ Value::Object(_)) if is_statement(one) => None,
        _ => Some(
            "This resource policy is not valid: a statement needs Effect, Principal, Action and Resource.",
        ),
    }
}

/// Whether a policy lets anybody in.
pub(crate) fn is_public(policy: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return false };
    let statements = match policy.get("Statement") {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    statements.iter().any(|statement| {
        let everybody = |who: &Value| match who {
            Value::String(who) => who == "*",
            Value::Array(all) => all.iter().any(|who| who == "*"),
            _ => false,
        };
        let principal = statement.get("Principal");
        let is_open =
            principal.is_some_and(|p| everybody(p) || p.get("AWS").is_some_and(everybody));
        is_open
            && statement.get("Effect").is_some_and(|effect| effect == "Allow")
            && statement.get("Condition").is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(row: &mut SecretRow, version: &str) {
        add_version(row, version, 0);
        move_stage(row, CURRENT, Some(version));
    }

    #[test]
    fn labels_move_from_version_to_version() {
        let mut row = SecretRow::default();
        for version in ["a", "b", "c"] {
            with(&mut row, version);
        }
        assert_eq!((labelled(&row, CURRENT), labelled(&row, PREVIOUS)), (Some("c"), Some("b")));
        move_stage(&mut row, CURRENT, Some("b"));
        assert_eq!((labelled(&row, CURRENT), labelled(&row, PREVIOUS)), (Some("b"), Some("c")));
        assert!(row.versions.get("a").is_some_and(|a| a.stages.is_empty()));
        move_stage(&mut row, CURRENT, Some("b"));
        assert_eq!((labelled(&row, CURRENT), labelled(&row, PREVIOUS)), (Some("b"), Some("c")));
    }

    #[test]
    fn a_policy_is_public_if_anybody_may() {
        let policy = |who: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{who},"Action":"*","Resource":"*"}}]}}"#
            )
        };
        assert!(is_public(&policy(r#""*""#)) && is_public(&policy(r#"{"AWS":["*"]}"#)));
        assert!(!is_public(&policy(r#"{"AWS":"arn:aws:iam::1:root"}"#)));
        assert_eq!(policy_fault(&policy(r#""*""#)), None);
        assert!(policy_fault("{").is_some() && policy_fault("{}").is_some());
    }
}
