//! The keys of issuers of tokens: asked for once, kept for two hours.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use undercast_kernel::Kernel;

use super::outward::{blank, send};
use crate::engine::jwt::{self, Key};
use crate::limits::{
    ISSUER_BYTES_MAX, ISSUER_TIMEOUT_MS, ISSUERS_MAX, KEYS_AGAIN_S, KEYS_GOOD_FOR_S,
};

#[derive(Default)]
pub(crate) struct Issuers {
    known: Mutex<HashMap<String, Arc<Issuer>>>,
}

/// What an issuer answered, and when.
pub(crate) struct Issuer {
    pub(crate) keys: Result<Arc<[Key]>, String>,
    asked: Duration,
}

impl Issuers {
    /// The issuer's keys. Those that are kept do if `has` finds what it is looking for among them, or if they
    /// have been asked for a moment ago.
    pub(crate) async fn ask(
        &self,
        kernel: &Kernel,
        issuer: &str,
        has: impl Fn(&[Key]) -> bool,
    ) -> Arc<Issuer> {
        let now = kernel.env().clock.monotonic();
        let known = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(issuer).cloned()
        };
        if let Some(known) = known {
            let has = known.keys.as_ref().is_ok_and(|keys| has(keys));
            let good_for_s = if has { KEYS_GOOD_FOR_S } else { KEYS_AGAIN_S };
            if now.saturating_sub(known.asked) < Duration::from_secs(good_for_s) {
                return known;
            }
            // While this one asks, others do with what is known.
            if let Ok(keys) = &known.keys {
                self.keep(issuer, Issuer { keys: Ok(keys.clone()), asked: now });
            }
        }
        let time = Duration::from_millis(ISSUER_TIMEOUT_MS);
        let keys = kernel.env().timeout(time, fetch(kernel, issuer)).await;
        let keys =
            keys.unwrap_or_else(|_| Err("OIDC discovery endpoint communication error".to_owned()));
        self.keep(issuer, Issuer { keys, asked: now })
    }

    fn keep(&self, name: &str, issuer: Issuer) -> Arc<Issuer> {
        let issuer = Arc::new(issuer);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ISSUERS_MAX {
            known.clear();
        }
        known.insert(name.to_owned(), Arc::clone(&issuer));
        issuer
    }
}

async fn fetch(kernel: &Kernel, issuer: &str) -> Result<Arc<[Key]>, String> {
    let at = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let lost = |why| {
        tracing::warn!(target: "undercast::apigateway", "{issuer}: {why}");
        "OIDC discovery endpoint communication error".to_owned()
    };
    let discovered = document(kernel, &at).await.map_err(lost)?;
    let at = discovered.get("jwks_uri").and_then(Value::as_str);
    let at = at.ok_or_else(|| lost("it names no jwks_uri".to_owned()))?;
    let set = document(kernel, at).await.map_err(|why| {
        tracing::warn!(target: "undercast::apigateway", "{at}: {why}");
        "JWKS communication error".to_owned()
    })?;
    Ok(jwt::keys(&set).into())
}

async fn document(kernel: &Kernel, url: &str) -> Result<Value, String> {
    let mut request = blank("GET");
    request.headers.push(("accept".to_owned(), "application/json".to_owned()));
    let answer = send(kernel, url, request, None).await?;
    if answer.status != 200 {
        return Err(format!("it answers {}", answer.status));
    }
    let body = answer.body.collect(ISSUER_BYTES_MAX).await.map_err(|e| e.to_string())?;
    serde_json::from_slice(&body).map_err(|e| e.to_string())
}
