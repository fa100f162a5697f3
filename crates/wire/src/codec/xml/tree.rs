//! A small, bounded XML parser: elements, attributes, text and character data. Document types are
//! refused, so there are no entities beside the five that XML itself names.

use std::borrow::Cow;

use undercast_smithy::ReadError;

use crate::codec::DEPTH_MAX;

/// How many elements a document may have.
pub const ELEMENTS_MAX: usize = 250_000;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Element<'a> {
    /// Without a namespace prefix.
    pub name: &'a str,
    /// With their prefixes.
    pub attributes: Vec<(&'a str, Cow<'a, str>)>,
    pub children: Vec<Element<'a>>,
    /// All text directly inside, joined.
    pub text: Cow<'a, str>,
}

/// Parses a document and returns its root element.
pub fn parse(text: &str) -> Result<Element<'_>, ReadError> {
    let mut parser = Parser { rest: text.strip_prefix('\u{feff}').unwrap_or(text), elements: 0 };
    let mut stack: Vec<Element<'_>> = Vec::new();
    let mut root = None;
    loop {
        let plain = parser.until('<');
        match stack.last_mut() {
            Some(element) => append(&mut element.text, unescape(plain)?),
            None if plain.trim_ascii().is_empty() => {}
            None => return Err(malformed("text outside the root element")),
        }
        if parser.rest.is_empty() {
            return match (stack.is_empty(), root) {
                (true, Some(root)) => Ok(root),
                _ => Err(malformed("it ends too early")),
            };
        }
        let closed = match parser.markup()? {
            Markup::Ignored => continue,
            Markup::Data(data) => {
                let element = stack.last_mut().ok_or_else(|| malformed("data outside the root"))?;
                append(&mut element.text, Cow::Borrowed(data));
                continue;
            }
            Markup::Open(element) => {
                if root.is_some() {
                    return Err(malformed("there is more than one root element"));
                }
                if stack.len() == DEPTH_MAX {
                    return Err(ReadError::Limit(format!("XML nests deeper than {DEPTH_MAX}.")));
                }
                stack.push(element);
                continue;
            }
            Markup::Whole(element) if root.is_none() => element,
            Markup::Whole(_) => return Err(malformed("there is more than one root element")),
            Markup::Close(name) => match stack.pop() {
                Some(element) if element.name == name => element,
                _ => return Err(malformed("an end tag has no start tag")),
            },
        };
        match stack.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => root = Some(closed),
        }
    }
}

fn malformed(why: &str) -> ReadError {
    ReadError::Syntax(format!("The XML is not well-formed: {why}."))
}

fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else if !more.is_empty() {
        text.to_mut().push_str(&more);
    }
}

enum Markup<'a> {
    Ignored,
    Data(&'a str),
    Open(Element<'a>),
    Whole(Element<'a>),
    Close(&'a str),
}

struct Parser<'a> {
    rest: &'a str,
    elements: usize,
}

impl<'a> Parser<'a> {
    fn until(&mut self, stop: char) -> &'a str {
        let (before, rest) = self.rest.split_at(self.rest.find(stop).unwrap_or(self.rest.len()));
        self.rest = rest;
        before
    }

    /// Takes everything up to and including `end`.
    fn through(&mut self, end: &str) -> Result<&'a str, ReadError> {
        let (before, rest) =
            self.rest.split_once(end).ok_or_else(|| malformed("it ends too early"))?;
        self.rest = rest;
        Ok(before)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Reads what begins at the `<` that stands here.
    fn markup(&mut self) -> Result<Markup<'a>, ReadError> {
        if self.eat("<!--") {
            return self.through("-->").map(|_| Markup::Ignored);
        }
        if self.eat("<![CDATA[") {
            return self.through("]]>").map(Markup::Data);
        }
        if self.eat("<?") {
            return self.through("?>").map(|_| Markup::Ignored);
        }
        if self.eat("<!") {
            return Err(malformed("document types are not accepted"));
        }
        if self.eat("</") {
            let name = self.through(">")?.trim_ascii_end();
            return Ok(Markup::Close(local(name)));
        }
        self.eat("<");
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(ReadError::Limit(format!("XML has more than {ELEMENTS_MAX} elements.")));
        }
        let mut element = Element { name: local(self.name()?), ..Element::default() };
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.eat("/>") {
                return Ok(Markup::Whole(element));
            }
            if self.eat(">") {
                return Ok(Markup::Open(element));
            }
            element.attributes.push(self.attribute()?);
            if element.attributes.len() > 64 {
                return Err(ReadError::Limit("An XML element has too many attributes.".to_owned()));
            }
        }
    }

    fn name(&mut self) -> Result<&'a str, ReadError> {
        let end = self.rest.find(|c: char| c.is_ascii_whitespace() || "/>=<\"'".contains(c));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if name.is_empty() { Err(malformed("a name is missing")) } else { Ok(name) }
    }

    fn attribute(&mut self) -> Result<(&'a str, Cow<'a, str>), ReadError> {
        let name = self.name()?;
        self.rest = self.rest.trim_ascii_start();
        if !self.eat("=") {
            return Err(malformed("an attribute has no value"));
        }
        self.rest = self.rest.trim_ascii_start();
        let quote = match self.rest.chars().next() {
            Some('"') => "\"",
            Some('\'') => "'",
            _ => return Err(malformed("an attribute's value has no quotes")),
        };
        self.eat(quote);
        Ok((name, unescape(self.through(quote)?)?))
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Replaces character references and the five named entities.
fn unescape(text: &str) -> Result<Cow<'_, str>, ReadError> {
    if !text.contains('&') {
        return Ok(Cow::Borrowed(text));
    }
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        value.push_str(before);
        let (name, after) =
            after.split_once(';').ok_or_else(|| malformed("a reference does not end"))?;
        value.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => reference(name).ok_or_else(|| malformed("a reference is unknown"))?,
        });
        rest = after;
    }
    value.push_str(rest);
    Ok(Cow::Owned(value))
}

fn reference(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let text = "<?xml version='1.0'?>\n<!-- c --><s3:A x:y=\"1&amp;2\" z='q'>\n <B/> t<B>&lt;&#65;&#x42;<![CDATA[<c>]]></B ></s3:A>\n";
        let root = parse(text).unwrap();
        assert_eq!(root.name, "A");
        assert_eq!(root.attributes, [("x:y", "1&2".into()), ("z", "q".into())]);
        assert_eq!(root.children.len(), 2);
        assert_eq!(root.children[1].text, "<AB<c>");
        assert_eq!(root.text.trim(), "t");
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "</a>",
            "<a b></a>",
            "<a b=c/>",
            "<a>&x;</a>",
            "<a>&#xD800;</a>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            "<a",
            "<>",
            "<a/>x",
            "<![CDATA[x]]>",
            "<a>&amp</a>",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = "<a>".repeat(10_000);
        assert!(matches!(parse(&deep), Err(ReadError::Limit(_))));
    }
}
