//! Tables as CloudFormation makes them.

use serde_json::{Value, json};
use undercast_kernel::ResourceRequest;

use crate::fixture::cloud;

fn request(properties: Value, old: Value, physical_id: &str, attempt: u32) -> ResourceRequest {
    ResourceRequest {
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/1".into(),
        stack_name: "shop".into(),
        logical_id: "Orders".into(),
        generation: 0,
        suffix: "ABCDEFGHIJKL".into(),
        physical_id: physical_id.into(),
        properties,
        old,
        tags: [("aws:cloudformation:stack-name".to_owned(), "shop".to_owned())].into(),
        attempt,
        metadata: Default::default(),
        update_policy: Default::default(),
        operation: "operation".to_owned(),
        is_rollback: false,
    }
}

#[tokio::test]
async fn a_table_is_made_changed_and_deleted() {
    let cloud = cloud().await;
    let table = cloud.kernel.resource_type("AWS::DynamoDB::Table").unwrap();
    let properties = json!({
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": true},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true},
        "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
    });
    let made = table
        .create(cloud.ctx.clone(), request(properties.clone(), json!(null), "", 1))
        .await
        .unwrap();
    let name = made.physical_id.clone();
    assert_eq!(name, "shop-Orders-ABCDEFGHIJKL");
    assert_eq!(
        made.attributes["Arn"],
        format!("arn:aws:dynamodb:us-east-1:000000000000:table/{name}")
    );
    assert!(made.attributes["StreamArn"].as_str().unwrap().contains("/stream/20"));
    // After a crash it is found again; somebody else's is not taken over.
    let again = table
        .create(cloud.ctx.clone(), request(properties.clone(), json!(null), "", 2))
        .await
        .unwrap();
    assert_eq!(again.physical_id, name);
    let taken = table
        .create(cloud.ctx.clone(), request(properties.clone(), json!(null), "", 1))
        .await
        .unwrap_err();
    assert_eq!(taken.code(), "ResourceInUseException");

    cloud
        .call(
            "PutItem",
            json!({"TableName": name, "Item": {"pk": {"S": "a"}, "who": {"S": "ann"}}}),
        )
        .await;
    let mut changed = properties.clone();
    changed["AttributeDefinitions"] = json!([{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "who", "AttributeType": "S"}]);
    changed["GlobalSecondaryIndexes"] = json!([{
        "IndexName": "who", "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }]);
    changed["TimeToLiveSpecification"] = json!({"AttributeName": "expires", "Enabled": true});
    changed["StreamSpecification"] = json!({"StreamViewType": "OLD_IMAGE"});
    changed["Tags"] = json!([{"Key": "b", "Value": "3"}]);
    for attempt in [1, 2] {
        let request = request(changed.clone(), properties.clone(), &name, attempt);
        table.update(cloud.ctx.clone(), request).await.unwrap();
    }
    let described = cloud.call("DescribeTable", json!({"TableName": name})).await["Table"].clone();
    assert_eq!(described["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");
    assert_eq!(described["GlobalSecondaryIndexes"][0]["ItemCount"], 1);
    assert_eq!(described["StreamSpecification"]["StreamViewType"], "OLD_IMAGE");
    let ttl = cloud.call("DescribeTimeToLive", json!({"TableName": name})).await;
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "expires");
    let tags =
        cloud.call("ListTagsOfResource", json!({"ResourceArn": described["TableArn"]})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "b", "Value": "3"}]));

    for attempt in [1, 2] {
        let request = request(changed.clone(), json!(null), &name, attempt);
        table.delete(cloud.ctx.clone(), request).await.unwrap();
    }
}

#[tokio::test]
async fn a_global_table_of_one_region_is_a_table() {
    let cloud = cloud().await;
    let table = cloud.kernel.resource_type("AWS::DynamoDB::GlobalTable").unwrap();
    let mut properties = json!({
        "TableName": "global",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "Replicas": [{"Region": "us-east-1", "DeletionProtectionEnabled": true, "Tags": [{"Key": "a", "Value": "1"}]}],
    });
    table.create(cloud.ctx.clone(), request(properties.clone(), json!(null), "", 1)).await.unwrap();
    let described =
        cloud.call("DescribeTable", json!({"TableName": "global"})).await["Table"].clone();
    assert_eq!(described["DeletionProtectionEnabled"], true);
    properties["Replicas"] = json!([{"Region": "us-east-1"}, {"Region": "eu-west-1"}]);
    let error =
        table.create(cloud.ctx.clone(), request(properties, json!(null), "", 1)).await.unwrap_err();
    assert_eq!(error.code(), "NotImplemented");
}
