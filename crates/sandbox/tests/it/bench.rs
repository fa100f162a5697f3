//! A guard on the cost of a warm invocation; the numbers come from `examples/overhead.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fixture::fixture;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warm_invocations_are_fast() {
    let f = fixture();
    let code = "exports.handler = async () => 1;";
    let function = Arc::new(f.function("nodejs20.x", "index.handler", &[("index.js", code)]));
    f.call(&function, "{}").await;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..200 {
        let since = Instant::now();
        f.call(&function, "{}").await;
        times.push(since.elapsed());
    }
    times.sort();
    assert_eq!(f.sandbox.instances().len(), 1);
    // Generous: machines that run tests are busy.
    assert!(times[100] < Duration::from_millis(20), "{:?}", times[100]);
}
