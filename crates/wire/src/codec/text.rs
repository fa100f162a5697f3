//! Scalars that travel as text: labels, query parameters, headers and form values.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use bytes::Bytes;
use undercast_smithy::shape::{OnElement, OnEntry};
use undercast_smithy::{
    Body, Document, Member, ReadError, Schema, ShapeReader, Timestamp, TimestampFormat,
};

use super::json::{BASE64, JsonReader};
use super::{parse_float, refuse};

/// Where a text came from; this decides how lists and timestamps look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A label, a query parameter or a form value.
    Query,
    Header,
}

/// Stands at one text, or at the values of a repeated parameter.
pub struct TextReader<'a> {
    values: &'a [Cow<'a, str>],
    place: Place,
}

impl<'a> TextReader<'a> {
    pub fn new(values: &'a [Cow<'a, str>], place: Place) -> Self {
        Self { values, place }
    }

    fn text(&self) -> &str {
        self.values.first().map_or("", |v| &**v)
    }

    fn wrong(&self, expected: &str) -> ReadError {
        ReadError::Kind(format!("`{}` is not a valid {expected}", self.text()))
    }

    fn each(&self, part: &str, on: &mut OnElement<'_>) -> Result<(), ReadError> {
        on(&mut TextReader { values: &[Cow::Borrowed(part)], place: self.place })
    }
}

impl ShapeReader for TextReader<'_> {
    refuse!(structure map);

    fn list(&mut self, schema: &'static Schema, mut on: OnElement<'_>) -> Result<(), ReadError> {
        if self.place == Place::Query {
            return self.values.iter().try_for_each(|value| self.each(value, &mut on));
        }
        let dates = matches!(schema.kind, undercast_smithy::Kind::List(element)
            if matches!(element.schema.kind, undercast_smithy::Kind::Timestamp)
                && element.timestamp_format_or(TimestampFormat::HttpDate) == TimestampFormat::HttpDate);
        for value in self.values {
            for part in split_header(value, dates) {
                self.each(&part, &mut on)?;
            }
        }
        Ok(())
    }

    fn boolean(&mut self) -> Result<bool, ReadError> {
        match self.text() {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err(self.wrong("boolean")),
        }
    }

    fn integer(&mut self) -> Result<i64, ReadError> {
        self.text().trim().parse().map_err(|_| self.wrong("integer"))
    }

    fn float(&mut self) -> Result<f64, ReadError> {
        parse_float(self.text().trim()).ok_or_else(|| self.wrong("number"))
    }

    fn string(&mut self) -> Result<String, ReadError> {
        Ok(self.text().to_owned())
    }

    fn blob(&mut self) -> Result<Bytes, ReadError> {
        BASE64.decode(self.text()).map(Bytes::from).map_err(|_| self.wrong("Base64 text"))
    }

    fn timestamp(&mut self, _: &'static Member) -> Result<Timestamp, ReadError> {
        Timestamp::parse(self.text().trim()).ok_or_else(|| self.wrong("timestamp"))
    }

    fn document(&mut self) -> Result<Document, ReadError> {
        JsonReader::new(self.text().as_bytes())?.document()
    }

    fn stream(&mut self) -> Result<Body, ReadError> {
        self.string().map(Body::from_bytes)
    }

    fn is_null(&mut self) -> bool {
        false
    }
}

/// The values of a header list: split at commas outside quotes; HTTP dates hold one comma each.
fn split_header(value: &str, dates: bool) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut part, mut quoted, mut escaped, mut commas) = (String::new(), false, false, 0);
    for c in value.chars() {
        match c {
            _ if escaped => {
                part.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                commas += 1;
                if dates && commas % 2 == 1 {
                    part.push(c);
                } else {
                    parts.push(std::mem::take(&mut part).trim().to_owned());
                }
            }
            _ => part.push(c),
        }
    }
    if !part.trim().is_empty() || !parts.is_empty() {
        parts.push(part.trim().to_owned());
    }
    parts
}

/// A map in the query: every parameter that no other member claims, or headers with a prefix.
pub struct EntriesReader<'a> {
    entries: Vec<(String, Vec<Cow<'a, str>>)>,
}

impl<'a> EntriesReader<'a> {
    /// Groups repeated names; the order of first appearance stays.
    pub fn new(pairs: impl Iterator<Item = (String, Cow<'a, str>)>) -> Self {
        let mut entries: Vec<(String, Vec<Cow<'a, str>>)> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for (key, value) in pairs {
            match known.get(&key).and_then(|index| entries.get_mut(*index)) {
                Some((_, values)) => values.push(value),
                None => {
                    known.insert(key.clone(), entries.len());
                    entries.push((key, vec![value]));
                }
            }
        }
        Self { entries }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl ShapeReader for EntriesReader<'_> {
    refuse!(structure list boolean integer float string blob timestamp document stream is_null);

    fn map(&mut self, _: &'static Schema, on: OnEntry<'_>) -> Result<(), ReadError> {
        self.entries.iter().try_for_each(|(key, values)| {
            on(key.clone(), &mut TextReader::new(values, Place::Query))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lists_split_at_commas_outside_quotes() {
        assert_eq!(split_header("a, b,c", false), ["a", "b", "c"]);
        assert_eq!(split_header(r#""x,y", "z \"q\"""#, false), ["x,y", "z \"q\""]);
        assert_eq!(
            split_header("Mon, 16 Dec 2019 23:48:18 GMT, Tue, 17 Dec 2019 23:48:18 GMT", true),
            ["Mon, 16 Dec 2019 23:48:18 GMT", "Tue, 17 Dec 2019 23:48:18 GMT"]
        );
        assert!(split_header("", false).is_empty());
    }
}
