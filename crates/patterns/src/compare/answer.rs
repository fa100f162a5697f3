//! Answers: failures, status, headers, bodies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::path::Path;
use super::walk::Walk;
use super::{Answer, BodyKind, Class, Kind, Part, STRUCTURE_BYTES_MAX, text};

pub(super) fn is_failure(answer: &Answer) -> bool {
    match answer {
        Answer::Http { status, .. } => *status >= 500,
        Answer::Invoke { payload, error } => {
            error.is_some() || proxy_answer(payload).is_some_and(|http| http.status >= 500)
        }
        Answer::Failed { .. } => true,
    }
}

/// An HTTP answer, whatever it came as.
struct Http<'a> {
    status: u16,
    headers: Cow<'a, [(String, String)]>,
    body: Cow<'a, [u8]>,
}

pub(super) fn compare(walk: &mut Walk<'_>, primary: &Answer, candidate: &Answer) {
    match (primary, candidate) {
        (Answer::Failed { kind: a, message: x }, Answer::Failed { kind: b, message: y }) => {
            if a != b {
                let place = format!("primary {a}, candidate {b}");
                failure(walk, failure_class(b), place, (x, y));
            }
        }
        (Answer::Failed { kind, message }, _) => {
            failure(walk, failure_class(kind), format!("primary {kind}"), (message, ""));
        }
        (_, Answer::Failed { kind, message }) => {
            failure(walk, failure_class(kind), format!("candidate {kind}"), ("", message));
        }
        (
            Answer::Invoke { payload: a, error: Some(x) },
            Answer::Invoke { payload: b, error: Some(y) },
        ) => {
            let (x, y) = (thrown(x, a), thrown(y, b));
            if x != y {
                let samples = (show(a), show(b));
                failure(
                    walk,
                    Class::Threw,
                    format!("primary {x}, candidate {y}"),
                    (&samples.0, &samples.1),
                );
            }
        }
        (Answer::Invoke { payload, error: Some(error) }, _) => {
            let place = format!("primary {}", thrown(error, payload));
            failure(walk, Class::Threw, place, (&show(payload), ""));
        }
        (_, Answer::Invoke { payload, error: Some(error) }) => {
            let place = format!("candidate {}", thrown(error, payload));
            failure(walk, Class::Threw, place, ("", &show(payload)));
        }
        _ => match (http(primary), http(candidate)) {
            (Some(a), Some(b)) => compare_http(walk, &a, &b),
            _ => compare_bodies(walk, payload(primary), payload(candidate), None),
        },
    }
}

fn failure(walk: &mut Walk<'_>, class: Class, place: String, samples: (&str, &str)) {
    let redactor = walk.rules.redactor();
    let place = redactor.text(&place).chars().take(200).collect();
    let sample =
        |text: &str| (!text.is_empty()).then(|| redactor.sample(&Path::root(), &text.into(), 1024));
    walk.findings
        .add(Kind { part: Part::Failure, class, place }, || (sample(samples.0), sample(samples.1)));
}

fn failure_class(kind: &str) -> Class {
    match kind.to_ascii_lowercase().as_str() {
        "timeout" | "timedout" => Class::TimedOut,
        "crash" | "crashed" => Class::Crashed,
        "outofmemory" => Class::OutOfMemory,
        "throttled" => Class::Throttled,
        _ => Class::Failed,
    }
}

fn show(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload.get(..16 << 10).unwrap_or(payload)).into_owned()
}

/// `Unhandled TypeError`: the type of the error that a function reported.
fn thrown(error: &str, payload: &[u8]) -> String {
    let payload = parse(payload).unwrap_or_default();
    match payload.get("errorType").and_then(Value::as_str) {
        Some(name) => format!("{error} {name}"),
        None => error.to_owned(),
    }
}

fn payload(answer: &Answer) -> &[u8] {
    match answer {
        Answer::Http { body, .. } => body,
        Answer::Invoke { payload, .. } => payload,
        Answer::Failed { .. } => &[],
    }
}

fn http(answer: &Answer) -> Option<Http<'_>> {
    match answer {
        Answer::Http { status, headers, body } => Some(Http {
            status: *status,
            headers: Cow::Borrowed(headers),
            body: Cow::Borrowed(body),
        }),
        Answer::Invoke { payload, error: None } => proxy_answer(payload),
        Answer::Invoke { .. } | Answer::Failed { .. } => None,
    }
}

/// The answer of an HTTP function: `{"statusCode": 200, "headers": {…}, "body": "…"}`.
fn proxy_answer(payload: &Bytes) -> Option<Http<'static>> {
    const NAME: &[u8] = b"\"statusCode\"";
    let head = payload.get(..STRUCTURE_BYTES_MAX.min(payload.len()))?;
    if !head.windows(NAME.len()).any(|window| window == NAME) {
        return None;
    }
    let Value::Object(answer) = parse(payload)? else { return None };
    let known = [
        "statusCode",
        "headers",
        "multiValueHeaders",
        "body",
        "isBase64Encoded",
        "cookies",
        "statusDescription",
    ];
    if !answer.keys().all(|key| known.contains(&key.as_str())) {
        return None;
    }
    let status = match answer.get("statusCode")? {
        Value::Number(status) => status.as_u64()?,
        Value::String(status) => status.parse().ok()?,
        _ => return None,
    };
    let body = match answer.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(body)) if answer.get("isBase64Encoded") == Some(&Value::Bool(true)) => {
            text::decode_base64(body)?
        }
        Some(Value::String(body)) => body.clone().into_bytes(),
        Some(other) => other.to_string().into_bytes(),
    };
    Some(Http {
        status: u16::try_from(status).ok()?,
        headers: Cow::Owned(proxy_headers(&answer)),
        body: Cow::Owned(body),
    })
}

fn proxy_headers(answer: &Map<String, Value>) -> Vec<(String, String)> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let map = |name: &str| answer.get(name).and_then(Value::as_object).into_iter().flatten();
    let mut headers: Vec<(String, String)> =
        map("headers").map(|(name, value)| (name.clone(), plain(value))).collect();
    for (name, values) in map("multiValueHeaders") {
        let values = values.as_array().into_iter().flatten();
        headers.extend(values.map(|value| (name.clone(), plain(value))));
    }
    let cookies = answer.get("cookies").and_then(Value::as_array).into_iter().flatten();
    headers.extend(cookies.map(|value| ("set-cookie".to_owned(), plain(value))));
    headers
}

fn compare_http(walk: &mut Walk<'_>, a: &Http<'_>, b: &Http<'_>) {
    if a.status != b.status {
        let place = format!("{} by the primary, {} by the candidate", a.status, b.status);
        let redactor = walk.rules.redactor();
        let sample = |http: &Http<'_>| {
            let body = show(&http.body);
            Some(redactor.sample(
                &Path::root(),
                &json!({"Status": http.status, "Body": body}),
                1024,
            ))
        };
        let kind = Kind { part: Part::Status, class: Class::Status, place };
        walk.findings.add(kind, || (sample(a), sample(b)));
        // The body of an error says nothing about the body of an answer.
        if (a.status >= 400) != (b.status >= 400) {
            return;
        }
    }
    compare_headers(walk, &a.headers, &b.headers);
    let types = (content_type(&a.headers), content_type(&b.headers));
    compare_bodies(walk, &a.body, &b.body, types.0.zip(types.1));
}

fn content_type(headers: &[(String, String)]) -> Option<&str> {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    found.map(|(_, value)| value.as_str())
}

fn compare_headers(walk: &mut Walk<'_>, a: &[(String, String)], b: &[(String, String)]) {
    if a == b {
        return;
    }
    walk.part = Part::Header;
    let (left, right) = (wanted(walk, a), wanted(walk, b));
    let root = Path::root();
    for (name, value) in &left {
        let path = root.key(name);
        match right.get(name) {
            Some(other) => walk.text(&path, value, other),
            None => walk.report(Class::Missing, &path, Some(&value.as_str().into()), None),
        }
    }
    for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
        walk.report(Class::Extra, &root.key(name), None, Some(&value.as_str().into()));
    }
    walk.part = Part::Body;
}

/// The headers that are compared, in one spelling.
fn wanted(walk: &Walk<'_>, headers: &[(String, String)]) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers.iter().take(256) {
        let name = name.to_ascii_lowercase();
        if !walk.rules.is_header(&name) {
            continue;
        }
        let value = match name.as_str() {
            // Of cookies the names.
            "set-cookie" => value.split('=').next().unwrap_or_default().trim().to_owned(),
            "content-type" | "cache-control" => spelled(value),
            _ => value.trim().to_owned(),
        };
        out.entry(name).or_default().push(value);
    }
    out.into_iter()
        .map(|(name, mut values)| {
            values.sort();
            (name, values.join(", "))
        })
        .collect()
}

/// Parameters in lower case, without the spaces and quotes that nobody means.
fn spelled(value: &str) -> String {
    let parts = value.split([';', ',']).map(|part| part.trim().replace('"', "").to_lowercase());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn parse(body: &[u8]) -> Option<Value> {
    if body.len() > STRUCTURE_BYTES_MAX { None } else { serde_json::from_slice(body).ok() }
}

fn compare_bodies(walk: &mut Walk<'_>, a: &[u8], b: &[u8], types: Option<(&str, &str)>) {
    if a == b {
        return;
    }
    walk.part = Part::Body;
    let root = Path::root();
    if walk.rules.is_ignored(&root) {
        return;
    }
    let is_text_type = |kind: &str| kind.starts_with("text/");
    let may_be_json = match walk.rules.body {
        BodyKind::Json => true,
        BodyKind::Auto => !types.is_some_and(|(a, b)| is_text_type(a) && is_text_type(b)),
        BodyKind::Text | BodyKind::Bytes => false,
    };
    let is_structured = a.len() <= STRUCTURE_BYTES_MAX && b.len() <= STRUCTURE_BYTES_MAX;
    if may_be_json && is_structured {
        match (parse(a), parse(b)) {
            (Some(left), Some(right)) => return walk.value(&root, &left, &right),
            (left, right) => {
                let is_meant = |parsed: &Option<Value>| {
                    parsed.as_ref().is_some_and(|value| value.is_object() || value.is_array())
                };
                if is_meant(&left) || is_meant(&right) {
                    let (a, b) = (show(a), show(b));
                    return walk.report(Class::Format, &root, Some(&a.into()), Some(&b.into()));
                }
            }
        }
    }
    let texts = (std::str::from_utf8(a), std::str::from_utf8(b));
    match texts {
        (Ok(left), Ok(right)) if walk.rules.body != BodyKind::Bytes && is_structured => {
            walk.text(&root, left, right);
        }
        _ => {
            let sample = |bytes: &[u8]| json!({"Bytes": bytes.len(), "Hash": format!("{:016x}", hash(bytes))});
            walk.report(Class::Bytes, &root, Some(&sample(a)), Some(&sample(b)));
        }
    }
}

/// To tell samples apart, nothing more.
fn hash(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mix =
        |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let hash = chunks.iter().fold(bytes.len() as u64, |h, c| mix(h, u64::from_le_bytes(*c)));
    rest.iter().fold(hash, |h, byte| mix(h, u64::from(*byte)))
}
