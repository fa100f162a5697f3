//! Who may take a route: tokens, Lambda authorizers and signatures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use undercast_kernel::http::{Response, Signed};
use undercast_kernel::{Access, Context, InvokeKind, InvokeRequest, Mode};

use super::Visit;
use super::integrate::with_variables;
use crate::engine::compiled::{Authorization, Authorizer, AuthorizerKind, Matched};
use crate::engine::event::{PRINCIPAL, question};
use crate::engine::jwt::Token;
use crate::engine::mapping::resolve;
use crate::engine::permit::allows;
use crate::engine::reply::message;
use crate::engine::variables::Facts;
use crate::limits::{AUTHORIZER_TIMEOUT_MS, RESULTS_MAX};

/// What becomes of a request.
pub(super) enum Admission {
    /// It may go on; what is known of the caller, in the form of [`Surroundings::authorized`].
    ///
    /// [`Surroundings::authorized`]: crate::engine::event::Surroundings
    Granted(Option<Value>),
    Refused {
        response: Response,
        text: &'static str,
        /// For the access log.
        why: Option<String>,
    },
}

impl Admission {
    fn refused(status: u16, text: &'static str) -> Self {
        Self::Refused { response: message(status, text), text, why: None }
    }

    fn unauthorized(challenge: String, why: Option<String>) -> Self {
        let text = "Unauthorized";
        let response = message(401, text).header("www-authenticate", challenge);
        Self::Refused { response, text, why }
    }

    fn forbidden() -> Self {
        Self::refused(403, "Forbidden")
    }

    fn because(self, reason: impl Into<String>) -> Self {
        match self {
            Self::Refused { response, text, .. } => {
                Self::Refused { response, text, why: Some(reason.into()) }
            }
            granted => granted,
        }
    }
}

/// What a Lambda authorizer answered.
#[derive(Debug)]
struct Said {
    /// A policy, or yes or no.
    permit: Permit,
    authorized: Value,
}

#[derive(Debug)]
enum Permit {
    All(bool),
    Policy(Value),
}

/// Answers that are good for a while, by authorizer and identity.
#[derive(Default)]
pub(super) struct Results {
    known: Mutex<HashMap<String, (i64, Arc<Said>)>>,
}

impl Results {
    fn get(&self, key: &str, now_ms: i64) -> Option<Arc<Said>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(until_ms, _)| now_ms < *until_ms).map(|(_, said)| Arc::clone(said))
    }

    fn put(&self, key: String, until_ms: i64, said: &Arc<Said>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= RESULTS_MAX {
            known.clear();
        }
        known.insert(key, (until_ms, Arc::clone(said)));
    }
}

impl Visit<'_> {
    pub(super) async fn admit(&self, matched: &Matched<'_>) -> Admission {
        // The primary passed here already: a candidate meets what it met, and asks nobody again.
        let primary = self.request.stand_in.as_ref();
        let known = primary
            .filter(|as_| as_.function.is_some() || *matched.authorization == Authorization::Iam);
        if let Some(primary) = known {
            return Admission::Granted(primary.authorized.clone());
        }
        let scopes = match matched.authorization {
            Authorization::Open => return Admission::Granted(None),
            Authorization::Iam => return self.signed().await,
            Authorization::Authorizer { scopes } => scopes,
        };
        let Some(authorizer) = matched.authorizer else {
            return Admission::refused(500, "Internal Server Error")
                .because("there is no authorizer");
        };
        match &authorizer.kind {
            AuthorizerKind::Jwt { issuer, audiences } => {
                let sources = self.sources(matched, authorizer);
                let found = sources.into_iter().flatten().next();
                self.by_token(found, (issuer, audiences), scopes).await
            }
            AuthorizerKind::Function { .. } => self.decided(matched, authorizer).await,
        }
    }

    /// The identity sources; `None` for one that the request lacks.
    fn sources(&self, matched: &Matched<'_>, authorizer: &Authorizer) -> Vec<Option<String>> {
        let facts = Facts {
            request: self.request,
            body: self.body,
            matched: Some(matched),
            around: &self.around,
            response: None,
            outcome: None,
        };
        let sources = authorizer.sources.iter();
        sources.map(|source| resolve(source, &facts).filter(|text| !text.is_empty())).collect()
    }

    async fn by_token(
        &self,
        given: Option<String>,
        (issuer, audiences): (&str, &[String]),
        scopes: &[String],
    ) -> Admission {
        let Some(given) = given else {
            return Admission::unauthorized("Bearer".to_owned(), None);
        };
        let text = match given.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => given.trim(),
        };
        let token = match self.believed(text, issuer, audiences).await {
            Ok(token) => token,
            Err(why) => {
                let of = scopes.join(" ");
                let challenge = format!(
                    r#"Bearer scope="{of}" error="invalid_token" error_description="{}""#,
                    why.replace(['"', '\\'], "'")
                );
                return Admission::unauthorized(challenge, Some(why));
            }
        };
        let have = token.scopes();
        if !scopes.is_empty() && !scopes.iter().any(|scope| have.contains(scope)) {
            let why = "the token does not have a required scope";
            let challenge = format!(
                r#"Bearer scope="{}" error="insufficient_scope" error_description="{why}""#,
                scopes.join(" ")
            );
            let text = "Forbidden";
            let response = message(403, text).header("www-authenticate", challenge);
            return Admission::Refused { response, text, why: Some(why.to_owned()) };
        }
        let scopes = if scopes.is_empty() { Value::Null } else { json!(scopes) };
        Admission::Granted(Some(json!({"jwt": {"claims": token.shown_claims(), "scopes": scopes}})))
    }

    async fn believed<'t>(
        &self,
        text: &'t str,
        issuer: &str,
        audiences: &[String],
    ) -> Result<Token<'t>, String> {
        let token = Token::parse(text)?;
        let has = |keys: &[_]| token.key(keys).is_some();
        let answered = self.door.issuers.ask(self.kernel, issuer, has).await;
        let keys = answered.keys.as_ref().map_err(Clone::clone)?;
        let key = token.key(keys).ok_or("the token's kid is none of the issuer's keys")?;
        token.verify(key)?;
        token.check(issuer, audiences, self.around.now_ms)?;
        Ok(token)
    }

    async fn decided(&self, matched: &Matched<'_>, authorizer: &Authorizer) -> Admission {
        let AuthorizerKind::Function { ttl_ms, .. } = &authorizer.kind else {
            return Admission::forbidden();
        };
        let sources = self.sources(matched, authorizer);
        let sources: Option<Vec<String>> = sources.into_iter().collect();
        let Some(sources) = sources else {
            return Admission::refused(401, "Unauthorized");
        };
        // Without an identity there is nothing to remember an answer by.
        let remembers = *ttl_ms > 0 && !sources.is_empty();
        let key = format!("{} {}", authorizer.id, json!(sources));
        let now_ms = self.around.now_ms;
        let known = remembers.then(|| self.stage.results.get(&key, now_ms)).flatten();
        let method = &self.request.method;
        let arn = self.arn(&format!("{}/{method}{}", self.around.stage, self.around.path));
        let said = match known {
            Some(said) => said,
            None => match self.ask(matched, authorizer, &arn, &sources).await {
                Ok(said) => {
                    let said = Arc::new(said);
                    if remembers && self.is_live() {
                        self.stage.results.put(key, now_ms.saturating_add(*ttl_ms), &said);
                    }
                    said
                }
                Err(why) => return Admission::refused(500, "Internal Server Error").because(why),
            },
        };
        let may = match &said.permit {
            Permit::All(may) => *may,
            Permit::Policy(policy) => allows(policy, &arn),
        };
        match may {
            true => Admission::Granted(Some(said.authorized.clone())),
            false => Admission::forbidden(),
        }
    }

    /// Runs the authorizer's function.
    async fn ask(
        &self,
        matched: &Matched<'_>,
        authorizer: &Authorizer,
        arn: &str,
        sources: &[String],
    ) -> Result<Said, String> {
        let AuthorizerKind::Function { arn: function, payload, is_simple, credentials, .. } =
            &authorizer.kind
        else {
            return Err("the authorizer is no function".to_owned());
        };
        let function = with_variables(function, self.around.variables);
        let source = self.arn(&format!("authorizers/{}", authorizer.id));
        let may = self.may_invoke(&function, credentials.as_deref(), &source).await;
        may.map_err(|error| error.to_string())?;
        let event = question(self.request, matched, &self.around, payload, (arn, sources));
        let invoke = InvokeRequest {
            function,
            payload: event.to_string().into(),
            kind: InvokeKind::RequestResponse,
            guise: None,
        };
        let port = self.kernel.invoke().map_err(|error| error.to_string())?;
        let call = port.invoke(self.context(), invoke);
        let time = Duration::from_millis(AUTHORIZER_TIMEOUT_MS);
        let answer = self.kernel.env().timeout(time, call).await;
        let answer = answer.map_err(|_| "the authorizer did not answer in time")?;
        let answer = answer.map_err(|error| error.to_string())?;
        if let Some(kind) = answer.function_error {
            return Err(format!("the authorizer failed: {kind}"));
        }
        let answer = serde_json::from_slice::<Value>(&answer.payload).unwrap_or_default();
        read(&answer, *is_simple && payload == "2.0")
            .ok_or_else(|| "the authorizer's answer has no form that is known".to_owned())
    }

    /// Whoever signed the request and may call the API. HTTP APIs have no policies of their own: callers of
    /// other accounts have no way in.
    async fn signed(&self) -> Admission {
        let caller = match &self.request.caller {
            Signed::No => return Admission::forbidden(),
            Signed::Wrongly(why) => return Admission::forbidden().because(why),
            Signed::By(caller) => caller,
        };
        let account = caller.principal().account().unwrap_or_default();
        let is_secure = self.kernel.settings().mode == Mode::Secure;
        if is_secure && account != self.around.account {
            return Admission::forbidden();
        }
        let caller = caller.within(account, self.stage.region.as_str());
        let resource = format!("{}/{}{}", self.around.stage, self.request.method, self.around.path);
        let access = Access::new("execute-api:Invoke", self.arn(&resource));
        match self.kernel.check(&caller, vec![access]).await {
            Ok(()) => Admission::Granted(Some(json!({"iam": self.shown(&caller)}))),
            Err(error) => Admission::forbidden().because(error.message()),
        }
    }

    fn shown(&self, caller: &Context) -> Value {
        let authorization = self.request.header("authorization").unwrap_or_default();
        let key = match authorization.split_once("Credential=") {
            Some((_, rest)) => rest.split('/').next().unwrap_or_default().to_owned(),
            None => {
                let pairs = self.request.query_pairs();
                let credential = pairs.iter().find(|(name, _)| name == "X-Amz-Credential");
                let key = credential.and_then(|(_, value)| value.split('/').next());
                key.unwrap_or_default().to_owned()
            }
        };
        let principal = caller.principal();
        json!({
            "accessKey": key,
            "accountId": caller.account(),
            "callerId": principal.user_id(),
            "cognitoIdentity": null,
            "principalOrgId": null,
            "userArn": principal.arn(),
            "userId": principal.user_id(),
        })
    }
}

/// The answer of an authorizer's function; `None` if it has no form that the gateway takes.
fn read(answer: &Value, is_simple: bool) -> Option<Said> {
    let context = match answer.get("context") {
        None | Some(Value::Null) => Value::Null,
        Some(context) => Value::Object(context.as_object()?.clone()),
    };
    if is_simple {
        let may = answer.get("isAuthorized")?.as_bool()?;
        return Some(Said { permit: Permit::All(may), authorized: json!({"lambda": context}) });
    }
    let policy = answer.get("policyDocument").filter(|policy| policy.is_object())?;
    let principal = answer.get("principalId")?.as_str()?;
    Some(Said {
        permit: Permit::Policy(policy.clone()),
        authorized: json!({"lambda": context, PRINCIPAL: principal}),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_authorizers_have_two_forms() {
        let simple = read(&json!({"isAuthorized": true, "context": {"a": 1}}), true).unwrap();
        assert!(matches!(simple.permit, Permit::All(true)));
        assert_eq!(simple.authorized, json!({"lambda": {"a": 1}}));
        assert!(read(&json!({"isAuthorized": "true"}), true).is_none());
        assert!(read(&json!({"isAuthorized": true}), false).is_none());
        let full = json!({"principalId": "me", "policyDocument": {"Statement": []}});
        assert_eq!(
            read(&full, false).unwrap().authorized,
            json!({"lambda": null, "principalId": "me"})
        );
        assert!(read(&full, true).is_none());
        assert!(read(&json!({"principalId": "me", "policyDocument": "x"}), false).is_none());
        assert!(read(&json!({"policyDocument": {}}), false).is_none());
        assert!(read(&json!({"isAuthorized": true, "context": "x"}), true).is_none());
    }
}
