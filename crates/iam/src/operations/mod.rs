//! One file for each operation; what several of them share is here.

mod assume_role;
mod attach_role_policy;
mod attach_user_policy;
mod create_access_key;
mod create_policy;
mod create_policy_version;
mod create_role;
mod create_user;
mod delete_access_key;
mod delete_policy;
mod delete_policy_version;
mod delete_role;
mod delete_role_permissions_boundary;
mod delete_role_policy;
mod delete_user;
mod delete_user_policy;
mod detach_role_policy;
mod detach_user_policy;
mod get_access_key_info;
mod get_caller_identity;
mod get_policy;
mod get_policy_version;
mod get_role;
mod get_role_policy;
mod get_session_token;
mod get_user;
mod get_user_policy;
mod list_access_keys;
mod list_attached_role_policies;
mod list_attached_user_policies;
mod list_entities_for_policy;
mod list_policies;
mod list_policy_versions;
mod list_role_policies;
mod list_role_tags;
mod list_roles;
mod list_user_policies;
mod list_users;
mod put_role_permissions_boundary;
mod put_role_policy;
mod put_user_policy;
mod set_default_policy_version;
mod tag_role;
mod untag_role;
mod update_access_key;
mod update_assume_role_policy;
mod update_role;
mod update_role_description;

use std::collections::BTreeMap;
use std::sync::Arc;

use undercast_kernel::ports::Issued;
use undercast_kernel::{Access, Arn, Context, Principal, Service, ServiceError};
use undercast_smithy::Timestamp;
use undercast_store::Tx;

use crate::Iam;
use crate::api::iam::operations as iam_op;
use crate::api::iam::shapes::{
    AttachedPermissionsBoundary, Policy, PolicyVersion, Role, Tag, User,
};
use crate::api::sts::operations as sts_op;
use crate::api::sts::shapes::Credentials;
use crate::error::{malformed, no_such, no_such_policy};
use crate::managed;
use crate::policy;
use crate::store::{
    ATTACHED, ATTACHMENTS, AttachedRow, KEYS, KeyRow, Owner, POLICIES, PolicyRow, ROLES, RoleRow,
    USERS, UserRow, VersionRow,
};

pub(crate) fn route_iam(service: Service, iam: &Arc<Iam>) -> Service {
    service
        .route::<iam_op::AttachRolePolicy>(iam)
        .route::<iam_op::AttachUserPolicy>(iam)
        .route::<iam_op::CreateAccessKey>(iam)
        .route::<iam_op::CreatePolicy>(iam)
        .route::<iam_op::CreatePolicyVersion>(iam)
        .route::<iam_op::CreateRole>(iam)
        .route::<iam_op::CreateUser>(iam)
        .route::<iam_op::DeleteAccessKey>(iam)
        .route::<iam_op::DeletePolicy>(iam)
        .route::<iam_op::DeletePolicyVersion>(iam)
        .route::<iam_op::DeleteRole>(iam)
        .route::<iam_op::DeleteRolePermissionsBoundary>(iam)
        .route::<iam_op::DeleteRolePolicy>(iam)
        .route::<iam_op::DeleteUser>(iam)
        .route::<iam_op::DeleteUserPolicy>(iam)
        .route::<iam_op::DetachRolePolicy>(iam)
        .route::<iam_op::DetachUserPolicy>(iam)
        .route::<iam_op::GetPolicy>(iam)
        .route::<iam_op::GetPolicyVersion>(iam)
        .route::<iam_op::GetRole>(iam)
        .route::<iam_op::GetRolePolicy>(iam)
        .route::<iam_op::GetUser>(iam)
        .route::<iam_op::GetUserPolicy>(iam)
        .route::<iam_op::ListAccessKeys>(iam)
        .route::<iam_op::ListAttachedRolePolicies>(iam)
        .route::<iam_op::ListAttachedUserPolicies>(iam)
        .route::<iam_op::ListEntitiesForPolicy>(iam)
        .route::<iam_op::ListPolicies>(iam)
        .route::<iam_op::ListPolicyVersions>(iam)
        .route::<iam_op::ListRolePolicies>(iam)
        .route::<iam_op::ListRoleTags>(iam)
        .route::<iam_op::ListRoles>(iam)
        .route::<iam_op::ListUserPolicies>(iam)
        .route::<iam_op::ListUsers>(iam)
        .route::<iam_op::PutRolePermissionsBoundary>(iam)
        .route::<iam_op::PutRolePolicy>(iam)
        .route::<iam_op::PutUserPolicy>(iam)
        .route::<iam_op::SetDefaultPolicyVersion>(iam)
        .route::<iam_op::TagRole>(iam)
        .route::<iam_op::UntagRole>(iam)
        .route::<iam_op::UpdateAccessKey>(iam)
        .route::<iam_op::UpdateAssumeRolePolicy>(iam)
        .route::<iam_op::UpdateRole>(iam)
        .route::<iam_op::UpdateRoleDescription>(iam)
}

pub(crate) fn route_sts(service: Service, iam: &Arc<Iam>) -> Service {
    service
        .route::<sts_op::AssumeRole>(iam)
        .route::<sts_op::GetAccessKeyInfo>(iam)
        .route::<sts_op::GetCallerIdentity>(iam)
        .route::<sts_op::GetSessionToken>(iam)
}

/// `iam:{operation}` on a role, user or policy of the caller's account.
fn access(ctx: &Context, operation: &str, kind: &str, name: &str) -> Vec<Access> {
    let resource = ctx_arn(ctx, format!("{kind}/{name}"));
    vec![Access::new(format!("iam:{operation}"), resource)]
}

fn policy_access(operation: &str, arn: &str) -> Vec<Access> {
    vec![Access::new(format!("iam:{operation}"), arn)]
}

/// IAM's ARNs have no region.
fn ctx_arn(ctx: &Context, resource: String) -> String {
    Arn::new("iam", "", ctx.account(), resource).to_string()
}

pub(crate) fn role_arn(ctx: &Context, row: &RoleRow) -> String {
    ctx_arn(ctx, format!("role{}{}", row.path, row.name))
}

pub(crate) fn policy_arn(ctx: &Context, row: &PolicyRow) -> String {
    ctx_arn(ctx, format!("policy{}{}", row.path, row.name))
}

/// Policy documents travel percent-encoded in answers.
fn encode(document: &str) -> String {
    let mut out = String::with_capacity(document.len() * 2);
    for byte in document.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn check_policy(document: &str) -> Result<(), ServiceError> {
    policy::Policy::parse(document).map(|_| ()).map_err(malformed)
}

fn check_trust(document: &str) -> Result<String, ServiceError> {
    let policy = policy::Policy::parse(document).map_err(malformed)?;
    if policy.statements.iter().any(|s| s.principals.is_none()) {
        return Err(malformed("Missing required field Principal"));
    }
    Ok(document.to_owned())
}

fn tags(tags: Option<&[Tag]>) -> BTreeMap<String, String> {
    tags.unwrap_or_default().iter().map(|t| (t.key.clone(), t.value.clone())).collect()
}

fn shown_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

fn shown_role(ctx: &Context, row: &RoleRow) -> Role {
    Role {
        path: row.path.clone(),
        role_name: row.name.clone(),
        role_id: row.id.clone(),
        arn: role_arn(ctx, row),
        create_date: Timestamp::from_millis(row.created_ms),
        assume_role_policy_document: Some(encode(&row.trust)),
        description: row.description.clone(),
        max_session_duration: Some(row.max_session_s),
        permissions_boundary: row.boundary.clone().map(|arn| AttachedPermissionsBoundary {
            permissions_boundary_type: Some("Policy".to_owned()),
            permissions_boundary_arn: Some(arn),
        }),
        tags: Some(shown_tags(&row.tags)).filter(|t| !t.is_empty()),
        role_last_used: None,
    }
}

fn shown_user(ctx: &Context, row: &UserRow) -> User {
    User {
        path: row.path.clone(),
        user_name: row.name.clone(),
        user_id: row.id.clone(),
        arn: ctx_arn(ctx, format!("user{}{}", row.path, row.name)),
        create_date: Timestamp::from_millis(row.created_ms),
        tags: Some(shown_tags(&row.tags)).filter(|t| !t.is_empty()),
        ..User::default()
    }
}

async fn shown_policy(tx: &Tx, ctx: &Context, row: &PolicyRow) -> Result<Policy, ServiceError> {
    let arn = policy_arn(ctx, row);
    let prefix = ATTACHMENTS.prefix(&(ctx.account().to_owned(), arn.clone()));
    let attached = ATTACHMENTS.scan(tx, prefix, 10_000, false).await?.len();
    Ok(Policy {
        policy_name: Some(row.name.clone()),
        policy_id: Some(row.id.clone()),
        arn: Some(arn),
        path: Some(row.path.clone()),
        default_version_id: Some(format!("v{}", row.default_version)),
        attachment_count: i32::try_from(attached).ok(),
        permissions_boundary_usage_count: Some(0),
        is_attachable: Some(true),
        description: row.description.clone(),
        create_date: Some(Timestamp::from_millis(row.created_ms)),
        update_date: Some(Timestamp::from_millis(row.updated_ms)),
        tags: Some(shown_tags(&row.tags)).filter(|t| !t.is_empty()),
    })
}

/// A policy that AWS manages, as far as its ARN tells.
fn aws_policy(arn: &str) -> Policy {
    Policy {
        policy_name: Some(managed::name_of(arn)),
        arn: Some(arn.to_owned()),
        path: Some("/".to_owned()),
        default_version_id: Some("v1".to_owned()),
        is_attachable: Some(true),
        ..Policy::default()
    }
}

fn shown_version(
    row: &PolicyRow,
    number: u32,
    version: &VersionRow,
    document: bool,
) -> PolicyVersion {
    PolicyVersion {
        document: document.then(|| encode(&version.document)),
        version_id: Some(format!("v{number}")),
        is_default_version: Some(number == row.default_version),
        create_date: Some(Timestamp::from_millis(version.created_ms)),
    }
}

fn version_number(id: &str) -> u32 {
    id.strip_prefix('v').and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn no_such_version(arn: &str, id: &str) -> ServiceError {
    ServiceError::new(
        "NoSuchEntityException",
        format!("Policy {arn} version {id} does not exist or is not attachable."),
    )
}

/// The managed policy behind an ARN; `None` for one of AWS's.
async fn require_policy(
    tx: &Tx,
    ctx: &Context,
    arn: &str,
) -> Result<Option<PolicyRow>, ServiceError> {
    if arn.starts_with("arn:aws:iam::aws:policy/") {
        return Ok(None);
    }
    require_own_policy(tx, ctx, arn).await.map(Some)
}

async fn require_own_policy(tx: &Tx, ctx: &Context, arn: &str) -> Result<PolicyRow, ServiceError> {
    let key = (ctx.account().to_owned(), managed::name_of(arn));
    let row = POLICIES.get(tx, &key).await?.filter(|row| policy_arn(ctx, row) == arn);
    row.ok_or_else(|| no_such_policy(arn))
}

async fn require_user(tx: &Tx, ctx: &Context, name: &str) -> Result<UserRow, ServiceError> {
    let key = (ctx.account().to_owned(), name.to_owned());
    USERS.get(tx, &key).await?.ok_or_else(|| no_such("user", name))
}

async fn require_owner(tx: &Tx, ctx: &Context, kind: &str, name: &str) -> Result<(), ServiceError> {
    let key = (ctx.account().to_owned(), name.to_owned());
    let found = match kind {
        "role" => ROLES.get(tx, &key).await?.is_some(),
        _ => USERS.get(tx, &key).await?.is_some(),
    };
    if found { Ok(()) } else { Err(no_such(kind, name)) }
}

fn attach(tx: &Tx, ctx: &Context, kind: &str, name: &str, arn: &str) -> Result<(), ServiceError> {
    let account = ctx.account().to_owned();
    let row = AttachedRow { name: managed::name_of(arn) };
    let (kind, name, arn) = (kind.to_owned(), name.to_owned(), arn.to_owned());
    ATTACHED.put(tx, &(account.clone(), kind.clone(), name.clone(), arn.clone()), &row)?;
    ATTACHMENTS.put(tx, &(account, arn, kind, name), &row)?;
    Ok(())
}

async fn detach(
    tx: &Tx,
    ctx: &Context,
    kind: &str,
    name: &str,
    arn: &str,
) -> Result<(), ServiceError> {
    let account = ctx.account().to_owned();
    let (kind, name, policy) = (kind.to_owned(), name.to_owned(), arn.to_owned());
    let key = (account.clone(), kind.clone(), name.clone(), policy.clone());
    if ATTACHED.get(tx, &key).await?.is_none() {
        return Err(ServiceError::new(
            "NoSuchEntityException",
            format!("Policy {arn} was not found."),
        ));
    }
    ATTACHED.delete(tx, &key)?;
    ATTACHMENTS.delete(tx, &(account, policy, kind, name))?;
    Ok(())
}

/// The user that is meant: the named one, or the caller.
fn user_name(ctx: &Context, name: Option<&str>) -> Result<String, ServiceError> {
    match (name, ctx.principal()) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, Principal::User { name, .. }) => Ok(name.clone()),
        (None, _) => Err(ServiceError::new(
            "ValidationError",
            "Must specify userName when calling with non-User credentials",
        )),
    }
}

async fn keys_of(
    tx: &Tx,
    ctx: &Context,
    user: &str,
) -> Result<Vec<(String, KeyRow)>, ServiceError> {
    let rows = KEYS.scan(tx, KEYS.starting_with(&(), "AKIA"), 100_000, false).await?;
    let mine = |row: &KeyRow| {
        row.account == ctx.account()
            && matches!(&row.owner, Owner::User { name, .. } if name == user)
    };
    Ok(rows.into_iter().filter(|(_, row)| mine(row)).collect())
}

async fn require_key(tx: &Tx, ctx: &Context, user: &str, id: &str) -> Result<KeyRow, ServiceError> {
    let missing = || {
        ServiceError::new(
            "NoSuchEntityException",
            format!("The Access Key with id {id} cannot be found."),
        )
    };
    let row = KEYS.get(tx, &id.to_owned()).await?.ok_or_else(missing)?;
    let mine = row.account == ctx.account()
        && matches!(&row.owner, Owner::User { name, .. } if name == user);
    if mine { Ok(row) } else { Err(missing()) }
}

fn shown_credentials(issued: &Issued) -> Credentials {
    Credentials {
        access_key_id: issued.access_key.clone(),
        secret_access_key: issued.secret_key.clone(),
        session_token: issued.session_token.clone(),
        expiration: Timestamp::from_millis(issued.expires_ms),
    }
}

/// One page of a listing; markers are offsets.
fn page<T>(
    rows: Vec<T>,
    marker: Option<&String>,
    max: Option<i32>,
) -> Result<(Vec<T>, Option<String>), ServiceError> {
    let start = match marker {
        None => 0,
        Some(marker) => marker.parse::<usize>().map_err(|_| {
            ServiceError::new("ValidationError", format!("Invalid Marker: {marker}"))
        })?,
    };
    let size = usize::try_from(max.unwrap_or(100)).unwrap_or(100);
    let more = rows.len() > start + size;
    let rows = rows.into_iter().skip(start).take(size).collect();
    Ok((rows, more.then(|| (start + size).to_string())))
}
