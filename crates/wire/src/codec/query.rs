//! Form-encoded input: `A.member.1.B=value`.

use std::borrow::Cow;

use bytes::Bytes;
use undercast_smithy::document::check_union;
use undercast_smithy::shape::{OnElement, OnEntry, OnMember};
use undercast_smithy::{Body, Document, Kind, Member, ReadError, Schema, ShapeReader, Timestamp};

use super::DEPTH_MAX;
use super::text::{Place, TextReader};

/// Pairs of a form body or a query string, decoded, in the order they came.
pub type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// How many parameters one call may have.
pub const PAIRS_MAX: usize = 100_000;

/// Splits `text` at `&` and `=` and decodes both sides. Parameters beyond [`PAIRS_MAX`] are refused.
pub fn parse_pairs(text: &str) -> Result<Pairs<'_>, ReadError> {
    let mut pairs = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == PAIRS_MAX {
            return Err(ReadError::Limit(format!("More than {PAIRS_MAX} parameters.")));
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decode(key), decode(value)));
    }
    Ok(pairs)
}

/// Decodes `%XX` and `+`; bytes that are no UTF-8 become U+FFFD.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy();
    Cow::Owned(decoded.into_owned())
}

/// What key and value of the map in `member` are called. SQS, whose model is JSON, names them by
/// what its maps hold.
pub(crate) fn entry_names(
    member: Option<&'static Member>,
    key: &'static Member,
    value: &'static Member,
) -> (&'static str, &'static str) {
    match member.and_then(|m| m.query_name) {
        Some("Tag") => ("Key", "Value"),
        Some(_) => ("Name", "Value"),
        None => (key.wire_name.unwrap_or("key"), value.wire_name.unwrap_or("value")),
    }
}

/// Stands at a prefix of the parameter names. Callbacks get the same reader with a longer prefix.
pub struct QueryReader<'a> {
    /// Sorted by name.
    pairs: &'a [(Cow<'a, str>, Cow<'a, str>)],
    prefix: String,
    /// The member whose value stands here.
    member: Option<&'static Member>,
    depth: usize,
}

impl<'a> QueryReader<'a> {
    /// Sorts `pairs` and stands at the root.
    pub fn new(pairs: &'a mut Pairs<'_>) -> QueryReader<'a> {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        QueryReader { pairs, prefix: String::new(), member: None, depth: 0 }
    }

    fn value_at(&self, key: &str) -> Option<&'a str> {
        let at = self.pairs.partition_point(|(k, _)| &**k < key);
        let (found, value) = self.pairs.get(at)?;
        (&**found == key).then_some(&**value)
    }

    /// The pairs whose names begin with `prefix`.
    fn below(&self, prefix: &str) -> &'a [(Cow<'a, str>, Cow<'a, str>)] {
        let start = self.pairs.partition_point(|(k, _)| &**k < prefix);
        let rest = self.pairs.get(start..).unwrap_or_default();
        let length = rest.partition_point(|(k, _)| k.starts_with(prefix));
        rest.get(..length).unwrap_or_default()
    }

    fn exists(&mut self) -> bool {
        if self.value_at(&self.prefix).is_some() {
            return true;
        }
        self.prefix.push('.');
        let found = !self.below(&self.prefix).is_empty();
        self.prefix.pop();
        found
    }

    /// Runs `on` with the prefix one part longer.
    fn within<T>(&mut self, part: &str, on: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.prefix.len();
        if length > 0 {
            self.prefix.push('.');
        }
        self.prefix.push_str(part);
        let result = on(self);
        self.prefix.truncate(length);
        result
    }

    fn enter(&mut self) -> Result<(), ReadError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ReadError::Limit(format!("Parameters nest deeper than {DEPTH_MAX}.")));
        }
        Ok(())
    }

    /// The numbers that follow the prefix, ascending.
    fn indexes(&mut self) -> Vec<u32> {
        self.prefix.push('.');
        let skip = self.prefix.len();
        let numbers = self.below(&self.prefix).iter().filter_map(|(key, _)| {
            let rest = key.get(skip..)?;
            rest.split('.').next()?.parse::<u32>().ok()
        });
        let mut numbers: Vec<u32> = numbers.collect();
        self.prefix.pop();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Visits `prefix.N` for every N, or `prefix.{wrapper}.N`, whichever the client used.
    fn each(
        &mut self,
        flattened: bool,
        wrapper: &str,
        mut on: impl FnMut(&mut Self) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut visit = |reader: &mut Self| {
            let indexes = reader.indexes();
            indexes.iter().try_for_each(|index| {
                let mut digits = itoa::Buffer::new();
                reader.within(digits.format(*index), |reader| {
                    reader.member = None;
                    on(reader)
                })
            })?;
            Ok(!indexes.is_empty())
        };
        if !flattened && self.within(wrapper, &mut visit)? {
            return Ok(());
        }
        if visit(self)? || !flattened {
            return Ok(());
        }
        self.within(wrapper, visit).map(|_| ())
    }

    fn is_flattened(&mut self, schema: &'static Schema) -> bool {
        schema.flattened || self.member.is_some_and(|m| m.flattened)
    }

    fn scalar<T>(
        &self,
        read: impl FnOnce(&mut TextReader<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let text = self.value_at(&self.prefix).unwrap_or_default();
        read(&mut TextReader::new(&[Cow::Borrowed(text)], Place::Query))
    }

    /// The names under which clients send `member`.
    fn spellings(&self, member: &'static Member) -> [&'static str; 2] {
        // A flattened list whose elements have a name goes by that name.
        if let Kind::List(element) = member.schema.kind
            && member.is_flattened()
            && let Some(name) = element.wire_name
        {
            return [name, member.wire_name()];
        }
        [member.query_name(), member.wire_name()]
    }
}

impl ShapeReader for QueryReader<'_> {
    fn structure(&mut self, schema: &'static Schema, on: OnMember<'_>) -> Result<(), ReadError> {
        self.enter()?;
        let mut found = 0;
        for (index, member) in schema.members().iter().enumerate() {
            for name in self.spellings(member) {
                let hit = self.within(name, |reader| {
                    if !reader.exists() {
                        return Ok(false);
                    }
                    reader.member = Some(member);
                    on(index, reader).map(|()| true)
                })?;
                if hit {
                    found += 1;
                    break;
                }
            }
        }
        self.depth -= 1;
        check_union(schema, found)
    }

    fn list(&mut self, schema: &'static Schema, on: OnElement<'_>) -> Result<(), ReadError> {
        let Kind::List(element) = schema.kind else {
            return Ok(());
        };
        self.enter()?;
        let flattened = self.is_flattened(schema);
        self.each(flattened, element.wire_name.unwrap_or("member"), |reader| on(reader))?;
        self.depth -= 1;
        Ok(())
    }

    fn map(&mut self, schema: &'static Schema, on: OnEntry<'_>) -> Result<(), ReadError> {
        let Kind::Map(key, value) = schema.kind else {
            return Ok(());
        };
        self.enter()?;
        let flattened = self.is_flattened(schema);
        let special = entry_names(self.member, key, value);
        self.each(flattened, "entry", |reader| {
            let plain = (key.wire_name.unwrap_or("key"), value.wire_name.unwrap_or("value"));
            for (key, value) in [special, plain] {
                let name = reader.within(key, |reader| reader.value_at(&reader.prefix));
                if let Some(name) = name {
                    return reader.within(value, |reader| on(name.to_owned(), reader));
                }
            }
            Ok(())
        })?;
        self.depth -= 1;
        Ok(())
    }

    fn boolean(&mut self) -> Result<bool, ReadError> {
        self.scalar(|text| text.boolean())
    }

    fn integer(&mut self) -> Result<i64, ReadError> {
        self.scalar(|text| text.integer())
    }

    fn float(&mut self) -> Result<f64, ReadError> {
        self.scalar(|text| text.float())
    }

    fn string(&mut self) -> Result<String, ReadError> {
        self.scalar(|text| text.string())
    }

    fn blob(&mut self) -> Result<Bytes, ReadError> {
        self.scalar(|text| text.blob())
    }

    fn timestamp(&mut self, member: &'static Member) -> Result<Timestamp, ReadError> {
        self.scalar(|text| text.timestamp(member))
    }

    fn document(&mut self) -> Result<Document, ReadError> {
        self.scalar(|text| text.document())
    }

    fn stream(&mut self) -> Result<Body, ReadError> {
        self.scalar(|text| text.stream())
    }

    fn is_null(&mut self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use undercast_smithy::Value;
    use undercast_smithy::schema::prelude::STRING;

    use super::*;

    static TEXT: Member = Member::new("member", &STRING);
    static KEY: Member = Member::new("key", &STRING);
    static VALUE: Member = Member::new("value", &STRING);
    static NAMED: Member = Member::new("member", &STRING).wire("Item");
    static LIST: Schema = Schema::new("List", Kind::List(&TEXT));
    static NAMED_LIST: Schema = Schema::new("NamedList", Kind::List(&NAMED)).flattened();
    static MAP: Schema = Schema::new("Map", Kind::Map(&KEY, &VALUE));
    static FLAT_MAP: Schema = Schema::new("FlatMap", Kind::Map(&KEY, &VALUE)).flattened();
    static MEMBERS: &[Member] = &[
        Member::new("List", &LIST),
        Member::new("Items", &NAMED_LIST),
        Member::new("Map", &MAP),
        Member::new("Attributes", &FLAT_MAP).query("Attribute"),
    ];
    static SHAPE: Schema = Schema::new("Shape", Kind::Structure(MEMBERS));
    type Lists = (Vec<String>, Vec<String>);
    type Maps = (BTreeMap<String, String>, BTreeMap<String, String>);

    fn read(text: &str) -> (Lists, Maps) {
        let (mut lists, mut maps) = (Lists::default(), Maps::default());
        let mut pairs = parse_pairs(text).unwrap();
        QueryReader::new(&mut pairs)
            .structure(&SHAPE, &mut |index, reader| {
                let member = &MEMBERS[index];
                match index {
                    0 => lists.0 = Vec::read(member, reader)?,
                    1 => lists.1 = Vec::read(member, reader)?,
                    2 => maps.0 = BTreeMap::read(member, reader)?,
                    _ => maps.1 = BTreeMap::read(member, reader)?,
                }
                Ok(())
            })
            .unwrap();
        (lists, maps)
    }

    #[test]
    fn lists_come_wrapped_flattened_and_out_of_order() {
        let text = "List.member.10=c&List.member.2=b&List.member.1=a+1&Item.2=y&Item.1=x%2B";
        let (lists, _) = read(text);
        assert_eq!(lists.0, ["a 1", "b", "c"]);
        assert_eq!(lists.1, ["x+", "y"]);
        let (lists, _) = read("List.1=a&Items.1=x&List-x=1");
        assert_eq!((lists.0.len(), lists.1.len()), (1, 1));
        assert!(read("List=").0.0.is_empty());
    }

    #[test]
    fn maps_come_in_both_forms() {
        let text = "Map.entry.1.key=k&Map.entry.1.value=v&Attribute.1.Name=n&Attribute.1.Value=w";
        let (_, maps) = read(text);
        assert_eq!(maps.0["k"], "v");
        assert_eq!(maps.1["n"], "w");
        assert_eq!(read("Attributes.1.key=n&Attributes.1.value=w").1.1["n"], "w");
        assert_eq!(read("Attributes.entry.1.key=n&Attributes.entry.1.value=w").1.1["n"], "w");
    }

    #[test]
    fn hostile_names_end_in_an_error_or_nothing() {
        static NEST: Member = Member::new("N", &NESTED);
        static NESTED: Schema = Schema::new("Nested", Kind::Structure(std::slice::from_ref(&NEST)));
        fn descend(reader: &mut dyn ShapeReader) -> Result<(), ReadError> {
            reader.structure(&NESTED, &mut |_, reader| descend(reader))
        }
        let text = format!("{}N=1", "N.".repeat(10_000));
        let mut pairs = parse_pairs(&text).unwrap();
        let result = descend(&mut QueryReader::new(&mut pairs));
        assert!(matches!(result, Err(ReadError::Limit(_))));
        assert!(read("List.member.x=1&List.member.99999999999=1&=&&.=.").0.0.is_empty());
    }
}
