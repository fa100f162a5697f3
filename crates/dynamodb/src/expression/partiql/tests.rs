use super::*;
use crate::value::Number;

fn n(text: &str) -> Value {
    Value::N(Number::parse(text).unwrap())
}

fn s(text: &str) -> Value {
    Value::S(text.to_owned())
}

fn item(pairs: &[(&str, Value)]) -> Item {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn holds(condition: &str, item: &Item) -> bool {
    let text = format!("SELECT * FROM t WHERE {condition}");
    match parse_statement(&text, Vec::new()).unwrap() {
        Statement::Select(select) => select.filter.unwrap().holds(item),
        _ => panic!(),
    }
}

fn error(text: &str) -> String {
    parse_statement(text, Vec::new()).unwrap_err().message().to_owned()
}

#[test]
fn conditions_hold_as_they_say() {
    let item = item(&[
        ("pk", s("it's")),
        ("n", n("5")),
        ("list", Value::L(vec![s("a"), s("b")])),
        ("map", Value::M(item(&[("inner", n("-1.5"))]))),
        ("nothing", Value::Null),
        ("order by", Value::Bool(true)),
    ]);
    for yes in [
        "pk = 'it''s'",
        "\"pk\" = 'it''s' AND n >= 5",
        "n BETWEEN 1 AND 5",
        "n NOT BETWEEN 6 AND 7",
        "n IN [1, 5]",
        "n in (4,5)",
        "NOT n IN [1]",
        "begins_with(pk, 'it')",
        "CONTAINS(\"list\", 'b')",
        "size(list) = 2",
        "map.inner = -1.5",
        "map['inner'] < 0",
        "list[1] = 'b'",
        "attribute_type(n, 'N')",
        "gone IS MISSING",
        "n IS NOT MISSING AND nothing IS NULL AND n IS NOT NULL",
        "\"order by\" = true",
        "n != 4 AND n <> 4",
        "(n = 1 OR n = 5) AND pk > 'a'",
        "5 = n",
        "n = 5e0",
    ] {
        assert!(holds(yes, &item), "{yes}");
    }
    for no in ["n = 4", "gone = 1", "NOT (n = 5)", "n NOT IN [5]", "list IS MISSING"] {
        assert!(!holds(no, &item), "{no}");
    }
}

#[test]
fn statements_are_read() {
    let text = "SELECT a, b.c[2] FROM \"t\".\"by-x\" WHERE x = ? ORDER BY y DESC, z";
    let Statement::Select(select) = parse_statement(text, vec![s("1")]).unwrap() else { panic!() };
    assert_eq!((select.table.as_str(), select.index.as_deref()), ("t", Some("by-x")));
    assert_eq!(select.columns.unwrap().len(), 2);
    assert_eq!(select.order, [("y".to_owned(), true), ("z".to_owned(), false)]);

    let text = "INSERT INTO t VALUE {'a': [1, {'b': <<'x', 'y'>>}], \"c\": ?, 'd': NULL};";
    let Statement::Insert { item, .. } = parse_statement(text, vec![n("7")]).unwrap() else {
        panic!()
    };
    assert_eq!(item.get("c"), Some(&n("7")));
    assert_eq!(item.get("d"), Some(&Value::Null));

    let text = "UPDATE t SET n = n + 1 - 2 SET l = list_append(l, ['x']), s = set_add(s, <<3>>) \
                REMOVE m.x WHERE pk = 'a' RETURNING MODIFIED NEW *";
    let Statement::Update { update, returning, .. } = parse_statement(text, Vec::new()).unwrap()
    else {
        panic!()
    };
    assert_eq!(returning, Some(Returning::ModifiedNew));
    let map = Value::M([("x".to_owned(), n("1"))].into());
    let before: Item = [("n", n("5")), ("l", Value::L(Vec::new())), ("m", map)]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
    let after = update.apply(&before).unwrap();
    assert_eq!(after.get("n"), Some(&n("4")));
    assert_eq!(after.get("l"), Some(&Value::L(vec![s("x")])));
    assert_eq!(after.get("m"), Some(&Value::M(Item::new())));

    let text = "DELETE FROM t WHERE pk = 'a' RETURNING ALL OLD *";
    let deleted = parse_statement(text, Vec::new()).unwrap();
    assert_eq!((deleted.table(), deleted.action()), ("t", "PartiQLDelete"));
}

#[test]
fn keys_are_taken_out_of_a_condition() {
    let keys = |text: &str| {
        let text = format!("SELECT * FROM t WHERE {text}");
        let Statement::Select(select) = parse_statement(&text, Vec::new()).unwrap() else {
            panic!()
        };
        Keys::of(select.filter, "pk", Some("sk"))
    };
    let one = keys("sk > 3 AND x = 1 AND pk = 'a' AND sk < 9");
    assert_eq!(one.hashes, [s("a")]);
    assert_eq!(one.range, Some(RangeCondition::Gt(n("3"))));
    assert!(matches!(one.rest, Some(Condition::And(all)) if all.len() == 2));
    assert_eq!(keys("pk IN ['a', 'b', 'a']").hashes, [s("a"), s("b")]);
    let none = keys("sk = 3");
    assert!(none.hashes.is_empty() && none.range.is_none() && none.rest.is_some());
    assert!(keys("pk = 'a' OR pk = 'b'").hashes.is_empty());
    assert_eq!(keys("3 < sk AND pk = 'a'").range, Some(RangeCondition::Gt(n("3"))));
}

#[test]
fn what_is_no_statement_is_refused() {
    let malformed = "Statement wasn't well formed, can't be processed: ";
    assert_eq!(error("FROM t"), format!("{malformed}Expected data manipulation"));
    for text in [
        "",
        "SELECT",
        "SELECT * FROM",
        "SELECT * FROM t WHERE",
        "SELECT * FROM t WHERE a",
        "SELECT * FROM t WHERE a = 'x",
        "SELECT * FROM t WHERE a = 1 b",
        "SELECT * FROM t LIMIT 5",
        "INSERT INTO t VALUE {'a' 1}",
        "UPDATE t WHERE a = 1",
        "DELETE FROM t WHERE a = 1 RETURNING ALL NEW *",
        "SELECT * FROM t WHERE a = %",
    ] {
        assert!(error(text).starts_with(malformed), "{text}: {}", error(text));
    }
    assert_eq!(
        error("SELECT * FROM t WHERE a = ?"),
        "Number of parameters in request and statement don't match."
    );
    assert!(error(&format!("SELECT * FROM t WHERE {}a = 1", "(".repeat(5_000))).contains("nested"));
    let deep = format!("INSERT INTO t VALUE {{'a': {}", "[".repeat(5_000));
    assert!(error(&deep).contains("nested"));
    let many = vec!["a = 1"; 2_000].join(" OR ");
    assert!(error(&format!("SELECT * FROM t WHERE {many}")).contains("too "));
}
