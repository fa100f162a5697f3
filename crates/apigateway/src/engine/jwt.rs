//! JSON Web Tokens as a JWT authorizer takes them: signed with RSA, good for an issuer and an audience.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents};
use serde_json::{Map, Value};

/// A token that has been taken apart and not been believed yet.
pub(crate) struct Token<'a> {
    key_id: String,
    algorithm: String,
    pub(crate) claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

/// One public key of an issuer.
pub(crate) struct Key {
    id: String,
    algorithm: Option<String>,
    n: Vec<u8>,
    e: Vec<u8>,
}

/// The keys of a JSON Web Key Set that can check signatures with RSA; others are left out.
pub(crate) fn keys(set: &Value) -> Vec<Key> {
    let all = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|key| {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let usable = text("kty") == Some("RSA") && text("use").is_none_or(|of| of == "sig");
        let number = |name: &str| BASE64.decode(text(name)?.trim_end_matches('=')).ok();
        usable.then_some(())?;
        Some(Key {
            id: text("kid")?.to_owned(),
            algorithm: text("alg").map(str::to_owned),
            n: number("n")?,
            e: number("e")?,
        })
    })
    .collect()
}

fn parameters(algorithm: &str) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
        "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
        "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

impl<'a> Token<'a> {
    /// The error says what the client is told.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let malformed = || "token contains an invalid number of segments".to_owned();
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let part = |part: &str, what: &str| {
            let bytes = BASE64.decode(part).ok();
            let value = bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            match value {
                Some(Value::Object(members)) => Ok(members),
                _ => Err(format!("the {what} of the token cannot be decoded")),
            }
        };
        let header = part(header, "header")?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            key_id: text("kid").ok_or("the token has no kid")?,
            algorithm: text("alg").ok_or("the token has no alg")?,
            claims: part(claims, "payload")?,
            signed,
            signature: BASE64.decode(signature).map_err(|_| "signature is invalid".to_owned())?,
        })
    }

    /// The key that it says it was signed with.
    pub(crate) fn key<'k>(&self, keys: &'k [Key]) -> Option<&'k Key> {
        keys.iter().find(|key| key.id == self.key_id)
    }

    /// Whether the key signed it.
    pub(crate) fn verify(&self, key: &Key) -> Result<(), String> {
        let invalid = || format!("signing method {} is invalid", self.algorithm);
        let parameters = parameters(&self.algorithm).ok_or_else(invalid)?;
        if key.algorithm.as_ref().is_some_and(|of| *of != self.algorithm) {
            return Err(invalid());
        }
        RsaPublicKeyComponents { n: &key.n, e: &key.e }
            .verify(parameters, self.signed.as_bytes(), &self.signature)
            .map_err(|_| "signature is invalid".to_owned())
    }

    /// Whether it is good for the issuer and one of the audiences at this time.
    pub(crate) fn check(
        &self,
        issuer: &str,
        audiences: &[String],
        now_ms: i64,
    ) -> Result<(), String> {
        let claim = |name: &str| self.claims.get(name).filter(|claim| !claim.is_null());
        if claim("iss").and_then(Value::as_str) != Some(issuer) {
            return Err("the token does not have a valid issuer".to_owned());
        }
        // `client_id` counts where there is no `aud`, as in access tokens of Cognito.
        let audience = claim("aud").or_else(|| claim("client_id"));
        if !audience.is_some_and(|of| words(of).iter().any(|one| audiences.contains(one))) {
            return Err("the token does not have a valid audience".to_owned());
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds are far below what a float holds")]
        let now = now_ms as f64 / 1000.0;
        let Some(expires) = claim("exp").and_then(Value::as_f64) else {
            return Err("the token does not have a valid expiration time".to_owned());
        };
        if expires <= now {
            return Err("the token has expired".to_owned());
        }
        for name in ["nbf", "iat"] {
            let Some(given) = claim(name) else { continue };
            if given.as_f64().is_none_or(|begins| begins > now) {
                return Err("the token is not valid yet".to_owned());
            }
        }
        Ok(())
    }

    /// What it permits: `scope`, or `scp` where others write it.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let given = self.claims.get("scope").or_else(|| self.claims.get("scp"));
        match given {
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            Some(list) => words(list),
            None => Vec::new(),
        }
    }

    /// The claims as functions see them: every value is text.
    pub(crate) fn shown_claims(&self) -> Map<String, Value> {
        self.claims.iter().map(|(name, value)| (name.clone(), shown(value).into())).collect()
    }
}

/// One text, or a list of them.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// Lists are in brackets without commas, as AWS has them.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(shown).collect();
            format!("[{}]", all.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// An issuer's key set and a token that it signed with RS256, good until 2100.
    const SET: &str = include_str!("testdata/jwks.json");
    const TOKEN: &str = include_str!("testdata/token.txt");

    fn token() -> Token<'static> {
        Token::parse(TOKEN.trim()).unwrap()
    }

    #[test]
    fn a_signature_is_believed_only_from_the_key_that_made_it() {
        let keys = keys(&serde_json::from_str(SET).unwrap());
        let token = token();
        assert_eq!(keys.len(), 2, "keys for encryption and of other kinds are left out");
        token.verify(token.key(&keys).unwrap()).unwrap();
        let other = keys.iter().find(|key| key.id != token.key_id).unwrap();
        assert_eq!(token.verify(other).unwrap_err(), "signature is invalid");
    }

    #[test]
    fn no_token_chooses_how_it_is_checked() {
        let keys = keys(&serde_json::from_str(SET).unwrap());
        for algorithm in ["none", "HS256", "RS384"] {
            let mut token = token();
            token.algorithm = algorithm.to_owned();
            let said = token.verify(token.key(&keys).unwrap()).unwrap_err();
            assert_eq!(said, format!("signing method {algorithm} is invalid"));
        }
        let (head, _) = TOKEN.rsplit_once('.').unwrap();
        assert!(Token::parse(head).is_err());
        assert!(Token::parse("a.b.c").is_err());
        assert!(Token::parse("").is_err());
    }

    #[test]
    fn claims_are_checked_in_the_order_of_the_documentation() {
        let now = 1_800_000_000_000;
        let mut token = token();
        let check = |token: &Token<'_>, claims: Value| {
            let claims = claims.as_object().unwrap().clone();
            let token = Token {
                claims,
                signature: Vec::new(),
                key_id: String::new(),
                algorithm: String::new(),
                signed: token.signed,
            };
            token.check("https://i", &["a".to_owned(), "b".to_owned()], now)
        };
        let good = json!({"iss": "https://i", "aud": ["x", "b"], "exp": 1_800_000_001});
        assert_eq!(check(&token, good.clone()), Ok(()));
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            check(&token, claims).err()
        };
        assert_eq!(
            with("iss", json!("https://j")).unwrap(),
            "the token does not have a valid issuer"
        );
        assert_eq!(with("aud", json!("x")).unwrap(), "the token does not have a valid audience");
        assert_eq!(with("exp", json!(1_800_000_000)).unwrap(), "the token has expired");
        assert!(with("exp", json!("1800000001")).is_some(), "a time is a number");
        assert_eq!(with("nbf", json!(1_800_000_001)).unwrap(), "the token is not valid yet");
        assert!(with("nbf", json!("0")).is_some());
        assert_eq!(with("iat", json!(1_800_000_000)), None);
        let client = json!({"iss": "https://i", "client_id": "a", "exp": 1_800_000_001});
        assert_eq!(check(&token, client.clone()), Ok(()));
        let mut both = client;
        both["aud"] = json!("x");
        assert!(check(&token, both).is_err(), "client_id counts only without aud");
        token.claims =
            json!({"scope": "a b", "n": 1, "g": ["x", "y"]}).as_object().unwrap().clone();
        assert_eq!(token.scopes(), ["a", "b"]);
        assert_eq!(
            Value::Object(token.shown_claims()),
            json!({"scope": "a b", "n": "1", "g": "[x y]"})
        );
    }
}
