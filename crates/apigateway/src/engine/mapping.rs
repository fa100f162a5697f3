//! Parameter mapping: what integrations change in a request on its way in, and in an answer on its way out.
//!
//! A key says what is changed (`append:header.x`, `overwrite:path`), its value where the new text comes
//! from (`$request.querystring.a`, `${context.requestId}/x`, or the text itself).

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use undercast_kernel::ServiceError;
use undercast_kernel::http::{Request, Response};

use crate::error::bad;
use crate::limits::MAPPED_BODY_BYTES_MAX;

/// What stays as it is in an encoded name, value or segment.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What is no part of a path, or ends it.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');
/// Headers that only the gateway itself sets; a name that ends with `-` stands for all that begin so.
const RESERVED: &[&str] = &[
    "access-control-",
    "apigw-",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-amz-",
    "x-amzn-",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Append,
    Overwrite,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Header(String),
    Query(String),
    Path,
    Status,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    action: Action,
    place: Place,
    source: String,
}

fn change(key: &str, source: &str) -> Result<Change, ServiceError> {
    let invalid = || bad(format!("Invalid mapping expression parameter specified: {key}"));
    let (action, place) = key.split_once(':').ok_or_else(invalid)?;
    let action = match action {
        "append" => Action::Append,
        "overwrite" => Action::Overwrite,
        "remove" => Action::Remove,
        _ => return Err(invalid()),
    };
    let place = match place.split_once('.') {
        Some(("header", name)) if !name.is_empty() => {
            let name = name.to_ascii_lowercase();
            let is_reserved = |of: &str| name == of || of.ends_with('-') && name.starts_with(of);
            if RESERVED.iter().any(|of| is_reserved(of)) {
                return Err(bad(format!("Operations on header {name} are restricted")));
            }
            Place::Header(name)
        }
        Some(("querystring", name)) if !name.is_empty() => Place::Query(name.to_owned()),
        None if place == "path" && action == Action::Overwrite => Place::Path,
        None if place == "statuscode" && action == Action::Overwrite => Place::Status,
        _ => return Err(invalid()),
    };
    Ok(Change { action, place, source: source.to_owned() })
}

fn changes(of: &Map<String, Value>) -> Result<Vec<Change>, ServiceError> {
    of.iter().map(|(key, source)| change(key, source.as_str().unwrap_or_default())).collect()
}

/// `RequestParameters` of an integration that is no service's.
pub(crate) fn request_changes(of: &Map<String, Value>) -> Result<Vec<Change>, ServiceError> {
    let changes = changes(of)?;
    match changes.iter().any(|change| change.place == Place::Status) {
        true => Err(bad("Invalid mapping expression parameter specified: overwrite:statuscode")),
        false => Ok(changes),
    }
}

/// `ResponseParameters`: the changes by status.
pub(crate) fn response_changes(
    of: &Map<String, Value>,
) -> Result<BTreeMap<u16, Vec<Change>>, ServiceError> {
    let by_status = of.iter().map(|(status, of)| {
        let status = status.parse().ok().filter(|status| (200..=599).contains(status));
        let status = status.ok_or_else(|| {
            bad("Invalid response parameters: a status code from 200 to 599 is expected")
        })?;
        let changes = changes(of.as_object().unwrap_or(&Map::new()))?;
        if changes.iter().any(|change| matches!(change.place, Place::Query(_) | Place::Path)) {
            return Err(bad("Response parameters change headers and the status code only"));
        }
        Ok((status, changes))
    });
    by_status.collect()
}

/// Where the texts of selection expressions come from.
pub(crate) trait Source {
    /// `request.header.x`, `context.requestId`, `stageVariables.a`, `response.body.b`; without `$`.
    fn get(&self, name: &str) -> Option<String>;
}

/// What an expression stands for; `None` where its one variable is not there.
pub(crate) fn resolve(expression: &str, source: &dyn Source) -> Option<String> {
    if let Some(name) = expression.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
        return source.get(name);
    }
    let mut out = String::new();
    let mut rest = expression;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        match source.get(name) {
            Some(value) => out.push_str(&value),
            // Nothing stands beside it: it is nothing.
            None if before.is_empty() && after.is_empty() && out.is_empty() => return None,
            None => {}
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// A request on its way to the integration.
pub(crate) struct Outgoing {
    pub(crate) request: Request,
    /// What `overwrite:path` says.
    pub(crate) path: Option<String>,
}

pub(crate) fn apply_to_request(
    changes: &[Change],
    request: &Request,
    source: &dyn Source,
) -> Outgoing {
    let mut out = Outgoing { request: request.clone(), path: None };
    let mut query: Option<Vec<(String, String)>> = None;
    for change in changes {
        let value = resolve(&change.source, source);
        match &change.place {
            Place::Header(name) => edit(&mut out.request.headers, name, change.action, value),
            Place::Query(name) => {
                let pairs = query.get_or_insert_with(|| request.query_pairs());
                edit(pairs, name, change.action, value);
            }
            Place::Path => {
                out.path = value.map(|path| utf8_percent_encode(&path, PATH).to_string());
            }
            Place::Status => {}
        }
    }
    if let Some(pairs) = query {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        out.request.query = pairs.join("&");
    }
    out
}

pub(crate) fn apply_to_response(changes: &[Change], response: &mut Response, source: &dyn Source) {
    for change in changes {
        let value = resolve(&change.source, source);
        match &change.place {
            Place::Header(name) => edit(&mut response.headers, name, change.action, value),
            Place::Status => {
                let status = value.and_then(|value| value.parse().ok());
                if let Some(status) = status.filter(|status| (200..=599).contains(status)) {
                    response.status = status;
                }
            }
            Place::Query(_) | Place::Path => {}
        }
    }
}

/// A value that is not there changes nothing.
fn edit(pairs: &mut Vec<(String, String)>, name: &str, action: Action, value: Option<String>) {
    match (action, value) {
        (Action::Remove, _) => pairs.retain(|(have, _)| have != name),
        (Action::Append, Some(value)) => pairs.push((name.to_owned(), value)),
        (Action::Overwrite, Some(value)) => {
            pairs.retain(|(have, _)| have != name);
            pairs.push((name.to_owned(), value));
        }
        (_, None) => {}
    }
}

/// A member of a JSON body by a path such as `.a.b[0]['c']`; the body itself for an empty one.
pub(crate) fn in_body(body: &[u8], path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(String::from_utf8_lossy(body).into_owned());
    }
    let value: Value =
        serde_json::from_slice(body.get(..MAPPED_BODY_BYTES_MAX).unwrap_or(body)).ok()?;
    let mut at = &value;
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (step, after) = inner.split_once(']')?;
                (step.trim_matches(['\'', '"']), after)
            }
            None => {
                let inner = rest.strip_prefix('.')?;
                let end = inner.find(['.', '[']).unwrap_or(inner.len());
                inner.split_at(end)
            }
        };
        at = match at {
            Value::Array(all) => all.get(step.parse::<usize>().ok()?)?,
            other => other.get(step)?,
        };
        rest = after;
    }
    match at {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Fixed;

    impl Source for Fixed {
        fn get(&self, name: &str) -> Option<String> {
            match name {
                "request.path.id" => Some("7".to_owned()),
                "context.stage" => Some("prod".to_owned()),
                _ => None,
            }
        }
    }

    fn said(result: Result<Vec<Change>, ServiceError>) -> String {
        result.unwrap_err().message().to_owned()
    }

    #[test]
    fn keys_are_checked_and_reserved_headers_refused() {
        let of = |key: &str| request_changes(json!({key: "x"}).as_object().unwrap());
        for key in
            ["append:header.a", "overwrite:querystring.B", "remove:header.X-Y", "overwrite:path"]
        {
            assert!(of(key).is_ok(), "{key}");
        }
        for key in [
            "header.a",
            "set:header.a",
            "append:path",
            "append:header.",
            "overwrite:statuscode",
            "append:body.x",
        ] {
            assert!(said(of(key)).starts_with("Invalid mapping expression"), "{key}");
        }
        for name in ["Authorization", "x-amz-date", "Access-Control-Allow-Origin", "Via"] {
            let message = said(of(&format!("overwrite:header.{name}")));
            assert_eq!(
                message,
                format!("Operations on header {} are restricted", name.to_lowercase())
            );
        }
        let by_status = |of: Value| response_changes(of.as_object().unwrap());
        assert!(by_status(json!({"200": {"overwrite:statuscode": "201"}})).is_ok());
        assert!(by_status(json!({"default": {}})).is_err());
        assert!(by_status(json!({"200": {"append:querystring.a": "b"}})).is_err());
    }

    #[test]
    fn expressions_are_variables_texts_or_both() {
        let of = |expression: &str| resolve(expression, &Fixed);
        assert_eq!(of("$request.path.id").unwrap(), "7");
        assert_eq!(of("${request.path.id}").unwrap(), "7");
        assert_eq!(of("/${context.stage}/${request.path.id}/x").unwrap(), "/prod/7/x");
        assert_eq!(of("plain").unwrap(), "plain");
        assert_eq!(of("a${none}b").unwrap(), "ab");
        assert_eq!(of("${unclosed").unwrap(), "${unclosed");
        assert_eq!(of("$none"), None);
        assert_eq!(of("${none}"), None);
    }

    #[test]
    fn requests_and_responses_are_changed_in_place() {
        let request = Request {
            headers: vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())],
            query: "x=1&y=a%20b".to_owned(),
            ..blank()
        };
        let changes = request_changes(
            json!({
                "append:header.a": "$request.path.id", "remove:header.b": "''",
                "overwrite:header.c": "$none", "overwrite:querystring.x": "é&",
                "overwrite:path": "/v/${request.path.id}",
            })
            .as_object()
            .unwrap(),
        )
        .unwrap();
        let out = apply_to_request(&changes, &request, &Fixed);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(out.request.headers, [pair("a", "1"), pair("a", "7")]);
        assert_eq!(out.request.query, "y=a%20b&x=%C3%A9%26");
        assert_eq!(out.path.unwrap(), "/v/7");
        let mut response = Response::new(200).header("a", "1");
        let of =
            json!({"200": {"overwrite:statuscode": "$request.path.id", "overwrite:header.a": "2"}});
        let changes = response_changes(of.as_object().unwrap()).unwrap();
        apply_to_response(&changes[&200], &mut response, &Fixed);
        assert_eq!((response.status, response.headers), (200, vec![pair("a", "2")]));
    }

    fn blank() -> Request {
        crate::door::outward::blank("GET")
    }

    #[test]
    fn bodies_are_looked_into() {
        let body = br#"{"a": {"b": [1, {"c d": "x"}]}, "n": null}"#;
        assert_eq!(in_body(body, ".a.b[1]['c d']").unwrap(), "x");
        assert_eq!(in_body(body, ".a.b[0]").unwrap(), "1");
        assert_eq!(in_body(body, ".a.b").unwrap(), r#"[1,{"c d":"x"}]"#);
        assert_eq!(in_body(body, ".n"), None);
        assert_eq!(in_body(body, ".a[x]"), None);
        assert_eq!(in_body(b"no json", ".a"), None);
        assert_eq!(in_body(b"no json", "").unwrap(), "no json");
    }
}
