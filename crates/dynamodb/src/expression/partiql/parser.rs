//! The grammar of PartiQL, as much of it as DynamoDB knows.

use std::collections::BTreeSet;

use undercast_kernel::ServiceError;

use super::super::Kind;
use super::super::condition::{Comparator, Condition, Operand};
use super::super::path::{Path, Step, check_distinct};
use super::super::update::{Action, Term, Update};
use super::lexer::{Token, tokens};
use super::{Returning, Select, Statement, malformed};
use crate::error::invalid;
use crate::limits::{EXPRESSION_OPERATORS_MAX, IN_OPERANDS_MAX, STATEMENT_BYTES_MAX};
use crate::value::{DEPTH_MAX, Item, Number, Value};

/// Conditions within conditions.
const NESTING_MAX: usize = 100;

/// Words that end a name or a list of them.
const CLAUSES: &[&str] =
    &["FROM", "WHERE", "ORDER", "SET", "REMOVE", "RETURNING", "AND", "OR", "VALUE", "BY"];

pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    parameters: std::vec::IntoIter<Value>,
    operators: usize,
    nesting: usize,
}

impl Parser {
    pub(super) fn new(text: &str, parameters: Vec<Value>) -> Result<Self, ServiceError> {
        if text.len() > STATEMENT_BYTES_MAX {
            return Err(malformed("The statement is too long"));
        }
        let tokens = tokens(text)?;
        let wanted = tokens.iter().filter(|token| **token == Token::Parameter).count();
        if wanted != parameters.len() {
            return Err(invalid("Number of parameters in request and statement don't match."));
        }
        let parameters = parameters.into_iter();
        Ok(Self { tokens, at: 0, parameters, operators: 0, nesting: 0 })
    }

    pub(super) fn statement(mut self) -> Result<Statement, ServiceError> {
        let statement = if self.take("SELECT") {
            Statement::Select(self.select()?)
        } else if self.take("EXISTS") {
            self.expect("(")?;
            self.expect("SELECT")?;
            let select = self.select()?;
            self.expect(")")?;
            Statement::Exists(select)
        } else if self.take("INSERT") {
            self.insert()?
        } else if self.take("UPDATE") {
            self.update()?
        } else if self.take("DELETE") {
            self.delete()?
        } else {
            return Err(malformed("Expected data manipulation"));
        };
        self.take(";");
        match self.peek() {
            None => Ok(statement),
            Some(_) => Err(malformed("Unexpected term")),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn token_is(token: Option<&Token>, wanted: &str) -> bool {
        match token {
            Some(Token::Sign(sign)) => *sign == wanted,
            Some(Token::Word { text, is_quoted: false }) => text.eq_ignore_ascii_case(wanted),
            _ => false,
        }
    }

    fn is(&self, wanted: &str) -> bool {
        Self::token_is(self.peek(), wanted)
    }

    fn next_is(&self, wanted: &str) -> bool {
        Self::token_is(self.tokens.get(self.at + 1), wanted)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let is = self.is(wanted);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, wanted: &str) -> Result<(), ServiceError> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(malformed(format!("Expected {wanted}")))
    }

    fn count_operator(&mut self) -> Result<(), ServiceError> {
        self.operators += 1;
        if self.operators > EXPRESSION_OPERATORS_MAX {
            return Err(malformed("The statement contains too many operators"));
        }
        Ok(())
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(malformed("The statement is nested too deeply"));
        }
        let result = read(self);
        self.nesting -= 1;
        result
    }

    fn name(&mut self) -> Result<String, ServiceError> {
        match self.peek() {
            Some(Token::Word { text, is_quoted })
                if *is_quoted || !CLAUSES.iter().any(|word| text.eq_ignore_ascii_case(word)) =>
            {
                let name = text.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(malformed("Expected identifier for simple path")),
        }
    }

    fn path(&mut self) -> Result<Path, ServiceError> {
        let name = self.name()?;
        let mut rest = Vec::new();
        loop {
            if self.take(".") {
                rest.push(Step::Name(self.name()?));
            } else if self.take("[") {
                rest.push(match self.peek() {
                    Some(Token::Number(digits)) => {
                        let index = digits.parse::<u32>();
                        let index = index.map_err(|_| malformed("Invalid index"))?;
                        Step::Index(usize::try_from(index).unwrap_or(usize::MAX))
                    }
                    Some(Token::Text(name)) => Step::Name(name.clone()),
                    _ => return Err(malformed("Expected an index")),
                });
                self.at += 1;
                self.expect("]")?;
            } else {
                break;
            }
        }
        if rest.len() >= DEPTH_MAX {
            return Err(malformed("The document path has too many nesting elements"));
        }
        Ok(Path { name, rest })
    }

    fn select(&mut self) -> Result<Select, ServiceError> {
        let columns = if self.take("*") {
            None
        } else {
            let mut columns = vec![self.path()?];
            while self.take(",") {
                columns.push(self.path()?);
            }
            check_distinct(Kind::Projection, &columns)?;
            Some(columns)
        };
        self.expect("FROM")?;
        let table = self.name()?;
        let index = if self.take(".") { Some(self.name()?) } else { None };
        let filter = if self.take("WHERE") { Some(self.condition()?) } else { None };
        let mut order = Vec::new();
        if self.take("ORDER") {
            self.expect("BY")?;
            loop {
                let name = self.name()?;
                let falls = self.take("DESC");
                if !falls {
                    self.take("ASC");
                }
                order.push((name, falls));
                if !self.take(",") {
                    break;
                }
            }
        }
        Ok(Select { columns, table, index, filter, order })
    }

    fn insert(&mut self) -> Result<Statement, ServiceError> {
        self.expect("INTO")?;
        let table = self.name()?;
        self.expect("VALUE")?;
        match self.value()? {
            Value::M(item) => Ok(Statement::Insert { table, item }),
            _ => Err(invalid("Expected a structure as the value of an INSERT statement")),
        }
    }

    fn update(&mut self) -> Result<Statement, ServiceError> {
        let table = self.name()?;
        let mut actions: Vec<(Path, Action)> = Vec::new();
        loop {
            if self.take("SET") {
                actions.push(self.assignment()?);
                while self.take(",") {
                    actions.push(self.assignment()?);
                }
            } else if self.take("REMOVE") {
                actions.push((self.path()?, Action::Remove));
                while self.take(",") {
                    actions.push((self.path()?, Action::Remove));
                }
            } else {
                break;
            }
        }
        if actions.is_empty() {
            return Err(malformed("Expected SET or REMOVE"));
        }
        let paths: Vec<Path> = actions.iter().map(|(path, _)| path.clone()).collect();
        check_distinct(Kind::Update, &paths)?;
        let (filter, returning) = (self.required_where()?, self.returning()?);
        Ok(Statement::Update { table, update: Update { actions }, filter, returning })
    }

    fn delete(&mut self) -> Result<Statement, ServiceError> {
        self.expect("FROM")?;
        let table = self.name()?;
        let (filter, returning) = (self.required_where()?, self.returning()?);
        if returning.is_some_and(|returning| returning != Returning::AllOld) {
            return Err(malformed("RETURNING of a DELETE statement can only be ALL OLD *"));
        }
        Ok(Statement::Delete { table, filter, returning })
    }

    fn required_where(&mut self) -> Result<Condition, ServiceError> {
        if !self.take("WHERE") {
            return Err(invalid(
                "Where clause does not contain a mandatory equality on all key attributes",
            ));
        }
        self.condition()
    }

    fn returning(&mut self) -> Result<Option<Returning>, ServiceError> {
        if !self.take("RETURNING") {
            return Ok(None);
        }
        let all = self.take("ALL");
        if !all {
            self.expect("MODIFIED")?;
        }
        let old = self.take("OLD");
        if !old {
            self.expect("NEW")?;
        }
        self.expect("*")?;
        Ok(Some(match (all, old) {
            (true, true) => Returning::AllOld,
            (true, false) => Returning::AllNew,
            (false, true) => Returning::ModifiedOld,
            (false, false) => Returning::ModifiedNew,
        }))
    }

    fn assignment(&mut self) -> Result<(Path, Action), ServiceError> {
        let path = self.path()?;
        self.expect("=")?;
        for (name, adds) in [("SET_ADD", true), ("SET_DELETE", false)] {
            if !(self.is(name) && self.next_is("(")) {
                continue;
            }
            self.at += 2;
            if self.path()? != path {
                return Err(malformed(format!(
                    "{name} has to change the attribute that it is set to"
                )));
            }
            self.expect(",")?;
            let value = self.value()?;
            self.expect(")")?;
            let is_set = matches!(value, Value::Ss(_) | Value::Ns(_) | Value::Bs(_));
            if !is_set {
                return Err(malformed(format!("Expected a set as the second operand of {name}")));
            }
            return Ok((path, if adds { Action::Add(value) } else { Action::Delete(value) }));
        }
        Ok((path, Action::Set(self.term()?)))
    }

    /// Sums and differences, from the left.
    fn term(&mut self) -> Result<Term, ServiceError> {
        let mut term = self.summand()?;
        loop {
            if self.take("+") {
                self.count_operator()?;
                term = Term::Plus(Box::new(term), Box::new(self.summand()?));
            } else if self.take("-") {
                self.count_operator()?;
                term = Term::Minus(Box::new(term), Box::new(self.summand()?));
            } else {
                return Ok(term);
            }
        }
    }

    fn summand(&mut self) -> Result<Term, ServiceError> {
        if self.is("LIST_APPEND") && self.next_is("(") {
            self.at += 2;
            return self.nested(|parser| {
                let left = parser.term()?;
                parser.expect(",")?;
                let right = parser.term()?;
                parser.expect(")")?;
                Ok(Term::ListAppend(Box::new(left), Box::new(right)))
            });
        }
        if self.take("(") {
            return self.nested(|parser| {
                let inner = parser.term()?;
                parser.expect(")")?;
                Ok(inner)
            });
        }
        Ok(match self.starts_path() {
            true => Term::Path(self.path()?),
            false => Term::Value(self.value()?),
        })
    }

    /// Whether the next word is a name and no literal.
    fn starts_path(&self) -> bool {
        match self.peek() {
            Some(Token::Word { is_quoted: true, .. }) => true,
            Some(Token::Word { .. }) => {
                !["TRUE", "FALSE", "NULL", "MISSING"].iter().any(|word| self.is(word))
            }
            _ => false,
        }
    }

    fn condition(&mut self) -> Result<Condition, ServiceError> {
        self.nested(|parser| {
            let mut any = vec![parser.conjunction()?];
            while parser.take("OR") {
                parser.count_operator()?;
                any.push(parser.conjunction()?);
            }
            Ok(match any.len() {
                1 => any.remove(0),
                _ => Condition::Or(any),
            })
        })
    }

    fn conjunction(&mut self) -> Result<Condition, ServiceError> {
        let mut all = vec![self.negation()?];
        while self.take("AND") {
            self.count_operator()?;
            all.push(self.negation()?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Condition::And(flat(all)),
        })
    }

    fn negation(&mut self) -> Result<Condition, ServiceError> {
        if self.take("NOT") {
            self.count_operator()?;
            return self.nested(|parser| Ok(Condition::Not(Box::new(parser.negation()?))));
        }
        if self.take("(") {
            let inner = self.condition()?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Condition, ServiceError> {
        self.count_operator()?;
        if self.next_is("(") {
            for (name, make) in [
                ("BEGINS_WITH", Condition::BeginsWith as fn(Operand, Operand) -> Condition),
                ("CONTAINS", Condition::Contains),
            ] {
                if self.is(name) {
                    self.at += 2;
                    let left = self.operand()?;
                    self.expect(",")?;
                    let right = self.operand()?;
                    self.expect(")")?;
                    return Ok(make(left, right));
                }
            }
            if self.is("ATTRIBUTE_TYPE") {
                self.at += 2;
                return self.attribute_type();
            }
        }
        let left = self.operand()?;
        if self.take("IS") {
            return self.is_clause(left);
        }
        let is_negated = self.take("NOT");
        let condition = if self.take("BETWEEN") {
            let low = self.operand()?;
            self.expect("AND")?;
            Condition::Between(left, low, self.operand()?)
        } else if self.take("IN") {
            Condition::In(left, self.list_of_in()?)
        } else {
            match self.comparator() {
                Some(comparator) if !is_negated => {
                    Condition::Compare(comparator, left, self.operand()?)
                }
                _ => return Err(malformed("Unexpected term")),
            }
        };
        Ok(if is_negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn attribute_type(&mut self) -> Result<Condition, ServiceError> {
        let path = self.path()?;
        self.expect(",")?;
        let kind = match self.value()? {
            Value::S(kind)
                if ["S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL"]
                    .contains(&kind.as_str()) =>
            {
                kind
            }
            _ => return Err(invalid("Invalid attribute type name found")),
        };
        self.expect(")")?;
        Ok(Condition::Type(path, kind))
    }

    fn is_clause(&mut self, left: Operand) -> Result<Condition, ServiceError> {
        let Operand::Path(path) = left else {
            return Err(malformed("Expected a path before IS"));
        };
        let is_negated = self.take("NOT");
        let condition = if self.take("MISSING") {
            match is_negated {
                true => return Ok(Condition::Exists(path)),
                false => Condition::Missing(path),
            }
        } else {
            self.expect("NULL")?;
            Condition::Type(path, "NULL".to_owned())
        };
        Ok(if is_negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn comparator(&mut self) -> Option<Comparator> {
        let Some(Token::Sign(sign)) = self.peek() else {
            return None;
        };
        let comparator = match *sign {
            "!=" => Comparator::Ne,
            sign => Comparator::from_sign(sign)?,
        };
        self.at += 1;
        Some(comparator)
    }

    /// `[1, 2]` or `(1, 2)`.
    fn list_of_in(&mut self) -> Result<Vec<Operand>, ServiceError> {
        let end = match self.take("[") {
            true => "]",
            false => {
                self.expect("(")?;
                ")"
            }
        };
        let mut any = vec![self.operand()?];
        while self.take(",") {
            any.push(self.operand()?);
        }
        self.expect(end)?;
        if any.len() > IN_OPERANDS_MAX {
            return Err(invalid(format!("The IN operator accepts up to {IN_OPERANDS_MAX} values")));
        }
        Ok(any)
    }

    fn operand(&mut self) -> Result<Operand, ServiceError> {
        if self.is("SIZE") && self.next_is("(") {
            self.at += 2;
            let path = self.path()?;
            self.expect(")")?;
            return Ok(Operand::Size(Box::new(Operand::Path(path))));
        }
        Ok(match self.starts_path() {
            true => Operand::Path(self.path()?),
            false => Operand::Value(self.value()?),
        })
    }

    fn value(&mut self) -> Result<Value, ServiceError> {
        self.nested(Self::literal)
    }

    fn literal(&mut self) -> Result<Value, ServiceError> {
        if self.take("-") {
            return match self.peek().cloned() {
                Some(Token::Number(digits)) => {
                    self.at += 1;
                    number(&format!("-{digits}"))
                }
                _ => Err(malformed("Unexpected term")),
            };
        }
        let Some(token) = self.peek().cloned() else {
            return Err(malformed("Unexpected end of the statement"));
        };
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Value::S(text)),
            Token::Number(digits) => number(&digits),
            Token::Parameter => {
                let next = self.parameters.next();
                next.ok_or_else(|| malformed("Expected a parameter"))
            }
            Token::Word { text, is_quoted: false } => match text.to_ascii_uppercase().as_str() {
                "TRUE" => Ok(Value::Bool(true)),
                "FALSE" => Ok(Value::Bool(false)),
                "NULL" => Ok(Value::Null),
                _ => Err(malformed("Unexpected keyword")),
            },
            Token::Sign("[") => Ok(Value::L(self.values("]")?)),
            Token::Sign("<<") => set(self.values(">>")?),
            Token::Sign("{") => self.structure(),
            _ => Err(malformed("Unexpected term")),
        }
    }

    fn values(&mut self, end: &str) -> Result<Vec<Value>, ServiceError> {
        let mut values = Vec::new();
        while !self.take(end) {
            if !values.is_empty() {
                self.expect(",")?;
            }
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn structure(&mut self) -> Result<Value, ServiceError> {
        let mut map = Item::new();
        while !self.take("}") {
            if !map.is_empty() {
                self.expect(",")?;
            }
            let name = match self.peek().cloned() {
                Some(Token::Text(name) | Token::Word { text: name, is_quoted: true }) => name,
                _ => return Err(malformed("Expected the name of an attribute")),
            };
            self.at += 1;
            self.expect(":")?;
            if map.insert(name, self.value()?).is_some() {
                return Err(invalid("Item attribute names have to be unique"));
            }
        }
        Ok(Value::M(map))
    }
}

/// Conjunctions within a conjunction are one.
fn flat(all: Vec<Condition>) -> Vec<Condition> {
    let one = |condition| match condition {
        Condition::And(inner) => inner,
        other => vec![other],
    };
    all.into_iter().flat_map(one).collect()
}

fn number(digits: &str) -> Result<Value, ServiceError> {
    Number::parse(digits).map(Value::N).map_err(|error| invalid(error.message()))
}

fn set(values: Vec<Value>) -> Result<Value, ServiceError> {
    fn all<T: Ord>(values: &[Value], pick: impl Fn(&Value) -> Option<T>) -> Option<BTreeSet<T>> {
        values.iter().map(pick).collect()
    }
    let texts = all(&values, |value| match value {
        Value::S(text) => Some(text.clone()),
        _ => None,
    });
    let numbers = all(&values, |value| match value {
        Value::N(number) => Some(*number),
        _ => None,
    });
    let blobs = all(&values, |value| match value {
        Value::B(bytes) => Some(bytes.clone()),
        _ => None,
    });
    match (texts, numbers, blobs) {
        _ if values.is_empty() => Err(invalid(
            "One or more parameter values were invalid: An string set  may not be empty",
        )),
        (Some(set), ..) if set.len() == values.len() => Ok(Value::Ss(set)),
        (_, Some(set), _) if set.len() == values.len() => Ok(Value::Ns(set)),
        (_, _, Some(set)) if set.len() == values.len() => Ok(Value::Bs(set)),
        (None, None, None) => Err(malformed("The elements of a set have to be of one type")),
        _ => Err(invalid(
            "One or more parameter values were invalid: Input collection contains duplicates",
        )),
    }
}
