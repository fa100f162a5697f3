//! Policies, tags, aliases' rules, the treatment of waiting events.

use serde_json::{Value, json};

use crate::fixture::cloud;

const ECHO: &str = "exports.handler = async (event) => event;";

#[tokio::test]
async fn statements_come_and_go_as_awss() {
    let c = cloud().await;
    c.function("f", ECHO, json!({})).await;
    let add = json!({
        "FunctionName": "f", "StatementId": "s3", "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::bucket", "SourceAccount": "111111111111",
    });
    let added = c.lambda("AddPermission", add.clone()).await;
    let want = json!({
        "Sid": "s3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": "111111111111"},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    });
    assert_eq!(added["Statement"], want.to_string());
    let error = c.fail("AddPermission", add.clone()).await;
    assert_eq!(
        error.message(),
        "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement."
    );
    let got = c.lambda("GetPolicy", json!({"FunctionName": "f"})).await;
    let policy: Value = serde_json::from_str(got["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(policy, json!({"Version": "2012-10-17", "Id": "default", "Statement": [want]}));
    let with = |key: &str, value: &str| {
        let mut input = add.clone();
        input["StatementId"] = json!("other");
        input[key] = json!(value);
        input
    };
    assert_eq!(
        c.fail("AddPermission", with("RevisionId", "x")).await.code(),
        "PreconditionFailedException"
    );
    assert!(
        c.fail("AddPermission", with("Principal", "nonsense"))
            .await
            .message()
            .starts_with("The provided principal")
    );
    assert_eq!(
        c.fail("AddPermission", with("Qualifier", "$LATEST")).await.message(),
        "We currently do not support adding policies for $LATEST."
    );
    assert!(
        c.fail("AddPermission", with("Qualifier", "42"))
            .await
            .message()
            .starts_with("Function not found")
    );
    assert!(
        c.fail("AddPermission", with("Qualifier", "nope"))
            .await
            .message()
            .starts_with("Cannot find alias arn")
    );
    let account = c.lambda("AddPermission", with("Principal", "123456789012")).await;
    assert!(
        account["Statement"]
            .as_str()
            .unwrap()
            .contains(r#"{"AWS":"arn:aws:iam::123456789012:root"}"#)
    );
    for id in ["other", "s3"] {
        c.lambda("RemovePermission", json!({"FunctionName": "f", "StatementId": id})).await;
    }
    assert_eq!(
        c.fail("GetPolicy", json!({"FunctionName": "f"})).await.message(),
        "The resource you requested does not exist."
    );
    let error = c.fail("RemovePermission", json!({"FunctionName": "f", "StatementId": "s3"})).await;
    assert_eq!(error.message(), "No policy is associated with the given resource.");
}

#[tokio::test]
async fn tags_hang_on_functions_alone() {
    let c = cloud().await;
    let made = c.function("f", ECHO, json!({"Tags": {"a": "1"}})).await;
    let arn = made["FunctionArn"].as_str().unwrap();
    c.lambda("TagResource", json!({"Resource": arn, "Tags": {"b": "2"}})).await;
    c.lambda("UntagResource", json!({"Resource": arn, "TagKeys": ["a"]})).await;
    assert_eq!(c.lambda("ListTags", json!({"Resource": arn})).await, json!({"Tags": {"b": "2"}}));
    assert_eq!(
        c.lambda("GetFunction", json!({"FunctionName": "f"})).await["Tags"],
        json!({"b": "2"})
    );
    let error = c.fail("ListTags", json!({"Resource": format!("{arn}:live")})).await;
    assert!(error.message().starts_with("Tags on function aliases"), "{error}");
}

#[tokio::test]
async fn aliases_have_rules() {
    let c = cloud().await;
    c.function("f", ECHO, json!({"Publish": true})).await;
    let alias = |version: &str, weights: Value| json!({"FunctionName": "f", "Name": "live", "FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights}});
    for (input, message) in [
        (
            alias("1", json!({"1": 0.5})),
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
        (
            alias("1", json!({"2": 0.5, "3": 0.1})),
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ),
        (
            alias("$LATEST", json!({"1": 0.5})),
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ),
        (
            alias("10", json!({})),
            "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:10",
        ),
    ] {
        assert_eq!(c.fail("CreateAlias", input).await.message(), message);
    }
    let made = c.lambda("CreateAlias", alias("1", json!({}))).await;
    assert_eq!(made["AliasArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:live");
    assert!(made.get("RoutingConfig").is_none());
    let error = c.fail("CreateAlias", alias("1", json!({}))).await;
    assert!(error.message().starts_with("Alias already exists"));
    let error = c.fail("UpdateAlias", json!({"FunctionName": "f", "Name": "nope"})).await;
    assert!(error.message().starts_with("Alias not found"));
    let error = c.fail("GetAlias", json!({"FunctionName": "f", "Name": "nope"})).await;
    assert!(error.message().starts_with("Cannot find alias arn"));
    let got = c.lambda("GetFunctionConfiguration", json!({"FunctionName": "f:live"})).await;
    assert_eq!(got["Version"], "1");
    assert!(got["FunctionArn"].as_str().unwrap().ends_with(":f:live"));
    assert_eq!(
        c.lambda("ListAliases", json!({"FunctionName": "f"})).await["Aliases"][0]["Name"],
        "live"
    );
}

#[tokio::test]
async fn the_treatment_of_events_has_a_life_of_its_own() {
    let c = cloud().await;
    c.function("f", ECHO, json!({})).await;
    let f = json!({"FunctionName": "f"});
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST";
    let error = c.fail("GetFunctionEventInvokeConfig", f.clone()).await;
    assert_eq!(error.message(), format!("The function {arn} doesn't have an EventInvokeConfig"));
    let put = c
        .lambda(
            "PutFunctionEventInvokeConfig",
            json!({"FunctionName": "f", "MaximumEventAgeInSeconds": 60}),
        )
        .await;
    assert_eq!(put["FunctionArn"], arn);
    assert_eq!(put["DestinationConfig"], json!({"OnFailure": {}, "OnSuccess": {}}));
    assert!(put.get("MaximumRetryAttempts").is_none());
    let changed = c
        .lambda(
            "UpdateFunctionEventInvokeConfig",
            json!({"FunctionName": "f", "MaximumRetryAttempts": 1}),
        )
        .await;
    assert_eq!(
        (&changed["MaximumEventAgeInSeconds"], &changed["MaximumRetryAttempts"]),
        (&json!(60), &json!(1))
    );
    let topic = json!({"FunctionName": "f", "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sns:us-east-1:000000000000:t"}}});
    assert_eq!(c.fail("PutFunctionEventInvokeConfig", topic).await.code(), "NotImplemented");
    let listed = c.lambda("ListFunctionEventInvokeConfigs", f.clone()).await;
    assert_eq!(listed["FunctionEventInvokeConfigs"].as_array().unwrap().len(), 1);
    c.lambda("DeleteFunctionEventInvokeConfig", f.clone()).await;
    assert_eq!(
        c.fail("DeleteFunctionEventInvokeConfig", f).await.code(),
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn every_generated_operation_is_there() {
    let c = cloud().await;
    assert_eq!(c.kernel.service("lambda").unwrap().unrouted(), Vec::<&str>::new());
}
