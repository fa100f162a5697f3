//! Method, URI pattern and query literals → operation, for the REST protocols. Built once.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use undercast_smithy::{Binding, OperationSchema, Route, ServiceSchema};

use crate::codec::query::Pairs;

/// An operation that a service's model knows.
#[derive(Debug, Clone, Copy)]
pub enum Known {
    Operation(&'static OperationSchema),
    /// By its name: nobody has implemented it.
    Unimplemented(&'static str),
}

/// A tree of path segments, literals before labels before greedy labels.
#[derive(Debug, Default)]
pub struct UriRouter {
    entries: Vec<Entry>,
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: Vec<(&'static str, Node)>,
    label: Option<Box<Node>>,
    /// Routes that take the rest of the path as one label.
    greedy: Vec<usize>,
    ends: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    method: &'static str,
    labels: Vec<&'static str>,
    /// Parameters that have to be there, some with a value.
    literals: Vec<(&'static str, Option<&'static str>)>,
    required_query: Vec<&'static str>,
    required_headers: Vec<&'static str>,
}

/// What a request is routed by.
pub struct Request<'r, 'p> {
    pub method: &'r str,
    /// Still percent-encoded.
    pub path: &'p str,
    pub query: &'r Pairs<'r>,
    pub headers: &'r HeaderMap,
}

/// Labels by name, decoded.
pub type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;

impl UriRouter {
    pub fn new(service: &'static ServiceSchema) -> Self {
        let mut router = Self::default();
        for operation in service.operations {
            router.add(Known::Operation(operation), operation.method, operation.uri);
        }
        for Route { name, method, uri } in service.unimplemented {
            router.add(Known::Unimplemented(name), method, uri);
        }
        router
    }

    fn add(&mut self, known: Known, method: &'static str, uri: &'static str) {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let index = self.entries.len();
        let mut labels = Vec::new();
        let mut node = &mut self.root;
        let mut greedy = false;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                Some(label) if label.ends_with('+') => {
                    labels.push(label.trim_end_matches('+'));
                    greedy = true;
                    break;
                }
                Some(label) => {
                    labels.push(label);
                    node = node.label.get_or_insert_default();
                }
                None => node = node.literal(segment),
            }
        }
        if greedy {
            node.greedy.push(index)
        } else {
            node.ends.push(index)
        }
        let required = |binding: Binding| {
            let members = match known {
                Known::Operation(operation) => operation.input.members(),
                Known::Unimplemented(_) => &[],
            };
            let bound = members.iter().filter(move |m| m.required && m.binding == binding);
            bound.map(|m| m.wire_name()).collect::<Vec<_>>()
        };
        let literals =
            query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("x-id="));
        self.entries.push(Entry {
            known,
            method,
            labels,
            literals: literals
                .map(|pair| match pair.split_once('=') {
                    Some((key, value)) => (key, Some(value)),
                    None => (pair, None),
                })
                .collect(),
            required_query: required(Binding::Query),
            required_headers: required(Binding::Header),
        });
    }

    /// Finds the operation, or nothing; the second case tells a label that cannot be decoded.
    pub fn find<'p>(
        &self,
        request: &Request<'_, 'p>,
    ) -> Result<Option<(Known, Labels<'p>)>, BadLabel> {
        let path = request.path.strip_prefix('/').unwrap_or(request.path);
        let mut segments = Vec::new();
        let mut start = 0;
        for segment in path.split('/') {
            segments.push((start, segment));
            start += segment.len() + 1;
        }
        if path.is_empty() {
            segments.clear();
        }
        let found = self.walk(&self.root, &segments, path, request, &mut Vec::new());
        let Some((entry, values)) = found else {
            return Ok(None);
        };
        let labels = entry.labels.iter().zip(values).map(|(name, value)| {
            let value = percent_decode_str(value).decode_utf8().map_err(|_| BadLabel)?;
            Ok((*name, value))
        });
        Ok(Some((entry.known, labels.collect::<Result<_, _>>()?)))
    }

    fn walk<'r, 'p>(
        &'r self,
        node: &'r Node,
        segments: &[(usize, &'p str)],
        path: &'p str,
        request: &Request<'_, 'p>,
        values: &mut Vec<&'p str>,
    ) -> Option<(&'r Entry, Vec<&'p str>)> {
        // A slash at the end means nothing.
        let [(start, segment), rest @ ..] = segments else {
            return self.best(&node.ends, request).map(|entry| (entry, values.clone()));
        };
        if segment.is_empty() && rest.is_empty() {
            return self.walk(node, rest, path, request, values);
        }
        if let Some((_, child)) = node.literals.iter().find(|(literal, _)| literal == segment)
            && let Some(found) = self.walk(child, rest, path, request, values)
        {
            return Some(found);
        }
        if let Some(child) = node.label.as_deref().filter(|_| !segment.is_empty()) {
            values.push(segment);
            let found = self.walk(child, rest, path, request, values);
            if found.is_some() {
                return found;
            }
            values.pop();
        }
        let tail = path.get(*start..).filter(|tail| !tail.is_empty())?;
        let entry = self.best(&node.greedy, request)?;
        values.push(tail);
        Some((entry, std::mem::take(values)))
    }

    /// The route that says most about the request: all that it requires is there, it has the most
    /// literals, it requires the most.
    fn best(&self, candidates: &[usize], request: &Request<'_, '_>) -> Option<&Entry> {
        let entries = candidates.iter().filter_map(|index| self.entries.get(*index));
        let fitting = entries.filter(|e| e.method == request.method && e.matches(request));
        fitting.max_by_key(|entry| {
            let missing = entry.missing(request);
            let required = entry.required_query.len() + entry.required_headers.len();
            let implemented = matches!(entry.known, Known::Operation(_));
            (missing == 0, entry.literals.len(), required - missing, implemented)
        })
    }
}

/// A label that is no UTF-8 once decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLabel;

impl Node {
    fn literal(&mut self, segment: &'static str) -> &mut Node {
        let at = match self.literals.iter().position(|(literal, _)| *literal == segment) {
            Some(at) => at,
            None => {
                self.literals.push((segment, Node::default()));
                self.literals.len() - 1
            }
        };
        match self.literals.get_mut(at) {
            Some((_, node)) => node,
            // It has just been found or pushed.
            None => self.label.get_or_insert_default(),
        }
    }
}

impl Entry {
    fn matches(&self, request: &Request<'_, '_>) -> bool {
        self.literals.iter().all(|(name, value)| {
            request.query.iter().any(|(k, v)| k == name && value.is_none_or(|value| v == value))
        })
    }

    fn missing(&self, request: &Request<'_, '_>) -> usize {
        let in_query = |name: &&&str| !request.query.iter().any(|(k, _)| k == **name);
        let in_headers = |name: &&&str| !request.headers.contains_key(**name);
        self.required_query.iter().filter(in_query).count()
            + self.required_headers.iter().filter(in_headers).count()
    }
}

#[cfg(test)]
mod tests {
    use undercast_smithy::schema::prelude::STRING;
    use undercast_smithy::{Kind, Member, Protocol, Schema};

    use super::*;
    use crate::codec::query::parse_pairs;

    static EMPTY: Schema = Schema::new("Empty", Kind::Structure(&[]));
    static PART: Schema = Schema::new(
        "Part",
        Kind::Structure(&[
            Member::new("PartNumber", &STRING).wire("partNumber").required().bound(Binding::Query),
            Member::new("UploadId", &STRING).wire("uploadId").required().bound(Binding::Query),
        ]),
    );
    static COPY: Schema = Schema::new(
        "Copy",
        Kind::Structure(&[Member::new("CopySource", &STRING)
            .wire("x-amz-copy-source")
            .required()
            .bound(Binding::Header)]),
    );

    const fn operation(
        name: &'static str,
        method: &'static str,
        uri: &'static str,
        input: &'static Schema,
    ) -> OperationSchema {
        OperationSchema {
            name,
            method,
            uri,
            status: 200,
            input,
            output: &EMPTY,
            errors: &[],
            result_wrapper: None,
            host_prefix: None,
            unsigned: false,
            no_output: false,
        }
    }

    static OPERATIONS: &[&OperationSchema] = &[
        &operation("ListBuckets", "GET", "/", &EMPTY),
        &operation("ListObjects", "GET", "/{Bucket}", &EMPTY),
        &operation("ListObjectsV2", "GET", "/{Bucket}?list-type=2", &EMPTY),
        &operation("GetObject", "GET", "/{Bucket}/{Key+}?x-id=GetObject", &EMPTY),
        &operation("PutObject", "PUT", "/{Bucket}/{Key+}", &EMPTY),
        &operation("CopyObject", "PUT", "/{Bucket}/{Key+}", &COPY),
        &operation("UploadPart", "PUT", "/{Bucket}/{Key+}", &PART),
        &operation("GetFunction", "GET", "/2015-03-31/functions/{FunctionName}", &EMPTY),
        &operation("ListFunctions", "GET", "/2015-03-31/functions/", &EMPTY),
    ];
    static SERVICE: ServiceSchema = ServiceSchema {
        id: "x",
        signing_name: "x",
        endpoint_prefix: "x",
        target_prefix: None,
        api_version: "",
        protocols: &[Protocol::RestXml],
        query_compatible: false,
        xml_namespace: None,
        operations: OPERATIONS,
        unimplemented: &[Route {
            name: "GetObjectAcl",
            method: "GET",
            uri: "/{Bucket}/{Key+}?acl",
        }],
    };

    fn find(method: &str, target: &str, header: Option<&'static str>) -> String {
        let router = UriRouter::new(&SERVICE);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = parse_pairs(query).unwrap();
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(header, "v".parse().unwrap());
        }
        let request = Request { method, path, query: &query, headers: &headers };
        match router.find(&request) {
            Ok(Some((Known::Operation(operation), labels))) => {
                let labels: Vec<_> = labels.iter().map(|(k, v)| format!(" {k}={v}")).collect();
                format!("{}{}", operation.name, labels.concat())
            }
            Ok(Some((Known::Unimplemented(name), _))) => format!("!{name}"),
            Ok(None) => "none".to_owned(),
            Err(BadLabel) => "bad".to_owned(),
        }
    }

    #[test]
    fn the_most_telling_route_wins() {
        assert_eq!(find("GET", "/", None), "ListBuckets");
        assert_eq!(find("GET", "/b", None), "ListObjects Bucket=b");
        assert_eq!(find("GET", "/b/?list-type=2&prefix=", None), "ListObjectsV2 Bucket=b");
        assert_eq!(find("GET", "/b/k?acl", None), "!GetObjectAcl");
        assert_eq!(find("PUT", "/b/k", None), "PutObject Bucket=b Key=k");
        assert_eq!(find("PUT", "/b/k", Some("x-amz-copy-source")), "CopyObject Bucket=b Key=k");
        assert_eq!(find("PUT", "/b/k?partNumber=1&uploadId=u", None), "UploadPart Bucket=b Key=k");
        assert_eq!(find("DELETE", "/b/k", None), "none");
    }

    #[test]
    fn keys_keep_every_character() {
        assert_eq!(find("GET", "/b/a%2Fb/c%20d/", None), "GetObject Bucket=b Key=a/b/c d/");
        assert_eq!(find("GET", "/b//x", None), "GetObject Bucket=b Key=/x");
        assert_eq!(find("GET", "/b/+%2B/./..", None), "GetObject Bucket=b Key=++/./..");
        assert_eq!(find("GET", "/b/%ff", None), "bad");
    }

    #[test]
    fn slashes_at_the_end_are_tolerated() {
        assert_eq!(find("GET", "/2015-03-31/functions/f/", None), "GetFunction FunctionName=f");
        assert_eq!(find("GET", "/2015-03-31/functions", None), "ListFunctions");
        assert_eq!(find("GET", "/2015-03-31/functions/", None), "ListFunctions");
        let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
        assert!(
            find("GET", &format!("/2015-03-31/functions/{arn}"), None).ends_with(":function:f")
        );
    }
}
