//! Documents in, documents out. What is expected here is what AWS's guide and AWS's own transform say.

use serde_json::{Value, json};

use crate::template::{Template, yaml};
use crate::transform::{Values, run};

fn values() -> Values {
    [("Stage", "qa"), ("Alias", "live")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The processed template, which has to be one.
fn processed(resources: &str) -> Value {
    let text = format!("Transform: AWS::Serverless-2016-10-31\n{resources}");
    let out = run(&yaml::parse(&text).unwrap(), &values()).unwrap();
    Template::from_document(&out).unwrap();
    out
}

fn failure(resources: &str) -> String {
    let text = format!("Transform: AWS::Serverless-2016-10-31\n{resources}");
    run(&yaml::parse(&text).unwrap(), &values()).unwrap_err()
}

fn kinds(out: &Value) -> Vec<(String, String)> {
    let resources = out["Resources"].as_object().unwrap();
    resources.iter().map(|(id, r)| (id.clone(), r["Type"].as_str().unwrap().to_owned())).collect()
}

fn properties<'a>(out: &'a Value, id: &str) -> &'a Value {
    &out["Resources"][id]["Properties"]
}

const FUNCTION: &str = "Type: AWS::Serverless::Function, Condition: Is, Properties: {Runtime: nodejs20.x, Handler: a.h, CodeUri: s3://sam-demo-bucket/hello.zip";

#[test]
fn a_function_with_everything_around_it() {
    let out = processed(&format!(
        "Conditions: {{Is: !Equals [a, a]}}
Resources:
  Q: {{Type: AWS::SQS::Queue}}
  F: {{DependsOn: Q, {FUNCTION}, AutoPublishAlias: !Ref Alias, Tracing: Active, Tags: {{a: b}},
    DeploymentPreference: {{Type: AllAtOnce, Alarms: [x]}},
    DeadLetterQueue: {{Type: SQS, TargetArn: !GetAtt Q.Arn}},
    FunctionUrlConfig: {{AuthType: NONE}},
    Policies: [AWSLambdaRole, SQSPollerPolicy: {{QueueName: !GetAtt Q.QueueName}}, {{Statement: []}}],
    EventInvokeConfig: {{DestinationConfig: {{OnFailure: {{Type: SNS}}}}}},
    Events: {{S: {{Type: SQS, Properties: {{Queue: !GetAtt Q.Arn}}}}, R: {{Type: Schedule, Properties: {{Schedule: rate(1 day)}}}}}}}}}}
Parameters: {{Alias: {{Type: String}}}}
Outputs: {{V: {{Value: !Ref F.Version}}, A: {{Value: !Sub '${{F.Alias}}'}}, R: {{Value: !GetAtt FRole.Arn}}}}"
    ));
    let made = kinds(&out);
    let ids: Vec<&str> = made.iter().map(|(id, _)| id.as_str()).collect();
    // The hash is the one that AWS makes of this location.
    assert_eq!(
        ids,
        [
            "Q",
            "F",
            "FVersion640128d35d",
            "FDeploymentGroup",
            "FAliaslive",
            "FUrl",
            "FUrlPublicPermissions",
            "FURLInvokeAllowPublicAccess",
            "FEventInvokeConfigOnFailureTopic",
            "FEventInvokeConfig",
            "FS",
            "FR",
            "FRPermission",
            "FRole",
            "ServerlessDeploymentApplication",
            "CodeDeployServiceRole"
        ]
    );
    let function = &out["Resources"]["F"];
    assert_eq!((&function["DependsOn"], &function["Condition"]), (&json!("Q"), &json!("Is")));
    assert_eq!(out["Resources"]["FRole"]["Condition"], "Is");
    let function = &function["Properties"];
    assert_eq!(function["Code"], json!({"S3Bucket": "sam-demo-bucket", "S3Key": "hello.zip"}));
    assert_eq!(
        function["Tags"],
        json!([{"Key": "lambda:createdBy", "Value": "SAM"}, {"Key": "a", "Value": "b"}])
    );
    assert_eq!(function["Role"], json!({"Fn::GetAtt": ["FRole", "Arn"]}));
    let role = properties(&out, "FRole");
    let service = "arn:aws:iam::aws:policy/service-role";
    assert_eq!(
        role["ManagedPolicyArns"],
        json!([
            format!("{service}/AWSLambdaBasicExecutionRole"),
            "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
            format!("{service}/AWSLambdaSQSQueueExecutionRole"),
            format!("{service}/AWSLambdaRole"),
        ])
    );
    let names: Vec<&Value> =
        role["Policies"].as_array().unwrap().iter().map(|p| &p["PolicyName"]).collect();
    assert_eq!(
        names,
        [
            "DeadLetterQueuePolicy",
            "FEventInvokeConfigOnFailureSNSPolicy",
            "FRolePolicy1",
            "FRolePolicy2"
        ]
    );
    assert_eq!(properties(&out, "FS")["FunctionName"], json!({"Ref": "FAliaslive"}));
    let alias = &out["Resources"]["FAliaslive"];
    assert_eq!(
        alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"],
        json!({"Ref": "FDeploymentGroup"})
    );
    assert_eq!(out["Outputs"]["V"]["Value"], json!({"Ref": "FVersion640128d35d"}));
    assert_eq!(out["Outputs"]["A"]["Value"], json!({"Fn::Sub": "${FAliaslive}"}));
}

#[test]
fn an_http_api_is_made_of_its_events() {
    let out = processed(
        "Resources:
  F: {Type: AWS::Serverless::Function, Properties: {Runtime: nodejs20.x, Handler: a.h, InlineCode: x, Events: {
    A: {Type: HttpApi, Properties: {Path: '/a/{id}', Method: GET}},
    B: {Type: HttpApi}}}}
Globals: {HttpApi: {CorsConfiguration: {AllowOrigins: ['*']}}}
Outputs: {U: {Value: !Ref ServerlessHttpApi}, S: {Value: !Ref ServerlessHttpApi.Stage}}",
    );
    let ids: Vec<String> = kinds(&out).into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        ids,
        [
            "F",
            "FAPermission",
            "FBPermission",
            "FRole",
            "ServerlessHttpApi",
            "ServerlessHttpApiApiGatewayDefaultStage"
        ]
    );
    let body = &properties(&out, "ServerlessHttpApi")["Body"];
    let operation = &body["paths"]["/a/{id}"]["get"];
    assert_eq!(
        operation["x-amazon-apigateway-integration"],
        json!({
            "type": "aws_proxy", "httpMethod": "POST", "payloadFormatVersion": "2.0",
            "uri": {"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations"},
        })
    );
    assert_eq!(body["paths"]["$default"]["x-amazon-apigateway-any-method"]["isDefaultRoute"], true);
    assert_eq!(body["x-amazon-apigateway-cors"], json!({"allowOrigins": ["*"]}));
    assert_eq!(
        properties(&out, "FAPermission")["SourceArn"],
        json!({"Fn::Sub": [
            "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/${__Stage__}/GET/a/*",
            {"__ApiId__": {"Ref": "ServerlessHttpApi"}, "__Stage__": "*"},
        ]})
    );
    assert_eq!(
        out["Outputs"]["S"]["Value"],
        json!({"Ref": "ServerlessHttpApiApiGatewayDefaultStage"})
    );
}

#[test]
fn a_rest_api_has_a_deployment_and_a_stage() {
    let out = processed(
        "Parameters: {Stage: {Type: String}}
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {Runtime: nodejs20.x, Handler: a.h, InlineCode: x, Events: {
    A: {Type: Api, Properties: {Path: /a, Method: get}},
    B: {Type: Api, Properties: {RestApiId: !Ref Mine, Path: /b, Method: any, Auth: {Authorizer: NONE},
      RequestModel: {Model: V, Required: true, ValidateBody: true}, RequestParameters: [method.request.querystring.q: {Required: true, Caching: true}]}}}}}
  Mine: {Type: AWS::Serverless::Api, Properties: {StageName: !Ref Stage, Cors: \"'*'\", Auth: {DefaultAuthorizer: C, Authorizers: {C: {UserPoolArn: arn}}}}}",
    );
    let ids: Vec<String> = kinds(&out).into_iter().map(|(id, _)| id).collect();
    let deployments: Vec<&String> = ids.iter().filter(|id| id.contains("Deployment")).collect();
    assert_eq!(deployments.len(), 2);
    assert!(deployments[1].starts_with("ServerlessRestApiDeployment"), "{deployments:?}");
    for id in ["FAPermissionProd", "FBPermissionStage", "MineStage", "ServerlessRestApiProdStage"] {
        assert!(ids.iter().any(|have| have == id), "{id} in {ids:?}");
    }
    let body = &properties(&out, "Mine")["Body"];
    let path = &body["paths"]["/b"];
    assert_eq!(path["x-amazon-apigateway-any-method"]["security"], json!([]));
    let operation = &path["x-amazon-apigateway-any-method"];
    assert_eq!(operation["x-amazon-apigateway-request-validator"], "body-only");
    assert_eq!(
        operation["parameters"],
        json!([
            {"in": "body", "name": "v", "schema": {"$ref": "#/definitions/v"}, "required": true},
            {"name": "q", "in": "query", "type": "string", "required": true},
        ])
    );
    assert_eq!(
        body["x-amazon-apigateway-request-validators"],
        json!({"body-only": {"validateRequestBody": true, "validateRequestParameters": false}})
    );
    assert_eq!(path["options"]["security"], json!([{"C": []}]));
    let authorizer = &body["securityDefinitions"]["C"]["x-amazon-apigateway-authorizer"];
    assert_eq!(*authorizer, json!({"type": "cognito_user_pools", "providerARNs": ["arn"]}));
}

#[test]
fn tables_layers_state_machines_and_connectors() {
    let out = processed(
        "Resources:
  T: {Type: AWS::Serverless::SimpleTable}
  Lay: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: s3://b/l}}
  F: {Type: AWS::Serverless::Function, Properties: {Runtime: nodejs20.x, Handler: a.h, InlineCode: x, Layers: [!Ref Lay]},
    Connectors: {C: {Properties: {Destination: {Id: T}, Permissions: [Write]}}}}
  M: {Type: AWS::Serverless::StateMachine, Properties: {Definition: {StartAt: A, States: {A: {Type: Task, Resource: !GetAtt F.Arn, End: true}}}}}",
    );
    // The hash is the one that AWS makes of this layer.
    assert_eq!(properties(&out, "F")["Layers"], json!([{"Ref": "Lay8c79f6c5d8"}]));
    assert_eq!(out["Resources"]["Lay8c79f6c5d8"]["DeletionPolicy"], "Retain");
    assert_eq!(
        *properties(&out, "T"),
        json!({
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        })
    );
    let machine = properties(&out, "M");
    assert_eq!(
        machine["DefinitionSubstitutions"],
        json!({"definition_substitution_1": {"Fn::GetAtt": ["F", "Arn"]}})
    );
    let policy = properties(&out, "FCPolicy");
    assert_eq!(policy["Roles"], json!([{"Ref": "FRole"}]));
    assert_eq!(out["Resources"]["FCPolicy"]["Type"], "AWS::IAM::ManagedPolicy");
}

#[test]
fn a_bucket_is_told_whom_to_notify_and_an_api_exists_with_its_routes() {
    let out = processed(&format!(
        "Conditions: {{Is: !Equals [a, b]}}
Resources:
  B: {{Type: AWS::S3::Bucket}}
  F: {{{FUNCTION}, Events: {{E: {{Type: S3, Properties: {{Bucket: !Ref B, Events: 's3:ObjectCreated:*'}}}}, H: {{Type: HttpApi}}}}}}}}"
    ));
    let bucket = &out["Resources"]["B"];
    assert_eq!(bucket["DependsOn"], json!(["FEPermission"]));
    let notified = &bucket["Properties"]["NotificationConfiguration"]["LambdaConfigurations"][0];
    assert_eq!(
        notified["Fn::If"][1],
        json!({"Event": "s3:ObjectCreated:*", "Function": {"Fn::GetAtt": ["F", "Arn"]}})
    );
    assert_eq!(out["Resources"]["ServerlessHttpApi"]["Condition"], "Is");
}

#[test]
fn errors_are_worded_as_aws_words_them() {
    assert_eq!(
        failure(
            "Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: ./local}}}"
        ),
        "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. Number of errors found: 1. Resource with id [F] is invalid. 'CodeUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter."
    );
    let application = failure("Resources: {A: {Type: AWS::Serverless::Application}}");
    assert!(application.contains("Missing required property 'Location'."));
    let graph = failure("Resources: {A: {Type: AWS::Serverless::GraphQLApi}}");
    assert!(graph.contains("AWS::Serverless::GraphQLApi is not implemented by Undercast"));
    let event = failure(
        "Resources: {F: {Type: AWS::Serverless::Function, Properties: {InlineCode: x, Events: {E: {Type: Api, Properties: {Path: /, Method: get, RestApiId: elsewhere}}}}}}",
    );
    assert!(event.ends_with("Resource with id [F] is invalid. Event with id [E] is invalid. RestApiId must be a valid reference to an 'AWS::Serverless::Api' resource in same template."), "{event}");
}

/// Something of everything.
const RICH: &str = "
Conditions: {Is: !Equals [a, a]}
Globals: {Function: {Runtime: nodejs20.x, Handler: a.h, Tags: {a: b}}, Api: {Cors: \"'*'\"}}
Resources:
  B: {Type: AWS::S3::Bucket}
  Q: {Type: AWS::SQS::Queue}
  T: {Type: AWS::Serverless::SimpleTable, Properties: {PrimaryKey: {Name: a, Type: String}, Tags: {a: b}}}
  Lay: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: {Bucket: b, Key: k}, RetentionPolicy: Delete}}
  F:
    Type: AWS::Serverless::Function
    Condition: Is
    Connectors: {C: {Properties: {Destination: [{Id: T}, {Id: Q}], Permissions: [Write]}}}
    Properties:
      CodeUri: s3://b/k?versionId=1
      AutoPublishAlias: live
      DeploymentPreference: {Type: AllAtOnce, Hooks: {PreTraffic: x}, Alarms: [y]}
      DeadLetterQueue: {Type: SQS, TargetArn: x}
      FunctionUrlConfig: {AuthType: NONE}
      Policies: [{DynamoDBReadPolicy: {TableName: t}}, !If [Is, {Statement: []}, x], {Statement: []}, x]
      EventInvokeConfig: {DestinationConfig: {OnSuccess: {Type: SQS}, OnFailure: {Type: SNS, Destination: x}}}
      Events:
        A: {Type: HttpApi, Properties: {ApiId: !Ref H, Path: '/{a}', Method: get, Auth: {Authorizer: J}, RouteSettings: {X: 1}}}
        R: {Type: Api, Properties: {RestApiId: !Ref R, Path: /r, Method: any, RequestModel: {Model: M}, RequestParameters: [method.request.header.x, method.request.path.y: {Required: true}]}}
        S: {Type: SQS, Properties: {Queue: x, DestinationConfig: {OnFailure: {Type: SQS, Destination: x}}}}
        K: {Type: SelfManagedKafka, Properties: {KafkaBootstrapServers: [a], Topics: [t], SourceAccessConfigurations: [{Type: VPC_SUBNET, URI: x}]}}
        V: {Type: ScheduleV2, Properties: {ScheduleExpression: x, DeadLetterConfig: {Arn: x}}}
        E: {Type: EventBridgeRule, Properties: {Pattern: {a: [b]}, DeadLetterConfig: {Type: SQS}, Target: {Id: x}}}
        N: {Type: SNS, Properties: {Topic: x, SqsSubscription: {BatchSize: 1}}}
        O: {Type: S3, Properties: {Bucket: !Ref B, Events: [x]}}
  H: {Type: AWS::Serverless::HttpApi, Properties: {StageName: s, CorsConfiguration: {AllowOrigins: [x]}, Tags: {a: b}, Auth: {DefaultAuthorizer: J, Authorizers: {J: {JwtConfiguration: {issuer: x}}, L: {FunctionArn: x, AuthorizerPayloadFormatVersion: '2.0', Identity: {Headers: [x]}}}}, Domain: {DomainName: x, CertificateArn: y}, DefinitionBody: {openapi: 3.0.1, paths: {/x: {get: {x-amazon-apigateway-integration: {}}}}, tags: [x]}}}
  R: {Type: AWS::Serverless::Api, Properties: {StageName: s, Models: {M: {}}, GatewayResponses: {X: {ResponseParameters: {Headers: {A: b}}}}, EndpointConfiguration: {Type: x}, Auth: {DefaultAuthorizer: P, UsagePlan: {CreateUsagePlan: SHARED}, ResourcePolicy: {CustomStatements: []}, Authorizers: {P: {UserPoolArn: x}, L: {FunctionArn: x, Identity: {Header: y}}}}, Domain: {DomainName: x, CertificateArn: y}}}
  M: {Type: AWS::Serverless::StateMachine, Properties: {Definition: {StartAt: !Ref Q}, Policies: [x], Events: {S: {Type: Schedule, Properties: {Schedule: x}}, P: {Type: Api, Properties: {Path: /p, Method: post}}}}}
  C: {Type: AWS::Serverless::Connector, Properties: {Source: {Id: M}, Destination: {Id: F}, Permissions: Write}}
Outputs: {A: {Value: !Ref F.Version}}
";

/// The places in a document, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn nothing_in_any_place_makes_it_panic() {
    let text = format!("Transform: AWS::Serverless-2016-10-31{RICH}");
    let document = yaml::parse(&text).unwrap();
    Template::from_document(&run(&document, &values()).unwrap()).unwrap();
    let mut all = Vec::new();
    places(&document, "", &mut all);
    let odd = [
        json!(null),
        json!(""),
        json!(7),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"Ref": "F"}),
        json!({"Fn::If": []}),
    ];
    for (n, at) in all.iter().enumerate() {
        for value in odd.iter().skip(n % 4).step_by(4) {
            let mut changed = document.clone();
            *changed.pointer_mut(at).unwrap() = value.clone();
            let made = run(&changed, &values());
            let _ = made.map(|made| Template::from_document(&made));
            let _ = Template::declared(&changed);
        }
    }
}
