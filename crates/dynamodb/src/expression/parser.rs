//! The grammar that all expressions share, and conditions.

use undercast_kernel::ServiceError;

use super::condition::{Comparator, Condition, Operand};
use super::lexer::{Token, TokenKind, tokens};
use super::path::{Path, Step};
use super::reserved::is_reserved;
use super::{Kind, Scope};
use crate::limits::{EXPRESSION_OPERATORS_MAX, IN_OPERANDS_MAX};
use crate::value::{DEPTH_MAX, Value};

/// Conditions within conditions; what AWS accepts is bounded by the number of operators.
const NESTING_MAX: usize = 200;

pub(super) struct Parser<'a> {
    pub(super) kind: Kind,
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    pub(super) scope: &'a mut Scope,
    operators: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(kind: Kind, text: &'a str, scope: &'a mut Scope) -> Self {
        Self { kind, text, tokens: tokens(text), at: 0, scope, operators: 0, nesting: 0 }
    }

    fn show(&self, token: Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<(TokenKind, &'a str)> {
        let token = *self.tokens.get(self.at)?;
        Some((token.kind, self.show(token)))
    }

    fn peek_second(&self) -> Option<&'a str> {
        self.tokens.get(self.at + 1).map(|token| self.show(*token))
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// Whether the next token is this sign or, in any case of letters, this word.
    pub(super) fn is(&self, wanted: &str) -> bool {
        self.peek().is_some_and(|(kind, text)| match kind {
            TokenKind::Sign => text == wanted,
            TokenKind::Word => text.eq_ignore_ascii_case(wanted),
            _ => false,
        })
    }

    pub(super) fn take(&mut self, wanted: &str) -> bool {
        let is = self.is(wanted);
        if is {
            self.advance();
        }
        is
    }

    pub(super) fn expect(&mut self, wanted: &str) -> Result<(), ServiceError> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(self.syntax())
    }

    pub(super) fn end(&self) -> Result<(), ServiceError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.syntax()),
        }
    }

    /// The error about the token that we stand at.
    pub(super) fn syntax(&self) -> ServiceError {
        let token = self.peek().map_or("<EOF>", |(_, text)| text);
        let get = |at: Option<usize>| at.and_then(|at| self.tokens.get(at));
        let here = get(Some(self.at));
        let before = get(self.at.checked_sub(1));
        let after = get(Some(self.at + 1));
        let start = before.or(here).map_or(0, |token| token.start);
        let end = after.or(here).or(before).map_or(self.text.len(), |token| token.end);
        let near = self.text.get(start..end).unwrap_or_default();
        self.error(format!("Syntax error; token: \"{token}\", near: \"{near}\""))
    }

    pub(super) fn error(&self, message: impl std::fmt::Display) -> ServiceError {
        self.kind.error(message)
    }

    pub(super) fn count_operator(&mut self) -> Result<(), ServiceError> {
        self.operators += 1;
        if self.operators > EXPRESSION_OPERATORS_MAX {
            return Err(self.error(format!(
                "The expression contains too many operators; operator count: {}",
                self.operators
            )));
        }
        Ok(())
    }

    pub(super) fn enter(&mut self) -> Result<(), ServiceError> {
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(self.error("The expression is nested too deeply"));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.nesting = self.nesting.saturating_sub(1);
    }

    pub(super) fn path(&mut self) -> Result<Path, ServiceError> {
        let name = self.name()?;
        let mut rest = Vec::new();
        loop {
            if self.take(".") {
                rest.push(Step::Name(self.name()?));
            } else if self.take("[") {
                let Some((TokenKind::Digits, digits)) = self.peek() else {
                    return Err(self.syntax());
                };
                let index = digits.parse::<u32>().map_err(|_| {
                    self.error(format!(
                        "List index is not within the allowable range; index: [{digits}]"
                    ))
                })?;
                self.advance();
                self.expect("]")?;
                rest.push(Step::Index(usize::try_from(index).unwrap_or(usize::MAX)));
            } else {
                break;
            }
        }
        if rest.len() >= DEPTH_MAX {
            return Err(self.error(format!(
                "The document path has too many nesting elements; nesting levels: {}",
                rest.len() + 1
            )));
        }
        Ok(Path { name, rest })
    }

    fn name(&mut self) -> Result<String, ServiceError> {
        match self.peek() {
            Some((TokenKind::Word, word)) => {
                if is_reserved(word) {
                    return Err(self.error(format!(
                        "Attribute name is a reserved keyword; reserved keyword: {word}"
                    )));
                }
                self.advance();
                Ok(word.to_owned())
            }
            Some((TokenKind::Name, reference)) => {
                let name = self.scope.name(self.kind, reference)?;
                self.advance();
                Ok(name)
            }
            _ => Err(self.syntax()),
        }
    }

    pub(super) fn value(&mut self) -> Result<Option<Value>, ServiceError> {
        let Some((TokenKind::Value, reference)) = self.peek() else {
            return Ok(None);
        };
        let value = self.scope.value(self.kind, reference)?;
        self.advance();
        Ok(Some(value))
    }

    /// The name of a function that begins here.
    pub(super) fn function(&self) -> Option<&'a str> {
        match self.peek() {
            Some((TokenKind::Word, word)) if self.peek_second() == Some("(") => Some(word),
            _ => None,
        }
    }

    // Conditions.

    pub(super) fn condition(&mut self) -> Result<Condition, ServiceError> {
        let mut any = vec![self.conjunction()?];
        while self.take("OR") {
            self.count_operator()?;
            any.push(self.conjunction()?);
        }
        Ok(one_or(any, Condition::Or))
    }

    fn conjunction(&mut self) -> Result<Condition, ServiceError> {
        let mut all = vec![self.negation()?];
        while self.take("AND") {
            self.count_operator()?;
            all.push(self.negation()?);
        }
        Ok(one_or(all, Condition::And))
    }

    fn negation(&mut self) -> Result<Condition, ServiceError> {
        if !self.take("NOT") {
            return self.primary();
        }
        self.count_operator()?;
        self.enter()?;
        let inner = self.negation()?;
        self.leave();
        Ok(Condition::Not(Box::new(inner)))
    }

    fn primary(&mut self) -> Result<Condition, ServiceError> {
        if self.take("(") {
            self.enter()?;
            let again = self.is("(");
            let inner = self.condition()?;
            // `((a = b))`: the inner parentheses were all that there is.
            let redundant = again && self.closes_twice();
            self.expect(")")?;
            self.leave();
            if redundant {
                return Err(self.error("The expression has redundant parentheses;"));
            }
            return Ok(inner);
        }
        if let Some(name) = self.function()
            && name != "size"
        {
            return self.function_condition(name);
        }
        let left = self.operand()?;
        self.comparison(left)
    }

    /// Whether the pair of parentheses that just closed is the whole content of the one around it.
    fn closes_twice(&self) -> bool {
        let mut depth = 0usize;
        let before = self.tokens.get(..self.at).unwrap_or_default();
        for (at, token) in before.iter().enumerate().rev() {
            match self.show(*token) {
                ")" => depth += 1,
                "(" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        let outer = at.checked_sub(1).and_then(|at| self.tokens.get(at));
                        return self.is(")")
                            && outer.is_some_and(|t| self.show(*t) == "(")
                            && !self.follows_function(at - 1);
                    }
                }
                _ if depth == 0 => return false,
                _ => {}
            }
        }
        false
    }

    fn follows_function(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| self.tokens.get(at));
        before.is_some_and(|token| {
            token.kind == TokenKind::Word
                && !["AND", "OR", "NOT", "IN"]
                    .iter()
                    .any(|word| self.show(*token).eq_ignore_ascii_case(word))
        })
    }

    pub(super) fn operand(&mut self) -> Result<Operand, ServiceError> {
        if let Some(value) = self.value()? {
            return Ok(Operand::Value(value));
        }
        match self.function() {
            Some("size") => {
                self.count_operator()?;
                self.advance();
                self.advance();
                let inner = self.operand()?;
                self.expect(")")?;
                self.size_of(inner)
            }
            Some(
                name @ ("attribute_exists"
                | "attribute_not_exists"
                | "attribute_type"
                | "begins_with"
                | "contains"),
            ) => Err(self.error(format!(
                "The function is not allowed to be used this way in an expression; function: {name}"
            ))),
            Some(name) if !is_reserved(name) => {
                Err(self.error(format!("Invalid function name; function: {name}")))
            }
            _ => Ok(Operand::Path(self.path()?)),
        }
    }

    fn size_of(&self, inner: Operand) -> Result<Operand, ServiceError> {
        if let Operand::Value(value @ (Value::N(_) | Value::Bool(_) | Value::Null)) = &inner {
            return Err(self.operand_type("operator or function", "size", value));
        }
        if let Operand::Size(_) = &inner {
            return Err(self.error(
                "The function is not allowed to be used this way in an expression; function: size",
            ));
        }
        Ok(Operand::Size(Box::new(inner)))
    }

    pub(super) fn operand_type(&self, what: &str, name: &str, value: &Value) -> ServiceError {
        self.error(format!(
            "Incorrect operand type for operator or function; {what}: {name}, operand type: {}",
            value.type_name()
        ))
    }

    fn comparison(&mut self, left: Operand) -> Result<Condition, ServiceError> {
        let Some((_, sign)) = self.peek() else {
            return Err(self.comparison_missing(&left));
        };
        if let Some(comparator) = Comparator::from_sign(sign) {
            self.count_operator()?;
            self.advance();
            let right = self.operand()?;
            return self.compare(comparator, left, right);
        }
        if self.take("BETWEEN") {
            self.count_operator()?;
            let low = self.operand()?;
            self.expect("AND")?;
            let high = self.operand()?;
            self.check_between(&left, &low, &high)?;
            return Ok(Condition::Between(left, low, high));
        }
        if self.take("IN") {
            self.count_operator()?;
            self.expect("(")?;
            let mut any = vec![self.operand()?];
            while self.take(",") {
                any.push(self.operand()?);
            }
            self.expect(")")?;
            if any.len() > IN_OPERANDS_MAX {
                return Err(self.error(format!(
                    "The IN operator is provided with too many operands; number of operands: {}",
                    any.len()
                )));
            }
            return Ok(Condition::In(left, any));
        }
        Err(self.comparison_missing(&left))
    }

    fn comparison_missing(&self, left: &Operand) -> ServiceError {
        match left {
            Operand::Size(_) => self.error(
                "The function is not allowed to be used this way in an expression; function: size",
            ),
            _ => self.syntax(),
        }
    }

    fn compare(
        &self,
        comparator: Comparator,
        left: Operand,
        right: Operand,
    ) -> Result<Condition, ServiceError> {
        let sign = comparator.sign();
        if let (Operand::Path(one), Operand::Path(two)) = (&left, &right)
            && one == two
        {
            return Err(self.error(format!(
                "The first operand must be distinct from the remaining operands for this operator or function; operator: {sign}, first operand: {one}"
            )));
        }
        if comparator.orders() {
            for operand in [&left, &right] {
                self.check_ordered(sign, operand)?;
            }
        }
        Ok(Condition::Compare(comparator, left, right))
    }

    fn check_ordered(&self, sign: &str, operand: &Operand) -> Result<(), ServiceError> {
        match operand {
            Operand::Value(Value::S(_) | Value::N(_) | Value::B(_)) => Ok(()),
            Operand::Value(value) => Err(self.operand_type("operator", sign, value)),
            _ => Ok(()),
        }
    }

    fn check_between(
        &self,
        left: &Operand,
        low: &Operand,
        high: &Operand,
    ) -> Result<(), ServiceError> {
        for operand in [left, low, high] {
            self.check_ordered("BETWEEN", operand)?;
        }
        let (Operand::Value(low), Operand::Value(high)) = (low, high) else {
            return Ok(());
        };
        let shown = format!(
            "lower bound operand: AttributeValue: {}, upper bound operand: AttributeValue: {}",
            Shown(low),
            Shown(high)
        );
        if low.type_name() != high.type_name() {
            return Err(self.error(format!(
                "The BETWEEN operator requires same data type for lower and upper bounds; {shown}"
            )));
        }
        if super::condition::order(low, high) == Some(std::cmp::Ordering::Greater) {
            return Err(self.error(format!(
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {shown}"
            )));
        }
        Ok(())
    }

    fn function_condition(&mut self, name: &'a str) -> Result<Condition, ServiceError> {
        let arity = match name {
            "attribute_exists" | "attribute_not_exists" => 1,
            "attribute_type" | "begins_with" | "contains" => 2,
            "if_not_exists" | "list_append" => {
                return Err(self.error(format!(
                    "The function is not allowed in a {} expression; function: {name}",
                    match self.kind {
                        Kind::Filter => "filter",
                        Kind::Key => "key condition",
                        _ => "condition",
                    }
                )));
            }
            _ => return Err(self.error(format!("Invalid function name; function: {name}"))),
        };
        self.count_operator()?;
        self.advance();
        self.advance();
        let mut operands = vec![self.operand()?];
        while self.take(",") {
            operands.push(self.operand()?);
        }
        self.expect(")")?;
        if operands.len() != arity {
            return Err(self.error(format!(
                "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {}",
                operands.len()
            )));
        }
        let mut operands = operands.into_iter();
        match (operands.next(), operands.next()) {
            (Some(first), second) => self.make_function(name, first, second),
            _ => Err(self.syntax()),
        }
    }

    fn make_function(
        &self,
        name: &str,
        first: Operand,
        second: Option<Operand>,
    ) -> Result<Condition, ServiceError> {
        let path = |operand: Operand| match operand {
            Operand::Path(path) => Ok(path),
            _ => Err(self.error(format!(
                "Operator or function requires a document path; operator or function: {name}"
            ))),
        };
        if let (Operand::Path(one), Some(Operand::Path(two))) = (&first, &second)
            && one == two
        {
            return Err(self.error(format!(
                "The first operand must be distinct from the remaining operands for this operator or function; operator: {name}, first operand: {one}"
            )));
        }
        match (name, second) {
            ("attribute_exists", None) => Ok(Condition::Exists(path(first)?)),
            ("attribute_not_exists", None) => Ok(Condition::Missing(path(first)?)),
            ("attribute_type", Some(Operand::Value(Value::S(kind)))) => {
                if !["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"].contains(&kind.as_str()) {
                    return Err(self.error(format!(
                        "Invalid attribute type name found; type: {kind}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}"
                    )));
                }
                Ok(Condition::Type(path(first)?, kind))
            }
            ("attribute_type", Some(Operand::Value(value))) => {
                Err(self.operand_type("operator or function", name, &value))
            }
            ("begins_with", Some(second)) => {
                for operand in [&first, &second] {
                    if let Operand::Value(value) = operand
                        && !matches!(value, Value::S(_) | Value::B(_))
                    {
                        return Err(self.operand_type("operator or function", name, value));
                    }
                }
                Ok(Condition::BeginsWith(first, second))
            }
            ("contains", Some(second)) => Ok(Condition::Contains(first, second)),
            _ => Err(self.error(format!(
                "Incorrect operand type for operator or function; operator or function: {name}, operand type: M"
            ))),
        }
    }
}

fn one_or(mut conditions: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match (conditions.pop(), conditions.is_empty()) {
        (Some(only), true) => only,
        (Some(last), false) => {
            conditions.push(last);
            many(conditions)
        }
        (None, _) => many(conditions),
    }
}

/// `{S:text}`.
struct Shown<'a>(&'a Value);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Value::S(text) => write!(f, "{{S:{text}}}"),
            Value::N(number) => write!(f, "{{N:{number}}}"),
            other => write!(f, "{{{}:…}}", other.type_name()),
        }
    }
}
