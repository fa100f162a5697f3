//! Functions as resources: what is kept, shown and refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::fixture::{ROLE, cloud, zip};

const ECHO: &str = "exports.handler = async (event) => event;";

#[tokio::test]
async fn a_new_function_has_awss_defaults() {
    let c = cloud().await;
    let made = c.function("f", ECHO, json!({"Timeout": 3})).await;
    let want = json!({
        "Architectures": ["x86_64"],
        "Description": "",
        "EphemeralStorage": {"Size": 512},
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "FunctionName": "f",
        "Handler": "index.handler",
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
        "MemorySize": 128,
        "PackageType": "Zip",
        "Role": ROLE,
        "Runtime": "nodejs20.x",
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Timeout": 3,
        "TracingConfig": {"Mode": "PassThrough"},
        "Version": "$LATEST",
    });
    for (key, value) in want.as_object().unwrap() {
        assert_eq!(&made[key], value, "{key}");
    }
    assert!(made["LastModified"].as_str().unwrap().ends_with("+0000"));
    assert_eq!(made["CodeSha256"].as_str().unwrap().len(), 44);
    assert!(made.get("Environment").is_none());
    let got = c.lambda("GetFunctionConfiguration", json!({"FunctionName": "f"})).await;
    assert_eq!(got, made);
    let listed = c.lambda("ListFunctions", json!({})).await;
    assert_eq!(listed["Functions"][0]["FunctionName"], "f");
    assert!(listed["Functions"][0].get("State").is_none());
}

#[tokio::test]
async fn errors_are_awss() {
    let c = cloud().await;
    let error = c.fail("GetFunction", json!({"FunctionName": "nope"})).await;
    assert_eq!(error.code(), "ResourceNotFoundException");
    assert_eq!(
        error.message(),
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nope"
    );
    assert!(error.fields().contains(&("Type", json!("User"))));
    let error = c.fail("Invoke", json!({"FunctionName": "nope"})).await;
    assert!(error.message().ends_with("function:nope:$LATEST"));
    let error = c.fail("GetFunction", json!({"FunctionName": "nope:1", "Qualifier": "2"})).await;
    assert!(error.message().starts_with("The derived qualifier"));
    c.function("f", ECHO, json!({})).await;
    let again = json!({
        "FunctionName": "f", "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": ROLE,
        "Code": {"ZipFile": zip(&[("index.js", ECHO)])},
    });
    let error = c.fail("CreateFunction", again.clone()).await;
    assert_eq!(error.code(), "ResourceConflictException");
    assert_eq!(error.message(), "Function already exist: f");
    let mut broken = again.clone();
    broken["FunctionName"] = json!("g");
    broken["Code"]["ZipFile"] = json!(BASE64.encode("no archive"));
    let error = c.fail("CreateFunction", broken).await;
    assert_eq!(
        error.message(),
        "Could not unzip uploaded file. Please check your file, then try to upload again."
    );
    let far = "arn:aws:lambda:eu-west-1:000000000000:function:f";
    let error = c.fail("GetFunction", json!({"FunctionName": far})).await;
    assert_eq!(
        error.message(),
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    );
}

#[tokio::test]
async fn a_change_needs_the_current_revision_and_shows_at_once() {
    let c = cloud().await;
    let made = c.function("f", ECHO, json!({})).await;
    assert_eq!(c.invoke("f", &json!({"a": 1})).await, json!({"a": 1}));
    let stale = json!({"FunctionName": "f", "Timeout": 4, "RevisionId": "wrong"});
    let error = c.fail("UpdateFunctionConfiguration", stale).await;
    assert_eq!(error.code(), "PreconditionFailedException");
    let change = json!({
        "FunctionName": "f",
        "RevisionId": made["RevisionId"],
        "Environment": {"Variables": {"WHO": "you"}},
    });
    c.lambda("UpdateFunctionConfiguration", change).await;
    let source = "exports.handler = async () => process.env.WHO + ' ' + process.env.AWS_REGION;";
    let dry = json!({"FunctionName": "f", "ZipFile": zip(&[("index.js", source)]), "DryRun": true});
    c.lambda("UpdateFunctionCode", dry.clone()).await;
    assert_eq!(c.invoke("f", &json!({"a": 1})).await, json!({"a": 1}));
    let mut real = dry;
    real["DryRun"] = json!(false);
    let changed = c.lambda("UpdateFunctionCode", real).await;
    assert_ne!(changed["CodeSha256"], made["CodeSha256"]);
    assert_eq!(c.invoke("f", &json!({})).await, json!("you us-east-1"));
}

#[tokio::test]
async fn versions_stay_as_they_were() {
    let c = cloud().await;
    c.function("f", "exports.handler = async () => 1;", json!({"Publish": true})).await;
    let same = c.lambda("PublishVersion", json!({"FunctionName": "f"})).await;
    assert_eq!(same["Version"], "1");
    let code = zip(&[("index.js", "exports.handler = async () => 2;")]);
    c.lambda("UpdateFunctionCode", json!({"FunctionName": "f", "ZipFile": code})).await;
    let two = c.lambda("PublishVersion", json!({"FunctionName": "f", "Description": "two"})).await;
    assert_eq!(two["Version"], "2");
    assert_eq!(two["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:2");
    assert_eq!(c.invoke("f:1", &json!({})).await, json!(1));
    assert_eq!(c.invoke("f:2", &json!({})).await, json!(2));
    let listed = c.lambda("ListVersionsByFunction", json!({"FunctionName": "f"})).await;
    let versions: Vec<_> =
        listed["Versions"].as_array().unwrap().iter().map(|v| v["Version"].clone()).collect();
    assert_eq!(versions, ["$LATEST", "1", "2"]);
    let alias = json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1",
        "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}});
    c.lambda("CreateAlias", alias).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let answer = c.invoke_with("f:live", &json!({}), json!({})).await;
        assert_eq!(answer["ExecutedVersion"], answer["Payload"].to_string());
        seen.insert(answer["Payload"].to_string());
    }
    assert_eq!(seen.len(), 2, "both versions get their share");
    let error = c.fail("DeleteFunction", json!({"FunctionName": "f", "Qualifier": "2"})).await;
    assert_eq!(error.code(), "ResourceConflictException");
    c.lambda("DeleteAlias", json!({"FunctionName": "f", "Name": "live"})).await;
    c.lambda("DeleteFunction", json!({"FunctionName": "f", "Qualifier": "2"})).await;
    assert_eq!(
        c.fail("Invoke", json!({"FunctionName": "f:2"})).await.code(),
        "ResourceNotFoundException"
    );
    c.lambda("DeleteFunction", json!({"FunctionName": "f"})).await;
    assert_eq!(
        c.fail("Invoke", json!({"FunctionName": "f:1"})).await.code(),
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn code_is_handed_out_under_a_signed_address_and_unpacked_again_when_lost() {
    let c = cloud().await;
    c.function("f", ECHO, json!({})).await;
    let got = c.lambda("GetFunction", json!({"FunctionName": "f"})).await;
    let url = got["Code"]["Location"].as_str().unwrap();
    let (path, query) = url.strip_prefix("http://127.0.0.1:4566").unwrap().split_once('?').unwrap();
    let ask = |query: String| {
        let request = undercast_kernel::http::Request {
            side: None,
            stand_in: None,
            caller: undercast_kernel::http::Signed::No,
            method: "GET".into(),
            scheme: "http",
            host: "127.0.0.1:4566".into(),
            path: path.replace('$', "%24"),
            query,
            protocol: "HTTP/1.1",
            headers: Vec::new(),
            body: undercast_kernel::smithy::Body::default(),
            source_ip: "127.0.0.1".into(),
        };
        let door = c.kernel.endpoints().find(|door| door.matches(&request)).unwrap().clone();
        door.serve(c.kernel.clone(), request)
    };
    let response = ask(query.to_owned()).await;
    assert_eq!(response.status, 200);
    let bytes = response.body.collect(1 << 20).await.unwrap();
    assert_eq!(BASE64.encode(bytes), zip(&[("index.js", ECHO)]));
    assert_eq!(ask(query.replace("Expires=", "Expires=1")).await.status, 403);
    std::fs::remove_dir_all(&c.folder).unwrap();
    assert_eq!(c.invoke("f", &json!({"b": 2})).await, json!({"b": 2}));
}
