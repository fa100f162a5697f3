//! Intrinsic functions: a document with calls in it to one without.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use base64::Engine as _;
use undercast_smithy::Document;

use super::Error;
use super::model::plain;
use super::run::{Run, WORK_MAX, size};

/// What the pseudo parameters stand for.
#[derive(Debug, Clone, Default)]
pub struct Pseudo {
    pub account: String,
    pub region: String,
    pub stack_name: String,
    pub stack_id: String,
    pub notification_arns: Vec<String>,
}

/// What a resource answers to `Ref` and `Fn::GetAtt`.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    Known(Document),
    /// The resource is not there yet; its value will be known after it has been made.
    Later,
    /// There is no such resource, or its condition is false.
    Missing,
    /// The resource is there and has no such attribute.
    NoAttribute,
}

/// Everything that a call may refer to.
pub struct Scope<'a> {
    pub parameters: &'a BTreeMap<String, Document>,
    pub conditions: &'a BTreeMap<String, bool>,
    pub mappings: &'a Document,
    pub pseudo: &'a Pseudo,
    pub exports: &'a BTreeMap<String, String>,
    /// `Ref` (no attribute) and `Fn::GetAtt` of resources.
    pub resource: &'a (dyn Fn(&str, Option<&str>) -> Lookup + Sync),
}

/// Why a value cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// It needs a resource that is not there yet.
    Later(String),
    Wrong(Error),
}

impl From<Error> for Unresolved {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}

impl Unresolved {
    pub fn into_error(self) -> Error {
        match self {
            Self::Later(name) => Error::template(format!("resource {name} is not there yet")),
            Self::Wrong(error) => error,
        }
    }
}

const DEPTH_MAX: usize = 100;

/// A resolved value; `None` is `AWS::NoValue`.
pub fn resolve(value: &Document, scope: &Scope<'_>) -> Result<Option<Document>, Unresolved> {
    at_depth(value, &Run::new(scope), 0)
}

/// A resolved value where nothing cannot stand.
pub fn resolve_value(value: &Document, scope: &Scope<'_>) -> Result<Document, Unresolved> {
    Ok(resolve(value, scope)?.unwrap_or_default())
}

fn wrong<T>(message: impl std::fmt::Display) -> Result<T, Unresolved> {
    Err(Unresolved::Wrong(Error::template(message)))
}

fn at_depth(value: &Document, run: &Run<'_>, depth: usize) -> Result<Option<Document>, Unresolved> {
    if depth > DEPTH_MAX {
        return wrong("functions are nested too deeply");
    }
    run.spend(1)?;
    match value {
        Document::Array(values) => {
            let mut out = Vec::with_capacity(values.len());
            for value in values {
                out.extend(at_depth(value, run, depth + 1)?);
            }
            Ok(Some(Document::Array(out)))
        }
        Document::Object(entries) => {
            if let Some((function, argument)) = call(entries) {
                return apply(function, argument, run, depth + 1);
            }
            let mut out = serde_json::Map::with_capacity(entries.len());
            for (key, value) in entries {
                if let Some(value) = at_depth(value, run, depth + 1)? {
                    out.insert(key.clone(), value);
                }
            }
            Ok(Some(Document::Object(out)))
        }
        scalar => Ok(Some(run.copy(scalar)?)),
    }
}

/// The one function that an object calls, if it is a call. A `Condition` with text is one only where
/// conditions stand: an IAM statement's `Condition` is an object, a map's member is not alone.
fn call(entries: &serde_json::Map<String, Document>) -> Option<(&str, &Document)> {
    let (name, argument) = entries.iter().next().filter(|_| entries.len() == 1)?;
    let is_call =
        name == "Ref" || name.starts_with("Fn::") || (name == "Condition" && argument.is_string());
    is_call.then_some((name.as_str(), argument))
}

fn apply(
    function: &str,
    argument: &Document,
    run: &Run<'_>,
    depth: usize,
) -> Result<Option<Document>, Unresolved> {
    let value = match function {
        "Ref" => return reference(argument, run),
        "Fn::If" => return fn_if(argument, run, depth),
        "Fn::GetAtt" => get_att(argument, run, depth)?,
        "Fn::Sub" => sub(argument, run, depth)?,
        "Fn::Join" => join(argument, run, depth)?,
        "Fn::Select" => return select(argument, run, depth),
        "Fn::Split" => split(argument, run, depth)?,
        "Fn::FindInMap" => find_in_map(argument, run, depth)?,
        "Fn::Base64" => {
            let text = text(argument, run, depth, function)?;
            base64::engine::general_purpose::STANDARD.encode(text).into()
        }
        "Fn::GetAZs" => {
            let region = text(argument, run, depth, function)?;
            let region = if region.is_empty() { run.scope.pseudo.region.clone() } else { region };
            ["a", "b", "c"].iter().map(|zone| format!("{region}{zone}")).collect::<Vec<_>>().into()
        }
        "Fn::Cidr" => cidr(argument, run, depth)?,
        "Fn::ImportValue" => import_value(argument, run, depth)?,
        "Fn::ToJsonString" => {
            at_depth(argument, run, depth)?.unwrap_or_default().to_string().into()
        }
        "Fn::Length" => match at_depth(argument, run, depth)? {
            Some(Document::Array(values)) => values.len().into(),
            _ => return wrong("Fn::Length needs a list"),
        },
        "Fn::Equals"
        | "Fn::And"
        | "Fn::Or"
        | "Fn::Not"
        | "Condition"
        | "Fn::Contains"
        | "Fn::EachMemberEquals"
        | "Fn::EachMemberIn" => condition(function, argument, run, depth)?.into(),
        "Fn::RefAll" | "Fn::ValueOf" | "Fn::ValueOfAll" | "Fn::Transform" | "Fn::ForEach" => {
            return wrong(format!("{function} is not implemented by Undercast"));
        }
        other => return wrong(format!("Encountered unsupported function: {other}")),
    };
    Ok(Some(run.paid(value)?))
}

fn text(
    value: &Document,
    run: &Run<'_>,
    depth: usize,
    function: &str,
) -> Result<String, Unresolved> {
    match at_depth(value, run, depth)? {
        Some(value @ (Document::String(_) | Document::Number(_) | Document::Bool(_))) => {
            Ok(plain(&value))
        }
        None => Ok(String::new()),
        Some(_) => wrong(format!("every {function} object must be a string")),
    }
}

fn reference(argument: &Document, run: &Run<'_>) -> Result<Option<Document>, Unresolved> {
    let Some(name) = argument.as_str() else {
        return wrong("every Ref object must have a single String value.");
    };
    let pseudo = run.scope.pseudo;
    run.spend(1)?;
    Ok(Some(match name {
        "AWS::NoValue" => return Ok(None),
        "AWS::AccountId" => pseudo.account.clone().into(),
        "AWS::Region" => pseudo.region.clone().into(),
        "AWS::Partition" => "aws".into(),
        "AWS::URLSuffix" => "amazonaws.com".into(),
        "AWS::StackName" => pseudo.stack_name.clone().into(),
        "AWS::StackId" => pseudo.stack_id.clone().into(),
        "AWS::NotificationARNs" => pseudo.notification_arns.clone().into(),
        name => match run.scope.parameters.get(name) {
            Some(value) => run.copy(value)?,
            None => lookup(name, None, run)?,
        },
    }))
}

fn lookup(name: &str, attribute: Option<&str>, run: &Run<'_>) -> Result<Document, Unresolved> {
    match (run.scope.resource)(name, attribute) {
        Lookup::Known(value) => run.paid(value),
        Lookup::Later => Err(Unresolved::Later(name.to_owned())),
        Lookup::Missing => Err(Unresolved::Wrong(Error::format(format!(
            "Unresolved resource dependencies [{name}] in the Resources block of the template"
        )))),
        Lookup::NoAttribute => wrong(format!(
            "resource {name} does not support attribute type {} in Fn::GetAtt",
            attribute.unwrap_or_default()
        )),
    }
}

fn get_att(argument: &Document, run: &Run<'_>, depth: usize) -> Result<Document, Unresolved> {
    let (name, attribute) = match argument {
        Document::String(text) => {
            let (name, attribute) = text.split_once('.').unwrap_or((text, ""));
            (name.to_owned(), attribute.to_owned())
        }
        Document::Array(parts) => match parts.as_slice() {
            [Document::String(name), attribute] => {
                (name.clone(), text(attribute, run, depth, "Fn::GetAtt")?)
            }
            _ => {
                return wrong(
                    "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
                );
            }
        },
        _ => {
            return wrong(
                "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
            );
        }
    };
    lookup(&name, Some(&attribute), run)
}

/// A piece of the text of `Fn::Sub`.
#[derive(Debug, PartialEq, Eq)]
pub enum SubPart<'a> {
    Literal(&'a str),
    Name(&'a str),
}

/// Splits `a-${B}-${!C}` into literals and names; `${!C}` is the literal `${C}`.
pub fn sub_parts(text: &str) -> Result<Vec<SubPart<'_>>, Error> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, tail)) = rest.split_once("${") {
        parts.push(SubPart::Literal(literal));
        if let Some(escaped) = tail.strip_prefix('!') {
            let (name, after) = escaped.split_once('}').unwrap_or((escaped, ""));
            parts.extend([SubPart::Literal("${"), SubPart::Literal(name), SubPart::Literal("}")]);
            rest = after;
            continue;
        }
        let Some((name, after)) = tail.split_once('}') else {
            parts.push(SubPart::Literal("${"));
            rest = tail;
            continue;
        };
        let name = name.trim();
        let valid = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".:_-".contains(&b));
        if !valid {
            return Err(Error::template(
                "variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons",
            ));
        }
        parts.push(SubPart::Name(name));
        rest = after;
    }
    parts.push(SubPart::Literal(rest));
    Ok(parts)
}

fn sub(argument: &Document, run: &Run<'_>, depth: usize) -> Result<Document, Unresolved> {
    let (template, variables) = match argument {
        Document::String(text) => (text.as_str(), None),
        Document::Array(parts) => match parts.as_slice() {
            [Document::String(text)] => (text.as_str(), None),
            [Document::String(text), Document::Object(variables)] => {
                (text.as_str(), Some(variables))
            }
            _ => {
                return wrong(
                    "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string",
                );
            }
        },
        _ => {
            return wrong(
                "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string",
            );
        }
    };
    let mut out = String::new();
    for part in sub_parts(template)? {
        match part {
            SubPart::Literal(text) => out.push_str(text),
            SubPart::Name(name) => {
                let value = match (variables.and_then(|v| v.get(name)), name.split_once('.')) {
                    (Some(value), _) => at_depth(value, run, depth)?,
                    (None, Some((resource, attribute))) => {
                        Some(lookup(resource, Some(attribute), run)?)
                    }
                    (None, None) => reference(&Document::from(name), run)?,
                };
                run.spend(value.as_ref().map_or(0, size))?;
                match value {
                    Some(Document::Array(values)) => {
                        out.push_str(&values.iter().map(plain).collect::<Vec<_>>().join(","));
                    }
                    Some(value) => out.push_str(&plain(&value)),
                    None => {}
                }
            }
        }
    }
    Ok(out.into())
}

fn join(argument: &Document, run: &Run<'_>, depth: usize) -> Result<Document, Unresolved> {
    let Some([delimiter, values]) = argument.as_array().map(Vec::as_slice) else {
        return wrong(
            "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
        );
    };
    let delimiter = text(delimiter, run, depth, "Fn::Join")?;
    match at_depth(values, run, depth)? {
        Some(Document::Array(values)) => {
            run.spend(delimiter.len().saturating_mul(values.len()))?;
            Ok(values.iter().map(plain).collect::<Vec<_>>().join(&delimiter).into())
        }
        Some(Document::String(one)) => Ok(one.into()),
        _ => wrong(
            "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
        ),
    }
}

fn select(
    argument: &Document,
    run: &Run<'_>,
    depth: usize,
) -> Result<Option<Document>, Unresolved> {
    let Some([index, values]) = argument.as_array().map(Vec::as_slice) else {
        return wrong(
            "every Fn::Select object requires two non-null parameters, the first is an integer index and the second a list",
        );
    };
    let index = text(index, run, depth, "Fn::Select")?;
    let values = match at_depth(values, run, depth)? {
        Some(Document::Array(values)) => values,
        Some(Document::String(list)) => list.split(',').map(|v| v.trim().into()).collect(),
        _ => {
            return wrong(
                "Fn::Select requires a list argument with two elements: an integer index and a list",
            );
        }
    };
    match index.parse::<usize>().ok().and_then(|i| values.get(i)) {
        Some(value) => Ok(Some(value.clone())),
        None => wrong(format!("Fn::Select cannot select nonexistent value at index {index}")),
    }
}

fn split(argument: &Document, run: &Run<'_>, depth: usize) -> Result<Document, Unresolved> {
    let Some([delimiter, source]) = argument.as_array().map(Vec::as_slice) else {
        return wrong(
            "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.",
        );
    };
    let delimiter = text(delimiter, run, depth, "Fn::Split")?;
    let source = text(source, run, depth, "Fn::Split")?;
    if delimiter.is_empty() {
        return wrong(
            "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.",
        );
    }
    Ok(source.split(&delimiter).map(Document::from).collect::<Vec<_>>().into())
}

fn find_in_map(argument: &Document, run: &Run<'_>, depth: usize) -> Result<Document, Unresolved> {
    let Some([map, first, second, rest @ ..]) = argument.as_array().map(Vec::as_slice) else {
        return wrong(
            "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value",
        );
    };
    let map = text(map, run, depth, "Fn::FindInMap")?;
    let first = text(first, run, depth, "Fn::FindInMap")?;
    let second = text(second, run, depth, "Fn::FindInMap")?;
    let found =
        run.scope.mappings.get(&map).and_then(|m| m.get(&first)).and_then(|m| m.get(&second));
    if let Some(value) = found {
        return run.copy(value);
    }
    if let Some(default) = rest.first().and_then(|o| o.get("DefaultValue")) {
        return Ok(at_depth(default, run, depth)?.unwrap_or_default());
    }
    if run.scope.mappings.get(&map).is_none() {
        return wrong(format!(
            "Mapping named '{map}' is not present in the 'Mappings' section of template."
        ));
    }
    wrong(format!("Unable to get mapping for {map}::{first}::{second}"))
}

fn import_value(argument: &Document, run: &Run<'_>, depth: usize) -> Result<Document, Unresolved> {
    let name = text(argument, run, depth, "Fn::ImportValue")?;
    match run.scope.exports.get(&name) {
        Some(value) => Ok(value.clone().into()),
        None => Err(Unresolved::Wrong(Error(format!("No export named {name} found.")))),
    }
}

fn cidr(argument: &Document, run: &Run<'_>, depth: usize) -> Result<Document, Unresolved> {
    let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
    let part = |i: usize| match arguments.get(i) {
        Some(value) => text(value, run, depth, "Fn::Cidr"),
        None => Ok(String::new()),
    };
    let (block, count, bits) = (part(0)?, part(1)?, part(2)?);
    let bits = if bits.is_empty() { "8".to_owned() } else { bits };
    let parsed = block
        .split_once('/')
        .and_then(|(ip, mask)| Some((ip.parse::<Ipv4Addr>().ok()?, mask.parse::<u32>().ok()?)))
        .zip(count.parse::<u64>().ok().zip(bits.parse::<u32>().ok()));
    let Some(((ip, mask), (count, bits))) =
        parsed.filter(|((_, m), (c, b))| *m <= 32 && (1..=256).contains(c) && (1..=32).contains(b))
    else {
        return wrong("Fn::Cidr needs an IPv4 block, a count of 1 to 256 and a number of bits");
    };
    let size = 1u64 << bits;
    let room = 1u64 << (32 - mask);
    if size * count > room {
        return wrong(format!("Fn::Cidr: {block} has no room for {count} blocks of {bits} bits"));
    }
    let base = u64::from(u32::from(ip)) & !(room - 1);
    let blocks = (0..count).map(|i| {
        let ip = Ipv4Addr::from(u32::try_from(base + i * size).unwrap_or_default());
        Document::from(format!("{ip}/{}", 32 - bits))
    });
    Ok(blocks.collect::<Vec<_>>().into())
}

fn fn_if(argument: &Document, run: &Run<'_>, depth: usize) -> Result<Option<Document>, Unresolved> {
    let Some([Document::String(name), yes, no]) = argument.as_array().map(Vec::as_slice) else {
        return wrong(
            "Fn::If requires a list argument with three elements: a condition name, a value if true and a value if false",
        );
    };
    let Some(holds) = run.scope.conditions.get(name) else {
        return wrong(format!("unresolved condition dependency {name} in Fn::If"));
    };
    at_depth(if *holds { yes } else { no }, run, depth)
}

/// A condition function; also what a named condition's body is.
pub fn holds(body: &Document, scope: &Scope<'_>) -> Result<bool, Unresolved> {
    holds_in(body, &Run::new(scope))
}

fn holds_in(body: &Document, run: &Run<'_>) -> Result<bool, Unresolved> {
    match body.as_object().and_then(call) {
        Some((function, argument)) => condition(function, argument, run, 0),
        None => match body {
            Document::Bool(value) => Ok(*value),
            _ => wrong("every Condition member must be a function"),
        },
    }
}

fn condition(
    function: &str,
    argument: &Document,
    run: &Run<'_>,
    depth: usize,
) -> Result<bool, Unresolved> {
    if depth > DEPTH_MAX {
        return wrong("functions are nested too deeply");
    }
    let arguments = argument.as_array().map_or(&[][..], Vec::as_slice);
    let inner = |value: &Document| match value.as_object().and_then(call) {
        Some((function, argument)) => condition(function, argument, run, depth + 1),
        None => wrong(format!("every {function} object needs conditions")),
    };
    match (function, arguments) {
        ("Condition", _) => match argument.as_str().and_then(|name| run.scope.conditions.get(name))
        {
            Some(holds) => Ok(*holds),
            None => wrong(format!(
                "Unresolved dependencies [{}]. Cannot reference resources in the Conditions block of the template",
                plain(argument)
            )),
        },
        ("Fn::Equals", [left, right]) => {
            let left = at_depth(left, run, depth)?.unwrap_or_default();
            let right = at_depth(right, run, depth)?.unwrap_or_default();
            Ok(left == right
                || (is_scalar(&left) && is_scalar(&right) && plain(&left) == plain(&right)))
        }
        ("Fn::Not", [one]) => Ok(!inner(one)?),
        ("Fn::And", [_, ..]) if arguments.len() <= 10 => {
            arguments.iter().try_fold(true, |all, one| Ok(all & inner(one)?))
        }
        ("Fn::Or", [_, ..]) if arguments.len() <= 10 => {
            arguments.iter().try_fold(false, |any, one| Ok(any | inner(one)?))
        }
        ("Fn::Contains", [list, one]) => {
            let one = at_depth(one, run, depth)?.unwrap_or_default();
            Ok(strings(list, run, depth)?.contains(&plain(&one)))
        }
        ("Fn::EachMemberEquals", [list, one]) => {
            let one = plain(&at_depth(one, run, depth)?.unwrap_or_default());
            Ok(strings(list, run, depth)?.iter().all(|value| *value == one))
        }
        ("Fn::EachMemberIn", [list, of]) => {
            let of = strings(of, run, depth)?;
            Ok(strings(list, run, depth)?.iter().all(|value| of.contains(value)))
        }
        _ => wrong(format!("every {function} object has the wrong arguments")),
    }
}

fn is_scalar(value: &Document) -> bool {
    !value.is_array() && !value.is_object()
}

fn strings(value: &Document, run: &Run<'_>, depth: usize) -> Result<Vec<String>, Unresolved> {
    match at_depth(value, run, depth)? {
        Some(Document::Array(values)) => Ok(values.iter().map(plain).collect()),
        Some(one) => Ok(vec![plain(&one)]),
        None => Ok(Vec::new()),
    }
}

/// All named conditions, each resolved after those that it names.
pub fn conditions(
    bodies: &serde_json::Map<String, Document>,
    scope: &Scope<'_>,
) -> Result<BTreeMap<String, bool>, Error> {
    let bodies: Vec<(&String, &Document)> = bodies.iter().collect();
    let mut missing = Vec::with_capacity(bodies.len());
    let mut needed_by: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (_, body)) in bodies.iter().enumerate() {
        let names: BTreeSet<String> = condition_names(body).into_iter().collect();
        missing.push(names.len());
        for name in names {
            needed_by.entry(name).or_default().push(at);
        }
    }
    let none_missing = |(at, count): (usize, &usize)| (*count == 0).then_some(at);
    let mut ready: Vec<usize> = missing.iter().enumerate().filter_map(none_missing).collect();
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    let mut left = WORK_MAX;
    while let Some(at) = ready.pop() {
        let Some((name, body)) = bodies.get(at) else {
            continue;
        };
        let scope = Scope { conditions: &known, ..*scope };
        let run = Run::with(&scope, left);
        let value = holds_in(body, &run).map_err(Unresolved::into_error)?;
        left = run.left();
        known.insert((*name).clone(), value);
        for waiting in needed_by.remove(*name).unwrap_or_default() {
            if let Some(count) = missing.get_mut(waiting) {
                *count -= 1;
                if *count == 0 {
                    ready.push(waiting);
                }
            }
        }
    }
    if known.len() < bodies.len() {
        let unknown = bodies.iter().map(|(name, _)| name.as_str());
        let unknown: Vec<_> = unknown.filter(|name| !known.contains_key(*name)).collect();
        return Err(Error::template(format!(
            "Unresolved dependencies [{}]. Cannot reference resources in the Conditions block of the template",
            unknown.join(", ")
        )));
    }
    Ok(known)
}

fn condition_names(body: &Document) -> Vec<String> {
    match body {
        Document::Array(values) => values.iter().flat_map(condition_names).collect(),
        Document::Object(entries) => entries
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value) {
                ("Condition", Document::String(name)) => vec![name.clone()],
                ("Fn::If", Document::Array(parts)) => {
                    let name = parts.first().and_then(Document::as_str).map(str::to_owned);
                    name.into_iter().chain(parts.iter().skip(1).flat_map(condition_names)).collect()
                }
                _ => condition_names(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: Document, expected: Document) {
        assert_eq!(run(value), Ok(Some(expected)));
    }

    fn run(value: Document) -> Result<Option<Document>, Unresolved> {
        let parameters =
            [("Stage".to_owned(), json!("prod")), ("List".to_owned(), json!(["a", "b"]))].into();
        let conditions = [("IsProd".to_owned(), true)].into();
        let mappings = json!({"M": {"k": {"v": 7}}});
        let pseudo = Pseudo {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            stack_name: "s".into(),
            ..Pseudo::default()
        };
        let exports = [("x".to_owned(), "exported".to_owned())].into();
        let resource = |name: &str, attribute: Option<&str>| match (name, attribute) {
            ("Queue", None) => Lookup::Known(json!("url")),
            ("Queue", Some("Arn")) => Lookup::Known(json!("arn")),
            ("Queue", Some(_)) => Lookup::NoAttribute,
            ("New", _) => Lookup::Later,
            _ => Lookup::Missing,
        };
        let scope = Scope {
            parameters: &parameters,
            conditions: &conditions,
            mappings: &mappings,
            pseudo: &pseudo,
            exports: &exports,
            resource: &resource,
        };
        resolve(&value, &scope)
    }

    #[test]
    fn every_function_gives_its_value() {
        check(json!({"Ref": "Stage"}), json!("prod"));
        check(json!({"Fn::GetAtt": ["Queue", "Arn"]}), json!("arn"));
        check(
            json!({"Fn::Sub": "${AWS::Region}-${Queue.Arn}-${Queue}-${!x}-${Stage}"}),
            json!("eu-west-1-arn-url-${x}-prod"),
        );
        check(
            json!({"Fn::Sub": ["${a}${Stage}", {"a": {"Ref": "AWS::AccountId"}}]}),
            json!("123456789012prod"),
        );
        check(json!({"Fn::Join": ["/", ["a", {"Ref": "Stage"}, 1]]}), json!("a/prod/1"));
        check(json!({"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}), json!("y"));
        check(json!({"Fn::If": ["IsProd", 1, 2]}), json!(1));
        check(
            json!({"a": {"Fn::If": ["IsProd", {"Ref": "AWS::NoValue"}, 2]}, "b": [{"Ref": "AWS::NoValue"}, 1]}),
            json!({"b": [1]}),
        );
        check(json!({"Fn::FindInMap": ["M", "k", "v"]}), json!(7));
        check(json!({"Fn::FindInMap": ["M", "q", "v", {"DefaultValue": 8}]}), json!(8));
        check(json!({"Fn::Base64": "hi"}), json!("aGk="));
        check(json!({"Fn::ImportValue": "x"}), json!("exported"));
        check(json!({"Fn::GetAZs": ""}), json!(["eu-west-1a", "eu-west-1b", "eu-west-1c"]));
        check(json!({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}), json!(["10.0.0.0/24", "10.0.1.0/24"]));
        check(json!({"Fn::Contains": [["a", "b"], "b"]}), json!(true));
        check(
            json!({"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Condition": "IsProd"}]}),
            json!(true),
        );
        check(json!({"Fn::ToJsonString": {"a": {"Ref": "Stage"}}}), json!("{\"a\":\"prod\"}"));
        check(
            json!({"Condition": {"StringEquals": {"a": "b"}}}),
            json!({"Condition": {"StringEquals": {"a": "b"}}}),
        );
    }

    #[test]
    fn what_cannot_be_resolved_says_why() {
        let sentence = |value| match run(value) {
            Err(Unresolved::Wrong(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(sentence(json!({"Fn::ImportValue": "y"})).contains("No export named y found"));
        assert!(
            sentence(json!({"Fn::GetAtt": ["Queue", "Nope"]}))
                .contains("does not support attribute type Nope")
        );
        assert!(sentence(json!({"Fn::Nope": 1})).contains("unsupported function: Fn::Nope"));
        assert!(
            sentence(json!({"Fn::Select": [5, ["a"]]})).contains("nonexistent value at index 5")
        );
        assert_eq!(run(json!({"Fn::Sub": "${New.Arn}"})), Err(Unresolved::Later("New".into())));
    }

    #[test]
    fn conditions_may_name_each_other_in_any_order() {
        let bodies =
            json!({"A": {"Fn::Not": [{"Condition": "B"}]}, "B": {"Fn::Equals": ["x", "y"]}});
        let empty = BTreeMap::new();
        let (none, exports, pseudo) = (BTreeMap::new(), BTreeMap::new(), Pseudo::default());
        let scope = Scope {
            parameters: &none,
            conditions: &empty,
            mappings: &Document::Null,
            pseudo: &pseudo,
            exports: &exports,
            resource: &|_, _| Lookup::Missing,
        };
        let known = conditions(bodies.as_object().unwrap(), &scope).unwrap();
        assert_eq!(known, [("A".to_owned(), true), ("B".to_owned(), false)].into());
        let circle = json!({"A": {"Condition": "B"}, "B": {"Condition": "A"}});
        assert!(conditions(circle.as_object().unwrap(), &scope).is_err());
    }

    #[test]
    fn what_grows_without_bound_is_refused() {
        let mut sub = json!("x");
        let mut json_text = json!("\"");
        let mut join = json!("x");
        for _ in 0..40 {
            sub = json!({"Fn::Sub": ["${a}${a}${a}${a}", {"a": sub}]});
            json_text = json!({"Fn::ToJsonString": [json_text]});
            join = json!({"Fn::Join": [join, ["a", "b", "c", "d"]]});
        }
        let long = "x".repeat(100_000);
        let many: Vec<_> = std::iter::repeat_n("y", 10_000).collect();
        for bomb in [sub, json_text, join, json!({"Fn::Join": [long, many]})] {
            match run(bomb) {
                Err(Unresolved::Wrong(error)) => assert!(error.0.contains("too much"), "{error}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn conditions_in_any_order_take_no_time() {
        let scope_of = |bodies: &Document| {
            let none = BTreeMap::new();
            let scope = Scope {
                parameters: &BTreeMap::new(),
                conditions: &none,
                mappings: &Document::Null,
                pseudo: &Pseudo::default(),
                exports: &BTreeMap::new(),
                resource: &|_, _| Lookup::Missing,
            };
            conditions(bodies.as_object().unwrap(), &scope)
        };
        let chain = |length: usize| {
            let body = |i: usize| match i + 1 == length {
                true => json!({"Fn::Equals": ["a", "a"]}),
                false => json!({"Condition": format!("C{}", i + 1)}),
            };
            Document::Object((0..length).map(|i| (format!("C{i}"), body(i))).collect())
        };
        assert!(scope_of(&chain(40_000)).unwrap()["C0"]);
        assert!(scope_of(&json!({"A": {"Condition": "B"}, "B": {"Condition": "A"}})).is_err());
    }
}
