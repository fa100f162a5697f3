//! Tables: made, described, changed, deleted.

use serde_json::json;

use crate::fixture::cloud;

#[tokio::test]
async fn a_table_is_described_as_aws_does() {
    let cloud = cloud().await;
    let created = cloud
        .call(
            "CreateTable",
            json!({
                "TableName": "orders",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
                "SSESpecification": {"Enabled": true},
                "Tags": [{"Key": "team", "Value": "a"}],
            }),
        )
        .await;
    assert_eq!(created["TableDescription"]["TableStatus"], "CREATING");
    let table = cloud.call("DescribeTable", json!({"TableName": "orders"})).await["Table"].clone();
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders";
    assert_eq!(table["TableArn"], arn);
    assert_eq!(table["TableStatus"], "ACTIVE");
    assert_eq!(table["ItemCount"], 0);
    assert_eq!(table["DeletionProtectionEnabled"], false);
    assert_eq!(
        table["ProvisionedThroughput"],
        json!({"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
    );
    assert_eq!(table["BillingModeSummary"], json!(null));
    assert_eq!(table["SSEDescription"]["Status"], "ENABLED");
    let label = table["LatestStreamLabel"].as_str().unwrap();
    assert_eq!(table["LatestStreamArn"], format!("{arn}/stream/{label}"));
    // By its ARN, too.
    let same = cloud.call("DescribeTable", json!({"TableName": arn})).await["Table"].clone();
    assert_eq!(same["TableId"], table["TableId"]);
    let tags = cloud.call("ListTagsOfResource", json!({"ResourceArn": arn})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "a"}]));
    cloud.call("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["team"]})).await;
    let tags = cloud.call("ListTagsOfResource", json!({"ResourceArn": arn})).await;
    assert_eq!(tags["Tags"], json!([]));
}

#[tokio::test]
async fn bad_tables_are_refused_in_the_words_of_aws() {
    let cloud = cloud().await;
    let base = json!({
        "TableName": "bad", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST",
    });
    for (changes, message) in [
        (
            json!({"TableName": "x"}),
            "TableName must be at least 3 characters long and at most 255 characters long",
        ),
        (
            json!({"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}),
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (
            json!({"KeySchema": [{"AttributeName": "other", "KeyType": "HASH"}]}),
            "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [other], AttributeDefinitions: [id]",
        ),
        (
            json!({"AttributeDefinitions": [
                {"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "no", "AttributeType": "S"},
            ]}),
            "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        ),
        (
            json!({"KeySchema": [{"AttributeName": "id", "KeyType": "RANGE"}]}),
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            json!({"BillingMode": "FREE"}),
            "1 validation error detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
        ),
    ] {
        let mut input = base.clone();
        input.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        assert_eq!(cloud.invalid("CreateTable", input).await, message);
    }
    cloud.call("CreateTable", base.clone()).await;
    let again = cloud.error("CreateTable", base).await;
    assert_eq!(again, ("ResourceInUseException".into(), "Table already exists: bad".into()));
    let missing = cloud.error("DescribeTable", json!({"TableName": "gone"})).await;
    assert_eq!(
        missing,
        (
            "ResourceNotFoundException".into(),
            "Requested resource not found: Table: gone not found".into()
        )
    );
}

#[tokio::test]
async fn tables_are_listed_in_pages() {
    let cloud = cloud().await;
    for name in ["aaa", "bbb", "ccc"] {
        cloud
            .call(
                "CreateTable",
                json!({
                    "TableName": name, "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST",
                }),
            )
            .await;
    }
    let page = cloud.call("ListTables", json!({"Limit": 2})).await;
    assert_eq!(page, json!({"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}));
    let page = cloud.call("ListTables", json!({"ExclusiveStartTableName": "bbb"})).await;
    assert_eq!(page, json!({"TableNames": ["ccc"]}));
}

#[tokio::test]
async fn settings_are_changed_and_protection_protects() {
    let cloud = cloud().await;
    cloud.table(None).await;
    cloud.put(json!({"pk": {"S": "a"}})).await;
    let update = |parts: serde_json::Value| {
        let mut input = json!({"TableName": "tbl"});
        input.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        input
    };
    let nothing = cloud.invalid("UpdateTable", update(json!({}))).await;
    assert!(nothing.starts_with("At least one of ProvisionedThroughput"), "{nothing}");
    let wanted = json!({
        "BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 3, "WriteCapacityUnits": 2},
        "DeletionProtectionEnabled": true, "TableClass": "STANDARD_INFREQUENT_ACCESS",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
    });
    let table = cloud.call("UpdateTable", update(wanted)).await["TableDescription"].clone();
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 3);
    assert_eq!(table["BillingModeSummary"]["BillingMode"], "PROVISIONED");
    assert_eq!(table["TableClassSummary"]["TableClass"], "STANDARD_INFREQUENT_ACCESS");
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "KEYS_ONLY");
    assert_eq!(table["ItemCount"], 1);
    assert_eq!(table["TableSizeBytes"], 3);
    let error = cloud.invalid("DeleteTable", json!({"TableName": "tbl"})).await;
    assert!(error.contains("protected against deletion"), "{error}");
    cloud.call("UpdateTable", update(json!({"DeletionProtectionEnabled": false}))).await;
    let off = json!({"StreamSpecification": {"StreamEnabled": false}});
    let table = cloud.call("UpdateTable", update(off)).await["TableDescription"].clone();
    assert_eq!(table["StreamSpecification"], json!(null));
    assert!(table["LatestStreamArn"].is_string());
    let deleted =
        cloud.call("DeleteTable", json!({"TableName": "tbl"})).await["TableDescription"].clone();
    assert_eq!(deleted["TableStatus"], "DELETING");
    let error =
        cloud.error("GetItem", json!({"TableName": "tbl", "Key": {"pk": {"S": "a"}}})).await;
    assert_eq!(error, ("ResourceNotFoundException".into(), "Requested resource not found".into()));
    // A table of the same name has nothing of the old one, and in the end nothing is left.
    cloud.table(None).await;
    assert_eq!(cloud.get(json!({"pk": {"S": "a"}})).await, json!(null));
    let count =
        cloud.call("DescribeTable", json!({"TableName": "tbl"})).await["Table"]["ItemCount"]
            .clone();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn backups_are_a_setting() {
    let cloud = cloud().await;
    cloud.table(None).await;
    let describe = json!({"TableName": "tbl"});
    let status = |answer: serde_json::Value| {
        answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"].clone()
    };
    assert_eq!(status(cloud.call("DescribeContinuousBackups", describe.clone()).await), "DISABLED");
    let on = json!({"TableName": "tbl", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    assert_eq!(status(cloud.call("UpdateContinuousBackups", on).await), "ENABLED");
    assert_eq!(status(cloud.call("DescribeContinuousBackups", describe).await), "ENABLED");
    let endpoints = cloud.call("DescribeEndpoints", json!({})).await;
    assert_eq!(endpoints["Endpoints"][0]["Address"], "127.0.0.1:4566");
    cloud.call("DescribeLimits", json!({})).await;
}
