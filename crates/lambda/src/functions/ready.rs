//! A version made ready to run: code unpacked, credentials at hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use undercast_kernel::{Context, Lane, Principal, ServiceError};
use undercast_sandbox::{Credentials, Function};

use super::{Functions, Target, lock};
use crate::store::FunctionKey;

/// Credentials that are good for less than this are replaced: an invocation may take fifteen minutes.
const RENEW_MS: i64 = 30 * 60_000;

pub(crate) struct Ready {
    pub(super) is_dark: bool,
    pub(super) build: String,
    pub(super) function: Arc<Function>,
    pub(super) running: Arc<AtomicU32>,
    /// The role, for what we do in the function's name; none where nobody issues credentials.
    principal: Option<Principal>,
    expires_ms: i64,
}

impl Functions {
    /// The call as the function's role makes it.
    pub(crate) async fn as_role(
        &self,
        ctx: &Context,
        target: &Target,
    ) -> Result<Context, ServiceError> {
        let ready = self.ready(ctx, target).await?;
        Ok(match &ready.principal {
            Some(principal) => ctx.with_principal(principal.clone()),
            None => ctx.clone(),
        })
    }

    pub(super) async fn ready(
        &self,
        ctx: &Context,
        target: &Target,
    ) -> Result<Arc<Ready>, ServiceError> {
        let room = self.room(ctx)?;
        let is_dark = *ctx.lane() != Lane::Live;
        let slot = (target.name.key(), super::slot(&target.version, is_dark));
        if let Some(ready) = self.at_hand(ctx, target, &slot) {
            return Ok(ready);
        }
        let code = self.code.folder(ctx.kernel().db(), &target.config.code).await?;
        let mut layers = Vec::new();
        for layer in &target.config.settings.layers {
            layers.push(self.code.folder(ctx.kernel().db(), &layer.code).await?);
        }
        let _one = self.preparing.lock().await;
        if let Some(ready) = self.at_hand(ctx, target, &slot) {
            return Ok(ready);
        }
        let (credentials, principal, expires_ms) = credentials(ctx, target).await?;
        let mut function = function(ctx, target)?;
        function.code = code;
        function.layers = layers;
        if is_dark {
            function.log_group = format!("/undercast/dark/{}", function.name);
        }
        function.key = format!(
            "{}:{}:{}:{}",
            function.arn, function.version, target.config.build, credentials.access_key
        );
        room.host.provide(function.key.clone(), credentials);
        let ready = Arc::new(Ready {
            is_dark,
            build: target.config.build.clone(),
            function: Arc::new(function),
            running: self.running(&slot.0),
            principal,
            expires_ms,
        });
        let old = lock(&self.ready).insert(slot, Arc::clone(&ready));
        if let Some(old) = old {
            self.dismiss(&old);
        }
        Ok(ready)
    }

    fn at_hand(
        &self,
        ctx: &Context,
        target: &Target,
        slot: &(FunctionKey, String),
    ) -> Option<Arc<Ready>> {
        let ready = lock(&self.ready).get(slot).cloned()?;
        let is_good =
            ready.build == target.config.build && ready.expires_ms - ctx.now_ms() > RENEW_MS;
        is_good.then_some(ready)
    }
}

/// What an instance runs with. Where nobody issues credentials, the account's number is its key.
async fn credentials(
    ctx: &Context,
    target: &Target,
) -> Result<(Credentials, Option<Principal>, i64), ServiceError> {
    let name = &target.name;
    let Some(port) = ctx.kernel().credentials() else {
        let own = Credentials {
            access_key: name.account.clone(),
            secret_key: "undercast".to_owned(),
            session_token: String::new(),
        };
        return Ok((own, None, i64::MAX));
    };
    let role = target.config.settings.role.clone();
    let issued = port.assume(ctx.kernel().clone(), role, name.name.clone()).await?;
    let credentials = Credentials {
        access_key: issued.access_key,
        secret_key: issued.secret_key,
        session_token: issued.session_token,
    };
    Ok((credentials, Some(issued.principal), issued.expires_ms))
}

fn function(ctx: &Context, target: &Target) -> Result<Function, ServiceError> {
    let (name, settings) = (&target.name, &target.config.settings);
    let vault = &ctx.kernel().settings().vault;
    let environment = match &settings.environment {
        Some(environment) => environment.open(vault, &name.name)?,
        None => BTreeMap::new(),
    };
    Ok(Function {
        arn: name.arn(),
        name: name.name.clone(),
        version: target.version.clone(),
        runtime: settings.runtime.clone(),
        handler: settings.handler.clone(),
        environment: environment.into_iter().collect(),
        memory_mb: settings.memory_mb,
        timeout: Duration::from_secs(u64::from(settings.timeout_s)),
        tmp_mb: settings.tmp_mb,
        region: name.region.clone(),
        account: name.account.clone(),
        log_group: settings.logging.group.clone(),
        json_logs: settings.logging.format == "JSON",
        application_log_level: settings.logging.application_level.clone(),
        system_log_level: settings.logging.system_level.clone(),
        trace_active: settings.tracing == "Active",
        ..Function::default()
    })
}
