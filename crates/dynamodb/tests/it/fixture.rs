//! A cloud that consists of DynamoDB alone.

use std::time::Duration;

use serde_json::{Value, json};
use undercast_kernel::{Context, Kernel, Principal, ServiceError, Settings};
use undercast_store::{Db, Env, Options, TaskRunner};

pub struct Cloud {
    pub ctx: Context,
    pub kernel: Kernel,
    _tasks: TaskRunner,
}

pub async fn cloud() -> Cloud {
    let db = Db::open(Options::memory(), Env::system()).await.unwrap();
    let kernel = Kernel::new(db.clone(), Settings::default());
    let services = undercast_dynamodb::services(&kernel);
    for service in &services {
        assert_eq!(service.unrouted(), Vec::<&str>::new());
    }
    kernel.install(services);
    for service in kernel.services() {
        if let Some(start) = &service.start {
            start(kernel.clone()).await.unwrap();
        }
    }
    let root = Principal::Root { account: "000000000000".into() };
    Cloud {
        ctx: kernel.context(root, "000000000000", "us-east-1"),
        _tasks: TaskRunner::start(db, kernel.task_kinds()),
        kernel,
    }
}

impl Cloud {
    pub async fn try_call(&self, operation: &str, input: Value) -> Result<Value, ServiceError> {
        self.kernel.call(&self.ctx, "dynamodb", operation, &input).await
    }

    pub async fn call(&self, operation: &str, input: Value) -> Value {
        let answer = self.try_call(operation, input).await;
        answer.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// Code and message of the error.
    pub async fn error(&self, operation: &str, input: Value) -> (String, String) {
        let error = self.try_call(operation, input).await.unwrap_err();
        (error.code().to_owned(), error.message().to_owned())
    }

    /// The message of a `ValidationException`.
    pub async fn invalid(&self, operation: &str, input: Value) -> String {
        let (code, message) = self.error(operation, input).await;
        assert_eq!(code, "ValidationException", "{message}");
        message
    }

    /// A table `t` with the keys `pk`, a text, and, if given, `sk` of that type.
    pub async fn table(&self, sk: Option<&str>) {
        let mut attributes = vec![json!({"AttributeName": "pk", "AttributeType": "S"})];
        let mut keys = vec![json!({"AttributeName": "pk", "KeyType": "HASH"})];
        if let Some(kind) = sk {
            attributes.push(json!({"AttributeName": "sk", "AttributeType": kind}));
            keys.push(json!({"AttributeName": "sk", "KeyType": "RANGE"}));
        }
        self.call(
            "CreateTable",
            json!({
                "TableName": "tbl", "AttributeDefinitions": attributes, "KeySchema": keys,
                "BillingMode": "PAY_PER_REQUEST",
            }),
        )
        .await;
    }

    pub async fn put(&self, item: Value) {
        self.call("PutItem", json!({"TableName": "tbl", "Item": item})).await;
    }

    pub async fn get(&self, key: Value) -> Value {
        let answer = self.call("GetItem", json!({"TableName": "tbl", "Key": key})).await;
        answer["Item"].clone()
    }

    /// Waits until `holds` does.
    pub async fn until<F: Future<Output = bool>>(&self, holds: impl Fn() -> F) {
        for _ in 0..400 {
            if holds().await {
                return;
            }
            self.kernel.env().clock.sleep(Duration::from_millis(5)).await;
        }
        panic!("it never came");
    }
}
