//! What IAM provides to everybody: decisions and credentials.

use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use undercast_kernel::ports::Issued;
use undercast_kernel::{
    Access, Arn, Authorize, Context, Credentials, Decision, Kernel, Principal, Secret,
    ServiceError, Vault,
};
use undercast_store::Tx;

use crate::Iam;
use crate::error::no_such;
use crate::managed;
use crate::policy::{Policy, Question, Verdict, evaluate};
use crate::store::{ATTACHED, INLINE, KEYS, KeyRow, Owner, POLICIES, ROLES, VERSIONS};

/// How long a function's credentials last.
const FUNCTION_SESSION_S: i64 = 12 * 3600;

impl Authorize for Iam {
    fn authorize(
        &self,
        ctx: Context,
        accesses: Vec<Access>,
    ) -> BoxFuture<'static, Result<Decision, ServiceError>> {
        async move {
            let (kind, name) = match ctx.principal() {
                Principal::Root { .. } | Principal::Service { .. } => return Ok(Decision::Allowed),
                Principal::User { name, .. } => ("user", name.clone()),
                Principal::Role { name, .. } => ("role", name.clone()),
                Principal::Anonymous => {
                    return Ok(denied(&ctx, accesses.first(), Verdict::Implicit));
                }
            };
            let policies = load(&ctx, kind, name).await?;
            for access in &accesses {
                let context = condition_context(&ctx, access);
                let question = Question {
                    action: &access.action,
                    resource: &access.resource,
                    context: &context,
                };
                let verdict = match evaluate(policies.identity.iter(), &question) {
                    Verdict::Allow => match &policies.boundary {
                        Some(boundary) => boundary.evaluate(&question),
                        None => Verdict::Allow,
                    },
                    other => other,
                };
                if verdict != Verdict::Allow {
                    return Ok(denied(&ctx, Some(access), verdict));
                }
            }
            Ok(Decision::Allowed)
        }
        .boxed()
    }
}

fn denied(ctx: &Context, access: Option<&Access>, verdict: Verdict) -> Decision {
    let (action, resource) =
        access.map_or(("", "*"), |access| (access.action.as_str(), access.resource.as_str()));
    let why = if verdict == Verdict::Explicit {
        "with an explicit deny in an identity-based policy".to_owned()
    } else {
        format!("because no identity-based policy allows the {action} action")
    };
    let message = format!(
        "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
        ctx.principal().arn()
    );
    Decision::Denied { message }
}

/// The global condition keys, and those of the service.
fn condition_context(ctx: &Context, access: &Access) -> BTreeMap<String, Vec<String>> {
    let origin = ctx.origin();
    let mut context = BTreeMap::new();
    let mut put = |key: &str, value: String| {
        if !value.is_empty() {
            context.insert(key.to_owned(), vec![value]);
        }
    };
    put("aws:requestedregion", ctx.region().to_owned());
    put("aws:principalarn", ctx.principal().arn());
    put("aws:principalaccount", ctx.principal().account().unwrap_or_default().to_owned());
    put("aws:userid", ctx.principal().user_id());
    put("aws:sourceip", origin.source_ip.clone());
    put("aws:useragent", origin.user_agent.clone());
    put("aws:securetransport", origin.url.starts_with("https:").to_string());
    put("aws:currenttime", undercast_smithy::Timestamp::from_millis(ctx.now_ms()).iso8601());
    if let Principal::User { name, .. } = ctx.principal() {
        put("aws:username", name.clone());
    }
    for (key, values) in &access.conditions {
        context.insert(key.to_lowercase(), values.clone());
    }
    context
}

struct Loaded {
    identity: Vec<Policy>,
    boundary: Option<Policy>,
}

async fn load(ctx: &Context, kind: &'static str, name: String) -> Result<Loaded, ServiceError> {
    ctx.transact(name, move |tx, ctx, name| async move {
        let owner = (ctx.account().to_owned(), kind.to_owned(), String::clone(&name));
        let mut documents = Vec::new();
        for (_, row) in INLINE.scan(&tx, INLINE.prefix(&owner), 1_000, false).await? {
            documents.push(row.document);
        }
        for (key, _) in ATTACHED.scan(&tx, ATTACHED.prefix(&owner), 1_000, false).await? {
            documents.extend(policy_document(&tx, &key.3).await?);
        }
        let boundary = if kind == "role" {
            let role = ROLES.get(&tx, &(owner.0, String::clone(&name))).await?;
            match role.and_then(|role| role.boundary) {
                Some(arn) => policy_document(&tx, &arn).await?,
                None => None,
            }
        } else {
            None
        };
        // What is stored was checked when it came; a document that cannot be read grants nothing.
        Ok(Loaded {
            identity: documents.iter().filter_map(|text| Policy::parse(text).ok()).collect(),
            boundary: boundary.and_then(|text| Policy::parse(&text).ok()),
        })
    })
    .await
}

/// The default version of a managed policy, ours or AWS's.
pub(crate) async fn policy_document(tx: &Tx, arn: &str) -> Result<Option<String>, ServiceError> {
    if let Some(document) = managed::document(arn) {
        return Ok(Some(document));
    }
    let Some(parsed) = Arn::parse(arn) else {
        return Ok(None);
    };
    let key = (parsed.account, managed::name_of(arn));
    let Some(row) = POLICIES.get(tx, &key).await? else {
        return Ok(None);
    };
    let version = VERSIONS.get(tx, &(key.0, key.1, row.default_version)).await?;
    Ok(version.map(|v| v.document))
}

impl Credentials for Iam {
    fn lookup(
        &self,
        kernel: Kernel,
        access_key: String,
    ) -> BoxFuture<'static, Result<Option<Secret>, ServiceError>> {
        async move {
            // Keys of ours begin like AWS's; anything else is nobody's and needs no look-up.
            if !access_key.starts_with("AKIA") && !access_key.starts_with("ASIA") {
                return Ok(None);
            }
            let row = KEYS.read(kernel.db(), &access_key).await?;
            let vault = &kernel.settings().vault;
            row.filter(|row| row.active).map(|row| secret(vault, &access_key, &row)).transpose()
        }
        .boxed()
    }

    fn assume(
        &self,
        kernel: Kernel,
        role_arn: String,
        session: String,
    ) -> BoxFuture<'static, Result<Issued, ServiceError>> {
        async move {
            let arn = Arn::parse(&role_arn).ok_or_else(|| {
                ServiceError::new("ValidationError", format!("{role_arn} is invalid"))
            })?;
            let ctx = kernel.service_context("sts.amazonaws.com", &arn.account, "us-east-1");
            ctx.transact((role_arn, session), |tx, ctx, input| async move {
                let name = managed::name_of(&input.0);
                let account = Arn::parse(&input.0).map(|arn| arn.account).unwrap_or_default();
                let role = ROLES.get(&tx, &(account.clone(), name.clone())).await?;
                // A function may name a role that nobody made, where policies are not enforced.
                let id = role.map_or_else(|| "AROAUNKNOWNROLE".to_owned(), |role| role.id);
                let owner = Owner::Role { name, id, session: input.1.clone() };
                issue(&tx, &ctx, account, owner, FUNCTION_SESSION_S)
            })
            .await
        }
        .boxed()
    }
}

fn secret(vault: &Vault, access_key: &str, row: &KeyRow) -> Result<Secret, ServiceError> {
    let open = |sealed| vault.open(access_key, sealed);
    Ok(Secret {
        secret_key: open(&row.secret)?,
        session_token: row.session_token.as_ref().map(open).transpose()?,
        expires_ms: row.expires_ms,
        principal: principal(row),
    })
}

fn principal(row: &KeyRow) -> Principal {
    let account = row.account.clone();
    match row.owner.clone() {
        Owner::Root => Principal::Root { account },
        Owner::User { name, id } => Principal::User { account, name, id },
        Owner::Role { name, id, session } => Principal::Role { account, name, id, session },
    }
}

/// Makes temporary credentials.
pub(crate) fn issue(
    tx: &Tx,
    ctx: &Context,
    account: String,
    owner: Owner,
    seconds: i64,
) -> Result<Issued, ServiceError> {
    let ids = tx.ids();
    let access_key = format!("ASIA{}", ids.alphanumeric(16).to_uppercase());
    let (secret_key, session_token) = (ids.alphanumeric(40), ids.alphanumeric(128));
    let seal = |text: &str| ctx.kernel().settings().vault.seal(ids, &access_key, text);
    let row = KeyRow {
        account,
        secret: seal(&secret_key)?,
        owner,
        active: true,
        session_token: Some(seal(&session_token)?),
        expires_ms: Some(tx.now_ms() + seconds * 1000),
        created_ms: tx.now_ms(),
    };
    KEYS.put(tx, &access_key, &row)?;
    crate::tasks::spawn_expire(tx, &access_key, row.expires_ms.unwrap_or_default())?;
    Ok(Issued {
        secret_key,
        session_token,
        expires_ms: row.expires_ms.unwrap_or_default(),
        principal: principal(&row),
        access_key,
    })
}

/// Makes a permanent key of the account itself, or sees to it that the one that was made is known: what a secure start
/// keeps in its data folder.
pub async fn root_key(
    kernel: &Kernel,
    account: &str,
    made: Option<(String, String)>,
) -> Result<(String, String), ServiceError> {
    let ctx = kernel.service_context("iam.amazonaws.com", account, "us-east-1");
    ctx.transact(made, |tx, ctx, made| async move {
        let (access_key, secret) = match &*made {
            Some(made) => made.clone(),
            None => (
                format!("AKIA{}", tx.ids().alphanumeric(16).to_uppercase()),
                tx.ids().alphanumeric(40),
            ),
        };
        if KEYS.get(&tx, &access_key).await?.is_some() {
            return Ok((access_key, secret));
        }
        let row = KeyRow {
            account: ctx.account().to_owned(),
            secret: ctx.kernel().settings().vault.seal(tx.ids(), &access_key, &secret)?,
            owner: Owner::Root,
            active: true,
            session_token: None,
            expires_ms: None,
            created_ms: tx.now_ms(),
        };
        KEYS.put(&tx, &access_key, &row)?;
        Ok((access_key, secret))
    })
    .await
}

/// A role, or AWS's error.
pub(crate) async fn require_role(
    tx: &Tx,
    ctx: &Context,
    name: &str,
) -> Result<crate::store::RoleRow, ServiceError> {
    let key = (ctx.account().to_owned(), name.to_owned());
    ROLES.get(tx, &key).await?.ok_or_else(|| no_such("role", name))
}
