//! The grammar of update expressions.

use undercast_kernel::ServiceError;

use super::lexer::TokenKind;
use super::parser::Parser;
use super::path::{Path, check_distinct};
use super::update::{Action, Term, Update};
use crate::value::Value;

pub(super) fn update(parser: &mut Parser<'_>) -> Result<Update, ServiceError> {
    let mut seen: Vec<&'static str> = Vec::new();
    let mut actions = Vec::new();
    while parser.peek().is_some() {
        let section = ["SET", "REMOVE", "ADD", "DELETE"].into_iter().find(|s| parser.is(s));
        let Some(section) = section else {
            return Err(parser.syntax());
        };
        if seen.contains(&section) {
            return Err(parser.error(format!(
                "The \"{section}\" section can only be used once in an update expression;"
            )));
        }
        seen.push(section);
        parser.advance();
        loop {
            parser.count_operator()?;
            actions.push(action(parser, section)?);
            if !parser.take(",") {
                break;
            }
        }
    }
    let paths: Vec<Path> = actions.iter().map(|(path, _)| path.clone()).collect();
    check_distinct(parser.kind, &paths)?;
    Ok(Update { actions })
}

fn action(parser: &mut Parser<'_>, section: &str) -> Result<(Path, Action), ServiceError> {
    let path = parser.path()?;
    let action = match section {
        "SET" => {
            parser.expect("=")?;
            Action::Set(sum(parser)?)
        }
        "REMOVE" => Action::Remove,
        "ADD" => {
            let value = operand(parser)?;
            if !matches!(value, Value::N(_) | Value::Ss(_) | Value::Ns(_) | Value::Bs(_)) {
                return Err(wrong_operand(parser, "ADD", &value));
            }
            Action::Add(value)
        }
        _ => {
            let value = operand(parser)?;
            if !matches!(value, Value::Ss(_) | Value::Ns(_) | Value::Bs(_)) {
                return Err(wrong_operand(parser, "DELETE", &value));
            }
            Action::Delete(value)
        }
    };
    Ok((path, action))
}

fn wrong_operand(parser: &Parser<'_>, section: &str, value: &Value) -> ServiceError {
    parser.error(format!(
        "Incorrect operand type for operator or function; operator: {section}, operand type: {}, typeSet: ALLOWED_FOR_{section}_OPERAND",
        value.long_type_name()
    ))
}

fn operand(parser: &mut Parser<'_>) -> Result<Value, ServiceError> {
    match parser.value()? {
        Some(value) => Ok(value),
        None => Err(parser.syntax()),
    }
}

fn sum(parser: &mut Parser<'_>) -> Result<Term, ServiceError> {
    let left = term(parser)?;
    let sign = match parser.peek() {
        Some((TokenKind::Sign, sign @ ("+" | "-"))) => sign,
        _ => return Ok(left),
    };
    parser.count_operator()?;
    parser.advance();
    let right = term(parser)?;
    for side in [&left, &right] {
        if let Term::Value(value) = side
            && !matches!(value, Value::N(_))
        {
            return Err(parser.operand_type("operator or function", sign, value));
        }
    }
    let (left, right) = (Box::new(left), Box::new(right));
    Ok(if sign == "+" { Term::Plus(left, right) } else { Term::Minus(left, right) })
}

fn term(parser: &mut Parser<'_>) -> Result<Term, ServiceError> {
    if parser.take("(") {
        parser.enter()?;
        let inner = sum(parser)?;
        parser.expect(")")?;
        parser.leave();
        return Ok(inner);
    }
    if let Some(value) = parser.value()? {
        return Ok(Term::Value(value));
    }
    let Some(name) = parser.function() else {
        return Ok(Term::Path(parser.path()?));
    };
    if !["if_not_exists", "list_append"].contains(&name) {
        let known = [
            "attribute_exists",
            "attribute_not_exists",
            "attribute_type",
            "begins_with",
            "contains",
            "size",
        ];
        return Err(if known.contains(&name) {
            parser.error(format!(
                "The function is not allowed in an update expression; function: {name}"
            ))
        } else {
            parser.error(format!("Invalid function name; function: {name}"))
        });
    }
    parser.count_operator()?;
    parser.enter()?;
    parser.advance();
    parser.advance();
    let mut operands = vec![term(parser)?];
    while parser.take(",") {
        operands.push(term(parser)?);
    }
    parser.expect(")")?;
    parser.leave();
    function(parser, name, operands)
}

fn function(parser: &Parser<'_>, name: &str, operands: Vec<Term>) -> Result<Term, ServiceError> {
    let count = operands.len();
    let mut operands = operands.into_iter();
    let (Some(first), Some(second), None) = (operands.next(), operands.next(), operands.next())
    else {
        return Err(parser.error(format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {count}"
        )));
    };
    if name == "if_not_exists" {
        let Term::Path(path) = first else {
            return Err(parser.error(
                "Operator or function requires a document path; operator or function: if_not_exists",
            ));
        };
        return Ok(Term::IfNotExists(path, Box::new(second)));
    }
    for side in [&first, &second] {
        if let Term::Value(value) = side
            && !matches!(value, Value::L(_))
        {
            return Err(parser.operand_type("operator or function", name, value));
        }
    }
    Ok(Term::ListAppend(Box::new(first), Box::new(second)))
}
