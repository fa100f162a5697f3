//! Resource types: what a template makes, changes and deletes.

use serde_json::{Value, json};
use undercast_kernel::{Resource, ResourceRequest};

use crate::fixture::{Cloud, ROLE, cloud};

fn request(logical_id: &str, properties: Value) -> ResourceRequest {
    let tags =
        [("aws:cloudformation:stack-id", "stack-1"), ("aws:cloudformation:logical-id", logical_id)];
    ResourceRequest {
        stack_id: "stack-1".into(),
        stack_name: "shop".into(),
        logical_id: logical_id.into(),
        generation: 0,
        suffix: "ABCDEFGHIJKL".into(),
        physical_id: String::new(),
        properties,
        old: Value::Null,
        tags: tags.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        attempt: 1,
        metadata: Default::default(),
        update_policy: Default::default(),
        operation: "operation".to_owned(),
        is_rollback: false,
    }
}

async fn create(c: &Cloud, kind: &str, request: ResourceRequest) -> Resource {
    let kind = c.kernel.resource_type(kind).unwrap();
    for property in request.properties.as_object().unwrap().keys() {
        assert!(kind.properties().contains(&property.as_str()), "{property}");
    }
    kind.create(c.ctx.clone(), request).await.unwrap()
}

async fn update(
    c: &Cloud,
    kind: &str,
    mut old: ResourceRequest,
    id: &str,
    properties: Value,
) -> Resource {
    old.physical_id = id.to_owned();
    old.old = std::mem::replace(&mut old.properties, properties);
    c.kernel.resource_type(kind).unwrap().update(c.ctx.clone(), old).await.unwrap()
}

async fn delete(c: &Cloud, kind: &str, mut request: ResourceRequest, id: &str) {
    request.physical_id = id.to_owned();
    for _ in 0..2 {
        let kind = c.kernel.resource_type(kind).unwrap();
        kind.delete(c.ctx.clone(), request.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_function_is_made_once_changed_and_deleted() {
    let c = cloud().await;
    let properties = json!({
        "Code": {"ZipFile": "def handler(event, context):\n    import cfnresponse, os\n    return [cfnresponse.SUCCESS, os.environ['NUM']]\n"},
        "Runtime": "python3.11", "Handler": "index.handler", "Role": ROLE,
        "MemorySize": "256", "Timeout": "7", "Environment": {"Variables": {"NUM": 5}},
        "ReservedConcurrentExecutions": 3, "TracingConfig": {"Mode": "Active"},
        "Tags": [{"Key": "team", "Value": "a"}],
    });
    let kind = "AWS::Lambda::Function";
    let first = request("Fn", properties.clone());
    let made = create(&c, kind, first.clone()).await;
    assert_eq!(made.physical_id, "shop-Fn-ABCDEFGHIJKL");
    assert_eq!(
        made.attributes["Arn"],
        "arn:aws:lambda:us-east-1:000000000000:function:shop-Fn-ABCDEFGHIJKL"
    );
    let again = ResourceRequest { attempt: 2, ..first.clone() };
    assert_eq!(create(&c, kind, again).await.physical_id, made.physical_id);
    assert_eq!(c.invoke(&made.physical_id, &json!({})).await, json!(["SUCCESS", "5"]));
    let got = c.lambda("GetFunction", json!({"FunctionName": made.physical_id})).await;
    assert_eq!(got["Configuration"]["MemorySize"], 256);
    assert_eq!(got["Concurrency"]["ReservedConcurrentExecutions"], 3);
    assert_eq!(got["Tags"]["team"], "a");
    let mut changed = properties.clone();
    changed["Code"]["ZipFile"] = json!("def handler(event, context):\n    return 'new'\n");
    for gone in
        ["MemorySize", "ReservedConcurrentExecutions", "Environment", "Tags", "TracingConfig"]
    {
        changed.as_object_mut().unwrap().remove(gone);
    }
    update(&c, kind, first.clone(), &made.physical_id, changed).await;
    assert_eq!(c.invoke(&made.physical_id, &json!({})).await, json!("new"));
    let got = c.lambda("GetFunction", json!({"FunctionName": made.physical_id})).await;
    assert_eq!(got["Configuration"]["MemorySize"], 128);
    assert_eq!(got["Configuration"]["Environment"], json!({"Variables": {}}));
    assert_eq!(got["Configuration"]["TracingConfig"]["Mode"], "PassThrough");
    assert!(got.get("Concurrency").is_none());
    assert!(got["Tags"].get("team").is_none());
    delete(&c, kind, first, &made.physical_id).await;
    assert_eq!(
        c.fail("GetFunction", json!({"FunctionName": made.physical_id})).await.code(),
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn a_function_that_somebody_else_made_is_not_taken_over() {
    let c = cloud().await;
    c.function("mine", "exports.handler = async () => 1;", json!({})).await;
    let properties = json!({
        "FunctionName": "mine", "Code": {"ZipFile": "x"}, "Runtime": "nodejs20.x",
        "Handler": "index.handler", "Role": ROLE,
    });
    for attempt in [1, 2] {
        let request = ResourceRequest { attempt, ..request("Fn", properties.clone()) };
        let kind = c.kernel.resource_type("AWS::Lambda::Function").unwrap();
        let error = kind.create(c.ctx.clone(), request).await.unwrap_err();
        assert_eq!(error.code(), "ResourceConflictException");
    }
    let mut layered = properties;
    layered["FunctionName"] = json!("other");
    layered["Layers"] = json!(["arn:aws:lambda:us-east-1:000000000000:layer:l:1"]);
    let kind = c.kernel.resource_type("AWS::Lambda::Function").unwrap();
    let error = kind.create(c.ctx.clone(), request("Fn", layered)).await.unwrap_err();
    assert!(error.message().contains("does not exist"), "{error}");
}

#[tokio::test]
async fn versions_aliases_permissions_mappings_and_configs_are_made_and_deleted() {
    let c = cloud().await;
    let (_, queue) = c.queue("q", json!({})).await;
    c.function("f", "exports.handler = async () => 1;", json!({})).await;
    let version = request("V", json!({"FunctionName": "f", "Description": "one"}));
    let made = create(&c, "AWS::Lambda::Version", version.clone()).await;
    assert!(made.physical_id.ends_with("function:f:1"));
    assert_eq!(made.attributes["Version"], "1");
    let alias = request("A", json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"}));
    for attempt in [1, 2] {
        let again = ResourceRequest { attempt, ..alias.clone() };
        let made = create(&c, "AWS::Lambda::Alias", again).await;
        assert!(made.physical_id.ends_with("function:f:live"));
    }
    let permission = request(
        "P",
        json!({
            "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f:live",
            "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
        }),
    );
    for attempt in [1, 2] {
        let again = ResourceRequest { attempt, ..permission.clone() };
        create(&c, "AWS::Lambda::Permission", again).await;
    }
    let policy = c.lambda("GetPolicy", json!({"FunctionName": "f:live"})).await;
    assert!(policy["Policy"].as_str().unwrap().contains("apigateway.amazonaws.com"));
    let mapping =
        request("M", json!({"FunctionName": "f", "EventSourceArn": queue, "BatchSize": "5"}));
    let made = create(&c, "AWS::Lambda::EventSourceMapping", mapping.clone()).await;
    let again = ResourceRequest { attempt: 2, ..mapping.clone() };
    let same = create(&c, "AWS::Lambda::EventSourceMapping", again).await;
    assert_eq!(same.physical_id, made.physical_id);
    let changed = json!({"FunctionName": "f", "EventSourceArn": queue});
    update(&c, "AWS::Lambda::EventSourceMapping", mapping.clone(), &made.physical_id, changed)
        .await;
    let got = c.lambda("GetEventSourceMapping", json!({"UUID": made.physical_id})).await;
    assert_eq!(got["BatchSize"], 10);
    let config = request(
        "C",
        json!({"FunctionName": "f", "Qualifier": "$LATEST", "MaximumRetryAttempts": "1"}),
    );
    let id = create(&c, "AWS::Lambda::EventInvokeConfig", config.clone()).await.physical_id;
    delete(&c, "AWS::Lambda::EventInvokeConfig", config, &id).await;
    delete(&c, "AWS::Lambda::EventSourceMapping", mapping, &made.physical_id).await;
    delete(&c, "AWS::Lambda::Permission", permission, "shop-P-ABCDEFGHIJKL").await;
    delete(&c, "AWS::Lambda::Alias", alias, "unused").await;
    let id = "arn:aws:lambda:us-east-1:000000000000:function:f:1";
    delete(&c, "AWS::Lambda::Version", version, id).await;
    let listed = c.lambda("ListVersionsByFunction", json!({"FunctionName": "f"})).await;
    assert_eq!(listed["Versions"].as_array().unwrap().len(), 1);
}
