//! A sandbox in a temporary directory, and functions made of strings.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use undercast_sandbox::{
    Answer, AnswerBody, Credentials, Endpoint, Error, Function, Host, Invocation, IsolationChoice,
    LogLine, Options, Sandbox,
};

#[derive(Default)]
pub struct Log {
    pub lines: Mutex<Vec<(String, String)>>,
}

impl Host for Log {
    fn credentials(&self, _: &Function, _: u64) -> Credentials {
        Credentials {
            access_key: "AKID".into(),
            secret_key: "SECRET".into(),
            session_token: "TOKEN".into(),
        }
    }

    fn log(&self, _: &Function, stream: &str, lines: Vec<LogLine>) {
        self.lines
            .lock()
            .unwrap()
            .extend(lines.into_iter().map(|line| (stream.to_owned(), line.text)));
    }
}

pub struct Fixture {
    pub dir: TempDir,
    pub sandbox: Sandbox,
    pub log: Arc<Log>,
    host: Arc<dyn Host>,
}

pub fn launcher() -> PathBuf {
    env!("CARGO_BIN_EXE_sandbox-launcher").into()
}

pub fn fixture() -> Fixture {
    fixture_with(|_| {})
}

pub fn process_level() -> Fixture {
    fixture_with(|options| options.isolation = IsolationChoice::Process)
}

pub fn fixture_with(change: impl FnOnce(&mut Options)) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint { url: "http://127.0.0.1:4566".into(), ..Endpoint::default() };
    let mut options = Options::new(dir.path().join("sandbox"), launcher(), endpoint);
    change(&mut options);
    let sandbox = Sandbox::new(options).unwrap();
    let log = Arc::new(Log::default());
    Fixture { dir, sandbox, host: log.clone(), log }
}

impl Fixture {
    /// A function whose code is `files`.
    pub fn function(&self, runtime: &str, handler: &str, files: &[(&str, &str)]) -> Function {
        let number = std::fs::read_dir(self.dir.path()).unwrap().count();
        let code = self.dir.path().join(format!("code{number}"));
        for (name, text) in files {
            let path = code.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            if *name == "bootstrap" || name.ends_with(".sh") {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        Function {
            key: format!("arn:{number}"),
            arn: format!("arn:aws:lambda:eu-west-1:000000000000:function:f{number}"),
            name: format!("f{number}"),
            version: "$LATEST".into(),
            runtime: runtime.into(),
            handler: handler.into(),
            code,
            memory_mb: 256,
            timeout: Duration::from_secs(20),
            tmp_mb: 64,
            region: "eu-west-1".into(),
            account: "000000000000".into(),
            log_group: format!("/aws/lambda/f{number}"),
            ..Function::default()
        }
    }

    pub async fn try_invoke(
        &self,
        function: &Arc<Function>,
        payload: &str,
    ) -> Result<Answer, Error> {
        self.invoke_as(
            function,
            Invocation { payload: Bytes::from(payload.to_owned()), ..invocation(function) },
        )
        .await
    }

    pub async fn invoke_as(
        &self,
        function: &Arc<Function>,
        invocation: Invocation,
    ) -> Result<Answer, Error> {
        self.sandbox.invoke(function, invocation, &self.host).await
    }

    pub async fn prewarm(&self, function: &Arc<Function>, n: usize) -> Result<(), Error> {
        self.sandbox.prewarm(function, n, &self.host).await
    }

    pub async fn invoke(&self, function: &Arc<Function>, payload: &str) -> Answer {
        self.try_invoke(function, payload).await.unwrap()
    }

    /// The payload of a successful invocation.
    pub async fn call(&self, function: &Arc<Function>, payload: &str) -> Value {
        let answer = self.invoke(function, payload).await;
        assert!(!answer.status.is_error(), "{}\n{}", json(&answer), self.logs());
        json(&answer)
    }

    /// The payload of a failed one.
    pub async fn fail(&self, function: &Arc<Function>, payload: &str) -> Value {
        let answer = self.invoke(function, payload).await;
        assert!(answer.status.is_error(), "{}\n{}", json(&answer), self.logs());
        json(&answer)
    }

    pub fn logs(&self) -> String {
        self.log.lines.lock().unwrap().iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Waits until the log holds `text`.
    pub async fn logged(&self, text: &str) -> String {
        for _ in 0..300 {
            let logs = self.logs();
            if logs.contains(text) {
                return logs;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{text:?} is not in the log:\n{}", self.logs());
    }
}

pub fn invocation(function: &Function) -> Invocation {
    let mut id = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| std::io::Read::read_exact(&mut f, &mut id))
        .unwrap();
    Invocation {
        request_id: id.iter().map(|b| format!("{b:02x}")).collect(),
        payload: Bytes::from_static(b"{}"),
        invoked_arn: function.arn.clone(),
        wants_log_tail: true,
        ..Invocation::default()
    }
}

pub fn bytes(answer: &Answer) -> Bytes {
    match &answer.payload {
        AnswerBody::Bytes { bytes, .. } => bytes.clone(),
        AnswerBody::Stream(_) => panic!("a stream"),
    }
}

pub fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&bytes(answer)).unwrap_or(Value::Null)
}
