//! What is told, and to whom.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use undercast_kernel::{Context, EventBus, ServiceError, ServiceEvent};

use crate::fixture::start;

/// Keeps what it is given.
#[derive(Default)]
struct Bus(Mutex<Vec<ServiceEvent>>);

impl EventBus for Bus {
    fn put(&self, _: Context, event: ServiceEvent) -> BoxFuture<'static, Result<(), ServiceError>> {
        self.0.lock().unwrap().push(event);
        async { Ok(()) }.boxed()
    }
}

#[tokio::test]
async fn a_bus_hears_of_everything_once_it_is_there() {
    let s3 = start().await;
    s3.bucket("bbb").await;
    let input =
        json!({"Bucket": "bbb", "NotificationConfiguration": {"EventBridgeConfiguration": {}}});
    s3.call("PutBucketNotificationConfiguration", input).await.unwrap();
    s3.put("bbb", "before", b"1").await;
    let bus = Arc::new(Bus::default());
    s3.kernel.provide_event_bus(bus.clone());
    s3.put("bbb", "a b", b"22").await;
    s3.call("DeleteObject", json!({"Bucket": "bbb", "Key": "a b"})).await.unwrap();
    for _ in 0..500 {
        if bus.0.lock().unwrap().len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut told = bus.0.lock().unwrap().clone();
    told.sort_by_key(|event| event.detail_type.clone());
    let [created, deleted] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((created.source, created.detail_type.as_str()), ("aws.s3", "Object Created"));
    assert_eq!(created.resources, ["arn:aws:s3:::bbb"]);
    assert_eq!(created.detail["bucket"]["name"], "bbb");
    assert_eq!(created.detail["object"]["key"], "a b");
    assert_eq!(created.detail["object"]["size"], 2);
    assert_eq!(created.detail["reason"], "PutObject");
    assert_eq!(deleted.detail_type, "Object Deleted");
    assert_eq!(deleted.detail["deletion-type"], "Permanently Deleted");
    let order =
        |event: &ServiceEvent| event.detail["object"]["sequencer"].as_str().unwrap().to_owned();
    assert!(order(created) < order(deleted));
}
