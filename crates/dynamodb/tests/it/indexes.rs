//! Local and global secondary indexes.

use serde_json::{Value, json};

use crate::fixture::{Cloud, cloud};

async fn indexed() -> Cloud {
    let cloud = cloud().await;
    let key = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    cloud
        .call(
            "CreateTable",
            json!({
                "TableName": "tbl", "BillingMode": "PAY_PER_REQUEST", "KeySchema": key("pk", "sk"),
                "AttributeDefinitions": [attribute("pk", "S"), attribute("sk", "S"), attribute("who", "S"), attribute("at", "N")],
                "GlobalSecondaryIndexes": [
                    {"IndexName": "by-who", "KeySchema": key("who", "at"), "Projection": {"ProjectionType": "ALL"}},
                    {"IndexName": "keys", "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
                     "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["title"]}},
                ],
                "LocalSecondaryIndexes": [
                    {"IndexName": "by-time", "KeySchema": key("pk", "at"), "Projection": {"ProjectionType": "KEYS_ONLY"}},
                ],
            }),
        )
        .await;
    cloud
}

fn item(sk: &str, who: &str, at: i64) -> Value {
    json!({"pk": {"S": "p"}, "sk": {"S": sk}, "who": {"S": who}, "at": {"N": at.to_string()}, "title": {"S": sk}, "more": {"S": "m"}})
}

async fn by_index(cloud: &Cloud, index: &str, key: &str, value: &str, parts: Value) -> Value {
    let mut input = json!({
        "TableName": "tbl", "IndexName": index, "KeyConditionExpression": format!("{key} = :v"),
        "ExpressionAttributeValues": {":v": {"S": value}},
    });
    input.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    cloud.call("Query", input).await
}

fn sort_keys(answer: &Value) -> Vec<&str> {
    let items = answer["Items"].as_array().unwrap();
    items.iter().map(|item| item["sk"]["S"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn indexes_follow_their_items() {
    let cloud = indexed().await;
    for (sk, who, at) in [("x", "ann", 3), ("y", "bob", 2), ("z", "ann", 1)] {
        cloud.put(item(sk, who, at)).await;
    }
    // Without the index's key an item is not in the index.
    cloud.put(json!({"pk": {"S": "p"}, "sk": {"S": "w"}, "who": {"S": "ann"}})).await;
    let anns = by_index(&cloud, "by-who", "who", "ann", json!({})).await;
    assert_eq!(sort_keys(&anns), ["z", "x"]);
    assert_eq!(anns["Items"][0], item("z", "ann", 1));
    let mut all = sort_keys(&by_index(&cloud, "keys", "who", "ann", json!({})).await).join("");
    assert_eq!(all.len(), 3);
    all.retain(|c| "wxz".contains(c));
    assert_eq!(all.len(), 3);
    let included = by_index(&cloud, "keys", "who", "bob", json!({})).await;
    assert_eq!(
        included["Items"],
        json!([{"pk": {"S": "p"}, "sk": {"S": "y"}, "who": {"S": "bob"}, "title": {"S": "y"}}])
    );
    let by_time = by_index(&cloud, "by-time", "pk", "p", json!({"ScanIndexForward": false})).await;
    assert_eq!(sort_keys(&by_time), ["x", "y", "z"]);
    assert_eq!(by_time["Items"][0], json!({"pk": {"S": "p"}, "sk": {"S": "x"}, "at": {"N": "3"}}));
    // A local index fetches what it does not have.
    let whole = by_index(&cloud, "by-time", "pk", "p", json!({"Select": "ALL_ATTRIBUTES"})).await;
    assert_eq!(whole["Items"][0], item("z", "ann", 1));
    cloud
        .call(
            "UpdateItem",
            json!({
                "TableName": "tbl", "Key": {"pk": {"S": "p"}, "sk": {"S": "z"}}, "UpdateExpression": "SET who = :b REMOVE title",
                "ExpressionAttributeValues": {":b": {"S": "bob"}},
            }),
        )
        .await;
    assert_eq!(sort_keys(&by_index(&cloud, "by-who", "who", "bob", json!({})).await), ["z", "y"]);
    cloud
        .call(
            "DeleteItem",
            json!({"TableName": "tbl", "Key": {"pk": {"S": "p"}, "sk": {"S": "y"}}}),
        )
        .await;
    assert_eq!(sort_keys(&by_index(&cloud, "by-who", "who", "bob", json!({})).await), ["z"]);
    let table = cloud.call("DescribeTable", json!({"TableName": "tbl"})).await["Table"].clone();
    let counts: Vec<_> = table["GlobalSecondaryIndexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["ItemCount"])
        .collect();
    assert_eq!(counts, [2, 3]);
    assert_eq!(table["LocalSecondaryIndexes"][0]["ItemCount"], 2);
    let scanned = cloud.call("Scan", json!({"TableName": "tbl", "IndexName": "by-who"})).await;
    assert_eq!(scanned["Count"], 2);
}

#[tokio::test]
async fn pages_of_an_index_are_whole() {
    let cloud = indexed().await;
    for n in 0..9 {
        cloud.put(item(&format!("s{n}"), "ann", n / 4)).await;
    }
    for forward in [true, false] {
        let mut found = Vec::new();
        let mut start = json!(null);
        loop {
            let parts =
                json!({"Limit": 2, "ExclusiveStartKey": start, "ScanIndexForward": forward});
            let page = by_index(&cloud, "by-who", "who", "ann", parts).await;
            found.extend(sort_keys(&page).into_iter().map(str::to_owned));
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                break;
            }
            assert_eq!(start.as_object().unwrap().len(), 4);
        }
        found.sort();
        assert_eq!(found, (0..9).map(|n| format!("s{n}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn bad_index_keys_and_reads_are_refused() {
    let cloud = indexed().await;
    let put = |who: Value| json!({"TableName": "tbl", "Item": {"pk": {"S": "p"}, "sk": {"S": "s"}, "who": who}});
    assert_eq!(
        cloud.invalid("PutItem", put(json!({"N": "1"}))).await,
        "One or more parameter values were invalid: Type mismatch for Index Key who Expected: S Actual: N IndexName: by-who"
    );
    let empty = cloud.invalid("PutItem", put(json!({"S": ""}))).await;
    assert!(empty.ends_with("IndexName: by-who, IndexKey: who"), "{empty}");
    let query = |parts: Value| {
        let mut input = json!({
            "TableName": "tbl", "IndexName": "keys", "KeyConditionExpression": "who = :v",
            "ExpressionAttributeValues": {":v": {"S": "ann"}},
        });
        input.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        input
    };
    assert_eq!(
        cloud.invalid("Query", query(json!({"ConsistentRead": true}))).await,
        "Consistent reads are not supported on global secondary indexes"
    );
    assert_eq!(
        cloud.invalid("Query", query(json!({"ProjectionExpression": "more"}))).await,
        "One or more parameter values were invalid: Global secondary index keys does not project [more]"
    );
}

#[tokio::test]
async fn units_are_counted_per_index() {
    let cloud = indexed().await;
    let put = json!({"TableName": "tbl", "Item": item("x", "ann", 1), "ReturnConsumedCapacity": "INDEXES"});
    let first = cloud.call("PutItem", put.clone()).await["ConsumedCapacity"].clone();
    assert_eq!(
        first,
        json!({
            "TableName": "tbl", "CapacityUnits": 4.0, "Table": {"CapacityUnits": 1.0},
            "LocalSecondaryIndexes": {"by-time": {"CapacityUnits": 1.0}},
            "GlobalSecondaryIndexes": {"by-who": {"CapacityUnits": 1.0}, "keys": {"CapacityUnits": 1.0}},
        })
    );
    let again = cloud.call("PutItem", put).await["ConsumedCapacity"].clone();
    assert_eq!(again["CapacityUnits"], 1.0);
}

#[tokio::test]
async fn an_index_can_come_later_and_go() {
    let cloud = cloud().await;
    cloud.table(None).await;
    for n in 0..450 {
        cloud.put(json!({"pk": {"S": format!("k{n}")}, "who": {"S": "ann"}})).await;
    }
    cloud.put(json!({"pk": {"S": "odd"}, "who": {"N": "1"}})).await;
    let create = json!({
        "TableName": "tbl", "AttributeDefinitions": [{"AttributeName": "who", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "late", "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }}],
    });
    let answer = cloud.call("UpdateTable", create.clone()).await;
    assert_eq!(answer["TableDescription"]["GlobalSecondaryIndexes"][0]["IndexStatus"], "CREATING");
    // Written while the index is filled.
    for n in 0..50 {
        cloud
            .call("DeleteItem", json!({"TableName": "tbl", "Key": {"pk": {"S": format!("k{n}")}}}))
            .await;
        cloud.put(json!({"pk": {"S": format!("new{n}")}, "who": {"S": "ann"}})).await;
    }
    let described = || async {
        cloud.call("DescribeTable", json!({"TableName": "tbl"})).await["Table"]["GlobalSecondaryIndexes"][0].clone()
    };
    cloud.until(|| async { described().await["IndexStatus"] == "ACTIVE" }).await;
    assert_eq!(described().await["ItemCount"], 450);
    let found = by_index(&cloud, "late", "who", "ann", json!({"Select": "COUNT"})).await;
    assert_eq!(found["Count"], 450);
    let (code, _) = cloud.error("UpdateTable", create).await;
    assert_eq!(code, "ResourceInUseException");
    let delete = json!({"TableName": "tbl", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "late"}}]});
    let answer = cloud.call("UpdateTable", delete).await["TableDescription"].clone();
    assert_eq!(answer["GlobalSecondaryIndexes"], json!(null));
    assert_eq!(answer["AttributeDefinitions"].as_array().unwrap().len(), 1);
    cloud.put(json!({"pk": {"S": "k"}, "who": {"N": "1"}})).await;
}
