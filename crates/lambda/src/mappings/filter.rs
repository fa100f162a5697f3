//! Event patterns: which messages a function wants to see.

use serde_json::{Map, Value};

/// How long a pattern may be.
const PATTERN_CHARS_MAX: usize = 4096;

/// One filter. Every field that it names has to match.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern(Vec<(String, Node)>);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Fields(Pattern),
    /// `$or`: one of these.
    Any(Vec<Pattern>),
    /// One of these.
    Leaf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Exact(Value),
    Exists(bool),
    Text(Text),
    Numeric(Vec<(Order, f64)>),
    /// None of these.
    AnythingBut(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Text {
    Prefix(String),
    Suffix(String),
    Equal(String),
    Wildcard(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Pattern {
    /// None if the text is no pattern.
    pub(crate) fn compile(text: &str) -> Option<Self> {
        if text.len() > PATTERN_CHARS_MAX {
            return None;
        }
        let value: Value = serde_json::from_str(text).ok()?;
        Self::of(value.as_object().filter(|fields| !fields.is_empty())?)
    }

    fn of(fields: &Map<String, Value>) -> Option<Self> {
        let field = |(name, value): (&String, &Value)| {
            let node = match value {
                Value::Array(items) if name == "$or" => Node::Any(
                    items.iter().map(|item| Self::of(item.as_object()?)).collect::<Option<_>>()?,
                ),
                Value::Array(items) => Node::Leaf(items.iter().map(test).collect::<Option<_>>()?),
                Value::Object(fields) => Node::Fields(Self::of(fields)?),
                _ => return None,
            };
            Some((name.clone(), node))
        };
        fields.iter().map(field).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn matches(&self, value: &Value) -> bool {
        self.0.iter().all(|(name, node)| match node {
            Node::Any(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
            Node::Fields(pattern) => match value.get(name) {
                Some(Value::Array(items)) => items.iter().any(|item| pattern.matches(item)),
                Some(inner) => pattern.matches(inner),
                None => pattern.matches(&Value::Null),
            },
            Node::Leaf(tests) => {
                let field = value.get(name);
                tests.iter().any(|test| test.matches_field(field))
            }
        })
    }

    /// Whether it looks into a body that is JSON.
    pub(crate) fn reads_body(&self) -> bool {
        self.0.iter().any(|(name, node)| name == "body" && matches!(node, Node::Fields(_)))
    }
}

/// Reads a pattern and asks it about an event: nothing may panic or take long. For fuzzing.
pub(crate) fn exercise(pattern: &str, event: &str) {
    if let (Some(pattern), Ok(event)) = (Pattern::compile(pattern), serde_json::from_str(event)) {
        pattern.matches(&event);
    }
}

fn test(value: &Value) -> Option<Test> {
    let Value::Object(fields) = value else {
        return (!value.is_array()).then(|| Test::Exact(value.clone()));
    };
    let mut fields = fields.iter();
    let (operator, operand) = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    match operator.as_str() {
        "exists" => operand.as_bool().map(Test::Exists),
        "numeric" => numeric(operand.as_array()?),
        "anything-but" => anything_but(operand),
        _ => text_test(operator, operand),
    }
}

fn text_test(operator: &str, operand: &Value) -> Option<Test> {
    if let Some(text) = operand.as_str() {
        let text = text.to_owned();
        return Some(Test::Text(match operator {
            "prefix" => Text::Prefix(text),
            "suffix" => Text::Suffix(text),
            "equals-ignore-case" => Text::Equal(text.to_lowercase()),
            "wildcard" => Text::Wildcard(text),
            _ => return None,
        }));
    }
    None
}

fn anything_but(operand: &Value) -> Option<Test> {
    let tests = match operand {
        Value::Array(items) => items.iter().map(test).collect::<Option<_>>()?,
        Value::Object(fields) => {
            let (operator, operand) = fields.iter().next()?;
            let operands = match operand {
                Value::Array(items) => items.as_slice(),
                one => std::slice::from_ref(one),
            };
            operands.iter().map(|operand| text_test(operator, operand)).collect::<Option<_>>()?
        }
        scalar => vec![Test::Exact(scalar.clone())],
    };
    Some(Test::AnythingBut(tests))
}

/// `[">", 0, "<=", 100]`.
fn numeric(items: &[Value]) -> Option<Test> {
    let pair = |pair: &[Value]| {
        let [order, number] = pair else { return None };
        let order = match order.as_str()? {
            "=" => Order::Equal,
            "<" => Order::Less,
            "<=" => Order::LessOrEqual,
            ">" => Order::Greater,
            ">=" => Order::GreaterOrEqual,
            _ => return None,
        };
        Some((order, number.as_f64()?))
    };
    let bounds: Vec<_> = items.chunks(2).map(pair).collect::<Option<_>>()?;
    (!bounds.is_empty() && bounds.len() <= 2).then_some(Test::Numeric(bounds))
}

impl Test {
    fn matches_field(&self, field: Option<&Value>) -> bool {
        match (self, field) {
            (Self::Exists(wanted), field) => field.is_some() == *wanted,
            (_, None) => false,
            // Of a list, one member is enough; of what may not be there, none may match.
            (Self::AnythingBut(tests), Some(Value::Array(items))) => {
                !items.iter().any(|item| tests.iter().any(|test| test.matches(item)))
            }
            (_, Some(Value::Array(items))) => items.iter().any(|item| self.matches(item)),
            (_, Some(value)) => self.matches(value),
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exact(wanted) => match (wanted.as_f64(), value.as_f64()) {
                (Some(wanted), Some(value)) => wanted == value,
                _ => wanted == value,
            },
            Self::Exists(wanted) => *wanted,
            Self::Text(test) => value.as_str().is_some_and(|text| test.matches(text)),
            Self::Numeric(bounds) => value.as_f64().is_some_and(|number| {
                bounds.iter().all(|(order, bound)| order.holds(number, *bound))
            }),
            Self::AnythingBut(tests) => !tests.iter().any(|test| test.matches(value)),
        }
    }
}

impl Text {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::Equal(lower) => text.to_lowercase() == *lower,
            Self::Wildcard(pattern) => wildcard(pattern, text),
        }
    }
}

/// `*` stands for any number of characters.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Order {
    #[expect(clippy::float_cmp, reason = "equality is what the pattern asks for")]
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(pattern: &Value, value: &Value) -> bool {
        Pattern::compile(&pattern.to_string()).unwrap().matches(value)
    }

    #[test]
    fn operators_do_what_aws_documents() {
        let event = json!({"a": "Hello", "n": 5, "list": ["x", "y"], "in": {"b": true, "z": null}});
        for yes in [
            json!({"a": ["Hello", "other"]}),
            json!({"a": [{"prefix": "He"}], "n": [5.0]}),
            json!({"a": [{"suffix": "llo"}]}),
            json!({"a": [{"equals-ignore-case": "hELLO"}]}),
            json!({"a": [{"wildcard": "H*l*o"}]}),
            json!({"a": [{"anything-but": "bye"}]}),
            json!({"a": [{"anything-but": {"prefix": "x"}}]}),
            json!({"n": [{"numeric": [">", 0, "<=", 5]}]}),
            json!({"n": [{"anything-but": [1, 2]}]}),
            json!({"list": ["y"]}),
            json!({"in": {"b": [true], "z": [null]}}),
            json!({"gone": [{"exists": false}]}),
            json!({"in": {"b": [{"exists": true}]}}),
            json!({"none": {"deep": [{"exists": false}]}}),
            json!({"$or": [{"a": ["no"]}, {"n": [5]}]}),
        ] {
            assert!(matches(&yes, &event), "{yes}");
        }
        for no in [
            json!({"a": ["hello"]}),
            json!({"a": ["Hello"], "n": [6]}),
            json!({"a": [{"wildcard": "H*x"}]}),
            json!({"a": [{"anything-but": ["Hello"]}]}),
            json!({"n": [{"numeric": ["<", 5]}]}),
            json!({"list": ["z"]}),
            json!({"list": [{"anything-but": "x"}]}),
            json!({"gone": [{"exists": true}]}),
            json!({"gone": ["x"]}),
            json!({"$or": [{"a": ["no"]}, {"n": [6]}]}),
        ] {
            assert!(!matches(&no, &event), "{no}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "simple string",
            "[]",
            "{}",
            r#"{"a": "b"}"#,
            r#"{"a": [{"unknown": 1}]}"#,
            r#"{"a": [{"numeric": [">"]}]}"#,
            r#"{"a": [["b"]]}"#,
            "null",
        ] {
            assert_eq!(Pattern::compile(text), None, "{text}");
        }
    }
}
