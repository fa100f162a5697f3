//! Expressions of every kind, their errors in AWS's words, and what random text does.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use undercast_kernel::smithy::document::{from_document, to_document};

use super::*;
use crate::api::dynamodb::shapes::AttributeValue;
use crate::value::{Value, from_wire, to_wire};

fn wire(json: serde_json::Value) -> BTreeMap<String, AttributeValue> {
    let serde_json::Value::Object(map) = json else { panic!("not a map") };
    map.into_iter().map(|(name, value)| (name, from_document(&value).unwrap())).collect()
}

fn item(json: serde_json::Value) -> Item {
    wire(json).into_iter().map(|(name, value)| (name, from_wire(value).unwrap())).collect()
}

fn json_of(item: &Item) -> serde_json::Value {
    let pairs =
        item.iter().map(|(name, value)| (name.clone(), to_document(&to_wire(value.clone()))));
    serde_json::Value::Object(pairs.collect())
}

fn scope(values: serde_json::Value) -> Scope {
    let names = [("#n", "name"), ("#d", "a.b")];
    let names = names.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    Scope::new(Some(names), Some(wire(values)), true, None).unwrap()
}

fn sample() -> Item {
    item(json!({
        "id": {"S": "one"}, "age": {"N": "30"}, "name": {"S": "Ann"}, "a.b": {"S": "dotted"},
        "tags": {"SS": ["x", "y"]}, "bin": {"B": "AQID"}, "flag": {"BOOL": true}, "nil": {"NULL": true},
        "vals": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"k": {"N": "3"}}}]},
        "doc": {"M": {"mid": {"M": {"deep": {"S": "v"}}}, "count": {"N": "5"}}},
    }))
}

fn values() -> serde_json::Value {
    json!({
        ":one": {"S": "one"}, ":n": {"N": "30.0"}, ":ten": {"N": "10"}, ":big": {"N": "99"}, ":x": {"S": "x"},
        ":t": {"BOOL": true}, ":l": {"L": [{"N": "9"}]}, ":S": {"S": "S"}, ":two": {"S": "two"}, ":set": {"SS": ["y", "x"]},
        ":Z": {"S": "Z"}, ":m": {"M": {}},
    })
}

fn holds(text: &str) -> bool {
    let condition = parse_condition(Kind::Condition, text, &mut scope(values()));
    condition.unwrap_or_else(|e| panic!("{text}: {e}")).holds(&sample())
}

#[test]
fn conditions_hold_or_not() {
    for text in [
        "id = :one",
        "age = :n",
        "age <> :ten and age > :ten",
        "age between :ten and :big",
        "id IN (:x, :one)",
        "attribute_exists(doc.mid.deep) AND attribute_not_exists(doc.gone)",
        "attribute_type(id, :S)",
        "begins_with(#d, :x) OR contains(tags, :x)",
        "contains(vals, :two)",
        "size(tags) < :ten and size(id) >= size(tags)",
        "tags = :set",
        "NOT (id = :x)",
        "not id = :x and not (age = :ten or gone = :ten)",
        "gone <> :x",
        "vals[2].k < :ten",
        "#n < :Z",
        "flag = :t",
        ":n = age",
        "(id = :x OR id = :one) AND (flag = :t)",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in
        ["gone = :x", "gone < :ten", "id < :ten", "size(age) = :ten", "nil = :x", "vals[9] = :x"]
    {
        assert!(!holds(text), "{text}");
    }
}

fn condition_error(text: &str) -> String {
    let error = parse_condition(Kind::Condition, text, &mut scope(values())).unwrap_err();
    let message = error.message().to_owned();
    message.strip_prefix("Invalid ConditionExpression: ").unwrap_or(&message).to_owned()
}

#[test]
fn bad_conditions_are_refused_in_the_words_of_aws() {
    for (text, message) in [
        (" ", "The expression can not be empty;"),
        ("a = ", "Syntax error; token: \"<EOF>\", near: \"=\""),
        ("a-b = :x", "Syntax error; token: \"-\", near: \"a-b\""),
        ("a = :x b", "Syntax error; token: \"b\", near: \":x b\""),
        ("a = : x", "Syntax error; token: \":\", near: \"= : x\""),
        ("name = :x", "Attribute name is a reserved keyword; reserved keyword: name"),
        (
            "#q = :x",
            "An expression attribute name used in the document path is not defined; attribute name: #q",
        ),
        (
            "a = :q",
            "An expression attribute value used in expression is not defined; attribute value: :q",
        ),
        ("foo(a)", "Invalid function name; function: foo"),
        (
            "begins_with(a)",
            "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1",
        ),
        (
            "begins_with(a, :n)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "attribute_exists(:x)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "a < :t",
            "Incorrect operand type for operator or function; operator: <, operand type: BOOL",
        ),
        (
            "size(a)",
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        (
            "a = attribute_exists(b)",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "a = a",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
        ),
        ("((a = :x))", "The expression has redundant parentheses;"),
        (
            "a between :big and :ten",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:99}, upper bound operand: AttributeValue: {N:10}",
        ),
        (
            "attribute_type(a, :one)",
            "Invalid attribute type name found; type: one, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
    ] {
        assert_eq!(condition_error(text), message, "{text}");
    }
    let many = vec!["a = :x"; 200].join(" OR ");
    assert_eq!(
        condition_error(&many),
        "The expression contains too many operators; operator count: 301"
    );
    let long = format!("a = :x{}", " ".repeat(5000));
    assert!(
        condition_error(&long)
            .starts_with("Expression size has exceeded the maximum allowed size;")
    );
    assert!(
        parse_condition(
            Kind::Condition,
            "((a = :x) OR (b = :x)) AND (c = :x)",
            &mut scope(values())
        )
        .is_ok()
    );
}

fn updated(text: &str, of: &Item) -> Result<serde_json::Value, String> {
    let update = parse_update(text, &mut scope(values())).map_err(|e| e.message().to_owned())?;
    let item = update.apply(of).map_err(|e| e.message().to_owned())?;
    Ok(json_of(&item))
}

#[test]
fn updates_change_what_they_name() {
    let start = item(json!({
        "n": {"N": "5"}, "l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]}, "s": {"SS": ["x", "z"]},
        "m": {"M": {"k": {"N": "1"}}},
    }));
    let after = updated(
        "set n = n + :ten, p = if_not_exists(gone, :one), q = list_append(l, :l), m.k = m.k - :ten, m.z = :x \
         remove l[0], l[1], gone ADD c :ten, s :set DELETE d :set",
        &start,
    );
    assert_eq!(
        after.unwrap(),
        json!({
            "n": {"N": "15"}, "p": {"S": "one"}, "q": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}, {"N": "9"}]},
            "l": {"L": [{"N": "2"}]}, "m": {"M": {"k": {"N": "-9"}, "z": {"S": "x"}}}, "c": {"N": "10"},
            "s": {"SS": ["x", "y", "z"]},
        })
    );
    let after = updated("SET l[9] = :x, l[7] = :one DELETE s :set", &start).unwrap();
    assert_eq!(after["l"]["L"][3], json!({"S": "one"}));
    assert_eq!(after["l"]["L"][4], json!({"S": "x"}));
    assert_eq!(after["s"], json!({"SS": ["z"]}));
    // Both sides are read before anything changes.
    let swapped = updated("SET n = m, m = n", &start).unwrap();
    assert_eq!((&swapped["m"], &swapped["n"]["M"]["k"]), (&json!({"N": "5"}), &json!({"N": "1"})));
    let gone = updated("DELETE s :all", &start).unwrap_err();
    assert_eq!(
        gone,
        "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :all"
    );
}

#[test]
fn bad_updates_are_refused_in_the_words_of_aws() {
    let start = item(json!({"n": {"N": "5"}, "s": {"S": "x"}, "l": {"L": []}}));
    for (text, message) in [
        (
            "INVALID SYNTAX HERE",
            "Invalid UpdateExpression: Syntax error; token: \"INVALID\", near: \"INVALID SYNTAX\"",
        ),
        (
            "ADD hits : incr",
            "Invalid UpdateExpression: Syntax error; token: \":\", near: \"hits : incr\"",
        ),
        (
            "SET a = :x SET b = :x",
            "Invalid UpdateExpression: The \"SET\" section can only be used once in an update expression;",
        ),
        (
            "SET a = :x, a.b = :x",
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
        ),
        (
            "SET a[0] = :x, a.b = :x",
            "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [0]], path two: [a, b]",
        ),
        (
            "ADD a :one",
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            "SET a = gone",
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        (
            "SET a.b = :x",
            "The document path provided in the update expression is invalid for update",
        ),
        ("REMOVE n.b", "The document path provided in the update expression is invalid for update"),
        ("SET a = s + :ten", "An operand in the update expression has an incorrect data type"),
        (
            "SET a = n + :one",
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand type: S",
        ),
        (
            "SET a = attribute_exists(n)",
            "Invalid UpdateExpression: The function is not allowed in an update expression; function: attribute_exists",
        ),
        (
            "SET a = n + :ten + :ten",
            "Invalid UpdateExpression: Syntax error; token: \"+\", near: \":ten + :ten\"",
        ),
    ] {
        assert_eq!(updated(text, &start).unwrap_err(), message, "{text}");
    }
}

#[test]
fn projections_pick() {
    let project = |text: &str| {
        let projection = parse_projection(text, &mut scope(values())).unwrap();
        json_of(&projection.apply(&sample()))
    };
    assert_eq!(
        project("id, doc.mid, vals[2].k, vals[0], gone, #d"),
        json!({
            "id": {"S": "one"}, "doc": {"M": {"mid": {"M": {"deep": {"S": "v"}}}}}, "a.b": {"S": "dotted"},
            "vals": {"L": [{"N": "1"}, {"M": {"k": {"N": "3"}}}]},
        })
    );
    let twice = parse_projection("a, a", &mut scope(values())).unwrap_err();
    assert!(
        twice.message().starts_with("Invalid ProjectionExpression: Two document paths overlap")
    );
}

fn key(text: &str) -> Result<KeyCondition, String> {
    let condition = parse_condition(Kind::Key, text, &mut scope(values()));
    let condition = condition.map_err(|e| e.message().to_owned())?;
    key_condition(condition, "pk", Some("sk")).map_err(|e| e.message().to_owned())
}

#[test]
fn key_conditions_are_taken_apart() {
    assert_eq!(key("sk > :ten AND pk = :x").unwrap().hash, Value::S("x".to_owned()));
    assert!(matches!(key("pk = :x and :ten > sk").unwrap().range, Some(RangeCondition::Lt(_))));
    assert!(matches!(
        key("pk = :x and begins_with(sk, :one)").unwrap().range,
        Some(RangeCondition::BeginsWith(_))
    ));
    assert!(matches!(
        key("(pk = :x) and sk between :ten and :big").unwrap().range,
        Some(RangeCondition::Between(..))
    ));
    for (text, message) in [
        ("sk = :x", "Query condition missed key schema element: pk"),
        ("pk = :x AND third = :x", "Query condition missed key schema element: sk"),
        ("pk > :ten", "Query key condition not supported"),
        ("pk = :x OR sk = :x", "Invalid operator used in KeyConditionExpression: OR"),
        (
            "pk = :x AND pk = :one",
            "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
        ),
        (
            "pk = :x AND contains(sk, :x)",
            "Invalid operator used in KeyConditionExpression: contains",
        ),
        (
            "pk = :x AND sk = third",
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        ),
    ] {
        assert_eq!(key(text).unwrap_err(), message, "{text}");
    }
}

#[test]
fn unused_references_are_named() {
    let mut scope = scope(json!({":a": {"S": "x"}, ":b": {"S": "y"}}));
    parse_condition(Kind::Condition, "#n = :a and #d = :a", &mut scope).unwrap();
    let message = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}";
    assert_eq!(scope.finish().unwrap_err().message(), message);
    let error = Scope::new(None, Some(BTreeMap::new()), true, None).unwrap_err();
    assert_eq!(error.message(), "ExpressionAttributeValues must not be empty");
    let error =
        Scope::new(None, Some(BTreeMap::new()), false, Some("ConditionExpression")).unwrap_err();
    assert_eq!(
        error.message(),
        "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
    );
}

proptest! {
    #[test]
    fn random_text_is_read_or_refused(text in "[a-c#:()\\[\\]., =<>+0-9-]{0,60}") {
        exercise(&text, &sample());
    }

    #[test]
    fn random_words_are_read_or_refused(words in prop::collection::vec(prop::sample::select(vec![
        "SET", "REMOVE", "ADD", "DELETE", "a", "b", "vals", "doc", ".", "[", "0", "1", "]", "=", "<>", "<", ":v", "#n", "(", ")", ",",
        "AND", "OR", "NOT", "BETWEEN", "IN", "size", "contains", "begins_with", "attribute_exists", "if_not_exists",
        "list_append", "+", "-",
    ]), 0..40)) {
        exercise(&words.join(" "), &sample());
    }

    #[test]
    fn a_sum_of_conditions_is_their_logic(a in any::<bool>(), b in any::<bool>(), c in any::<bool>()) {
        let atom = |value: bool| if value { "id = :one" } else { "id = :x" };
        let text = format!("{} OR {} AND NOT {}", atom(a), atom(b), atom(c));
        prop_assert_eq!(holds(&text), a || b && !c);
    }
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        format!("{}a = :x{}", "NOT (".repeat(600), ")".repeat(600)),
        format!("{}a = :x", "NOT ".repeat(900)),
        format!("SET a = {}:x{}", "(".repeat(1900), ")".repeat(1900)),
    ] {
        exercise(&text, &sample());
    }
}
