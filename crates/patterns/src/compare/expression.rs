//! DynamoDB's expressions without their placeholders: what they say, however they name it.

use serde_json::{Map, Value};

use super::walk::attribute;

/// Longer expressions are compared as they are.
const BYTES_MAX: usize = 64 << 10;

/// `#names` and `:values` of one input.
pub(super) struct Placeholders<'a> {
    names: Option<&'a Map<String, Value>>,
    values: Option<&'a Map<String, Value>>,
}

impl<'a> Placeholders<'a> {
    pub(super) fn of(input: &'a Map<String, Value>) -> Placeholders<'a> {
        let map = |key: &str| input.get(key).and_then(Value::as_object);
        Placeholders {
            names: map("ExpressionAttributeNames"),
            values: map("ExpressionAttributeValues"),
        }
    }

    fn value(&self, token: &str) -> Option<&'a Value> {
        self.values.and_then(|values| values.get(token))
    }

    /// The text in one spelling, with names and values in place of their placeholders.
    pub(super) fn resolve(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for token in tokens(text) {
            self.push(&mut out, token);
        }
        out
    }

    fn push(&self, out: &mut String, token: &str) {
        let is_tight = |text: &str| matches!(text, "." | "[" | "]" | "(" | ")" | ",");
        let ends_tight = out.ends_with(['.', '[', '(']) || out.is_empty();
        if !ends_tight && !is_tight(token) {
            out.push(' ');
        }
        let name = self.names.and_then(|names| names.get(token)).and_then(Value::as_str);
        match (name, self.value(token)) {
            (Some(name), _) => out.push_str(name),
            (None, Some(value)) => out.push_str(&plain(value).to_string()),
            (None, None) if is_keyword(token) => out.push_str(&token.to_ascii_uppercase()),
            (None, None) => out.push_str(token),
        }
    }

    /// What an update expression does to each attribute: `{"price": 12, "ADD count": 1, "REMOVE old": true}`.
    pub(super) fn assignments(&self, expression: &str) -> Map<String, Value> {
        let mut out = Map::new();
        if expression.len() > BYTES_MAX {
            out.insert("(update)".to_owned(), expression.into());
            return out;
        }
        let mut verb = String::new();
        let mut clause: Vec<&str> = Vec::new();
        let mut depth = 0_usize;
        for token in tokens(expression) {
            let upper = token.to_ascii_uppercase();
            match token {
                _ if depth == 0
                    && matches!(upper.as_str(), "SET" | "REMOVE" | "ADD" | "DELETE") =>
                {
                    self.clause(&verb, &clause, &mut out);
                    clause.clear();
                    verb = upper;
                }
                "," if depth == 0 => {
                    self.clause(&verb, &clause, &mut out);
                    clause.clear();
                }
                _ => {
                    match token {
                        "(" => depth += 1,
                        ")" => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    clause.push(token);
                }
            }
        }
        self.clause(&verb, &clause, &mut out);
        out
    }

    fn clause(&self, verb: &str, clause: &[&str], out: &mut Map<String, Value>) {
        if clause.is_empty() {
            return;
        }
        let text = |tokens: &[&str]| {
            let mut text = String::new();
            tokens.iter().for_each(|token| self.push(&mut text, token));
            text
        };
        let operand = |tokens: &[&str]| match tokens {
            [token] => self.value(token).map_or_else(|| text(tokens).into(), plain),
            _ => Value::from(text(tokens)),
        };
        let (key, value) = match (verb, clause.iter().position(|token| *token == "=")) {
            ("SET", Some(at)) => {
                let (path, rest) = clause.split_at(at);
                (text(path), operand(rest.get(1..).unwrap_or_default()))
            }
            ("ADD" | "DELETE", _) => match clause.split_last() {
                Some((last, path)) => (format!("{verb} {}", text(path)), operand(&[*last])),
                None => return,
            },
            _ => (format!("{verb} {}", text(clause)), Value::Bool(true)),
        };
        out.insert(key, value);
    }
}

/// An attribute's value without its type, at every depth. Sets are sorted.
pub(super) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => match attribute(members) {
            Some(inner) => match (members.keys().next().map(String::as_str), &*inner) {
                (Some("SS" | "NS" | "BS"), Value::Array(elements)) => {
                    let mut elements = elements.clone();
                    elements.sort_by_key(Value::to_string);
                    Value::Array(elements)
                }
                (_, Value::Object(map)) => plain_members(map),
                (_, Value::Array(elements)) => elements.iter().map(plain).collect(),
                (_, other) => other.clone(),
            },
            None => value.clone(),
        },
        other => other.clone(),
    }
}

/// The attributes of an item.
pub(super) fn plain_members(map: &Map<String, Value>) -> Value {
    Value::Object(map.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
}

fn is_keyword(token: &str) -> bool {
    ["and", "or", "not", "between", "in"].iter().any(|word| token.eq_ignore_ascii_case(word))
}

/// Words (with their `#` or `:`), comparisons and signs.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let is_word = |letter: char| letter.is_alphanumeric() || "_-#:".contains(letter);
        let is_sign = |letter: char| "<>=".contains(letter);
        // `a-:b` is a subtraction; within a name there is no `-` unless it is a placeholder's.
        let length = if first == '-' || first == '+' {
            1
        } else if is_word(first) {
            rest.find(|letter| !is_word(letter) || letter == '-').unwrap_or(rest.len())
        } else if is_sign(first) {
            rest.find(|letter| !is_sign(letter)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, tail) = rest.split_at_checked(length.max(1))?;
        rest = tail;
        Some(token)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assignments(input: &Value) -> Value {
        let input = input.as_object().unwrap();
        let expression = input.get("UpdateExpression").and_then(Value::as_str).unwrap();
        Value::Object(Placeholders::of(input).assignments(expression))
    }

    #[test]
    fn placeholders_do_not_matter() {
        let one = assignments(&json!({
            "UpdateExpression": "SET #p = :p, stock=stock-:n ADD #c :one REMOVE old, older",
            "ExpressionAttributeNames": {"#p": "price", "#c": "count"},
            "ExpressionAttributeValues": {":p": {"N": "12.50"}, ":n": {"N": "3"}, ":one": {"N": "1"}},
        }));
        let other = assignments(&json!({
            "UpdateExpression": "remove older , #o add count :x set stock = stock - :y, price = :z",
            "ExpressionAttributeNames": {"#o": "old"},
            "ExpressionAttributeValues": {":z": {"N": "12.5"}, ":y": {"N": "3"}, ":x": {"N": "1"}},
        }));
        assert_eq!(one, other);
        assert_eq!(one.get("price"), Some(&json!(12.5)));
        assert_eq!(one.get("stock"), Some(&json!("stock - 3")));
        assert_eq!(one.get("ADD count"), Some(&json!(1)));
        assert_eq!(one.get("REMOVE old"), Some(&json!(true)));
    }

    #[test]
    fn functions_and_conditions_have_one_spelling() {
        let input = json!({
            "ExpressionAttributeNames": {"#i": "id"},
            "ExpressionAttributeValues": {":e": {"L": []}, ":v": {"S": "x"}},
        });
        let placeholders = Placeholders::of(input.as_object().unwrap());
        assert_eq!(
            placeholders.resolve("attribute_not_exists( #i )  and  v=:v"),
            placeholders.resolve("attribute_not_exists(id) AND v = :v"),
        );
        let set = placeholders.assignments("SET a = list_append(if_not_exists(a, :e), :v), b = :v");
        assert_eq!(set.len(), 2);
        assert_eq!(set.get("b"), Some(&json!("x")));
    }

    #[test]
    fn nonsense_is_survived() {
        let input = json!({});
        let placeholders = Placeholders::of(input.as_object().unwrap());
        for text in ["", "SET", "SET =", ",,,", ")((", "SET a", "ADD", "é = ü", "REMOVE", "- - +"]
        {
            placeholders.assignments(text);
            placeholders.resolve(text);
        }
    }
}
