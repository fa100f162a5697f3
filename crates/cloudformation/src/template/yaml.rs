//! JSON or YAML text to a document, bounded in size, depth and number of nodes.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use undercast_smithy::Document;

use super::Error;

const DEPTH_MAX: usize = 100;
const NODES_MAX: usize = 200_000;

/// Reads a template. JSON begins with `{`; everything else is YAML with CloudFormation's short tags.
pub fn parse(text: &str) -> Result<Document, Error> {
    let trimmed = text.trim_start_matches('\u{feff}').trim_start();
    if trimmed.starts_with('{') {
        return serde_json::from_str(trimmed).map_err(|e| {
            Error::format(format!(
                "JSON not well-formed. (line {}, column {})",
                e.line(),
                e.column()
            ))
        });
    }
    let mut builder = Builder { stack: Vec::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(trimmed) {
        let (event, span) = event.map_err(|e| {
            let at = e.marker();
            Error::format(format!(
                "YAML not well-formed. (line {}, column {})",
                at.line(),
                at.col() + 1
            ))
        })?;
        if matches!(event, Event::Alias(_)) {
            return Err(Error::template(
                "YAML aliases are not allowed in CloudFormation templates.",
            ));
        }
        builder
            .event(event)
            .map_err(|message| Error::format(format!("{message} (line {})", span.start.line())))?;
    }
    match builder.root {
        Some(root @ Document::Object(_)) => Ok(root),
        _ => Err(Error::format("unsupported structure.".to_owned())),
    }
}

enum Frame {
    List { values: Vec<Document>, tag: Option<String> },
    Map { entries: serde_json::Map<String, Document>, key: Option<String>, tag: Option<String> },
}

struct Builder {
    stack: Vec<Frame>,
    root: Option<Document>,
    nodes: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, _, tag) => {
                let tag = tag_name(tag);
                let value = scalar(&text, style, tag.as_deref());
                self.value(value, tag)
            }
            Event::SequenceStart(_, tag) => {
                let tag = tag_name(tag);
                self.push(Frame::List { values: Vec::new(), tag })
            }
            Event::MappingStart(_, tag) => {
                let (entries, tag) = (serde_json::Map::new(), tag_name(tag));
                self.push(Frame::Map { entries, key: None, tag })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Frame::List { values, tag }) => self.value(Document::Array(values), tag),
                Some(Frame::Map { entries, tag, .. }) => self.value(Document::Object(entries), tag),
                None => Err("YAML not well-formed.".to_owned()),
            },
            _ => Ok(()),
        }
    }

    fn push(&mut self, frame: Frame) -> Result<(), String> {
        if self.stack.len() >= DEPTH_MAX {
            return Err("the template is nested too deeply.".to_owned());
        }
        self.stack.push(frame);
        Ok(())
    }

    fn value(&mut self, value: Document, tag: Option<String>) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err("the template is too large.".to_owned());
        }
        let value = match tag {
            Some(tag) => short_form(&tag, value),
            None => value,
        };
        match self.stack.last_mut() {
            None => self.root = Some(value),
            Some(Frame::List { values, .. }) => values.push(value),
            Some(Frame::Map { entries, key, .. }) => match key.take() {
                None => *key = Some(key_text(value)?),
                Some(key) if key == "<<" => merge(entries, value),
                Some(key) => {
                    if entries.insert(key.clone(), value).is_some() {
                        return Err(format!("duplicate key {key}."));
                    }
                }
            },
        }
        Ok(())
    }
}

fn key_text(value: Document) -> Result<String, String> {
    match value {
        Document::String(text) => Ok(text),
        Document::Number(number) => Ok(number.to_string()),
        Document::Bool(value) => Ok(value.to_string()),
        _ => Err("a key that is not text.".to_owned()),
    }
}

/// YAML's merge key: entries that are there already win.
fn merge(entries: &mut serde_json::Map<String, Document>, value: Document) {
    if let Document::Object(more) = value {
        for (key, value) in more {
            entries.entry(key).or_insert(value);
        }
    }
}

/// The name of a local tag such as `!Sub`; core tags (`!!str`) keep both marks.
fn tag_name(tag: Option<Cow<'_, Tag>>) -> Option<String> {
    let tag = tag?;
    if tag.handle == "!" {
        return Some(tag.suffix.clone());
    }
    Some(format!("!!{}", tag.suffix))
}

fn short_form(tag: &str, value: Document) -> Document {
    if tag.starts_with("!!") {
        return value;
    }
    let (name, value) = match (tag, value) {
        ("Ref" | "Condition", value) => (tag.to_owned(), value),
        ("GetAtt", Document::String(text)) => {
            let (resource, attribute) = text.split_once('.').unwrap_or((&text, ""));
            ("Fn::GetAtt".to_owned(), serde_json::json!([resource, attribute]))
        }
        (_, value) => (format!("Fn::{tag}"), value),
    };
    Document::Object([(name, value)].into_iter().collect())
}

/// A plain scalar becomes a number, boolean or null where YAML says so; numbers that would not be
/// printed back as they were written (account ids, versions with leading zeros) stay text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>) -> Document {
    if style != ScalarStyle::Plain || tag.is_some_and(|t| t == "!!str" || !t.starts_with("!!")) {
        return text.into();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Document::Null,
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return number.into();
    }
    let looks_like_float =
        text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    if looks_like_float
        && let Ok(number) = text.parse::<f64>()
        && number.to_string() == text
    {
        return serde_json::Number::from_f64(number).map_or_else(|| text.into(), Document::Number);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_tags_become_functions() {
        let text = "A: !Ref B\nC: !GetAtt D.E.F\nG: !Sub '${H}-x'\nI: !Join ['-', [a, !Ref B]]\nJ:\n  Fn::If: [X, !Ref AWS::NoValue, 1]\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({
                "A": {"Ref": "B"},
                "C": {"Fn::GetAtt": ["D", "E.F"]},
                "G": {"Fn::Sub": "${H}-x"},
                "I": {"Fn::Join": ["-", ["a", {"Ref": "B"}]]},
                "J": {"Fn::If": ["X", {"Ref": "AWS::NoValue"}, 1]},
            })
        );
    }

    #[test]
    fn scalars_keep_what_would_change_when_printed() {
        let text =
            "a: 000000000000\nb: 012\nc: 1.10\nd: 1.5\ne: 2010-09-09\nf: yes\ng: 'true'\nh: true\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({"a": "000000000000", "b": "012", "c": "1.10", "d": 1.5, "e": "2010-09-09", "f": "yes", "g": "true", "h": true})
        );
    }

    #[test]
    fn bombs_and_broken_text_are_refused() {
        let alias = "Template error: YAML aliases are not allowed in CloudFormation templates.";
        assert_eq!(parse("a: &a [x]\nb: *a\n").unwrap_err().to_string(), alias);
        assert!(parse("a: &a [x]\n").is_ok());
        assert!(parse(&format!("a: [{}]", "x,".repeat(NODES_MAX))).is_err());
        assert!(parse(&"[".repeat(500)).is_err());
        let deep = format!("a: {}1{}", "[".repeat(200), "]".repeat(200));
        assert!(parse(&deep).is_err());
        assert!(parse("a: b: c").unwrap_err().to_string().contains("YAML not well-formed"));
        assert!(parse("{\"a\":").unwrap_err().to_string().contains("JSON not well-formed"));
        assert!(parse("a: 1\na: 2\n").unwrap_err().to_string().contains("duplicate key"));
    }
}
