//! The variables that a function finds, as AWS documents them.

use std::path::PathBuf;

use crate::function::{Credentials, Function};
use crate::options::Options;
use crate::runtimes::{Interpreter, Kind};

/// Where things are, as the process sees them.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) task: PathBuf,
    pub(crate) opt: PathBuf,
    pub(crate) runtime: PathBuf,
    pub(crate) tmp: PathBuf,
    pub(crate) ca_bundle: Option<PathBuf>,
    pub(crate) node_libs: PathBuf,
    pub(crate) python_libs: PathBuf,
}

pub(crate) struct Environment<'a> {
    pub(crate) function: &'a Function,
    pub(crate) interpreter: &'a Interpreter,
    pub(crate) layout: &'a Layout,
    pub(crate) options: &'a Options,
    pub(crate) credentials: &'a Credentials,
    pub(crate) api: String,
    pub(crate) log_stream: &'a str,
}

impl Environment<'_> {
    /// Later entries win; the user's variables may replace those that are not reserved.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = Vec::with_capacity(48);
        let mut set = |name: &str, value: String| match all.iter_mut().find(|(n, _)| n == name) {
            Some(entry) => entry.1 = value,
            None => all.push((name.to_owned(), value)),
        };
        for (name, value) in self.defaults() {
            set(name, value);
        }
        for (name, value) in &self.function.environment {
            if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
                set(name, value.clone());
            }
        }
        for (name, value) in self.reserved() {
            set(name, value);
        }
        all
    }

    fn defaults(&self) -> Vec<(&'static str, String)> {
        let layout = self.layout;
        let (task, opt) = (layout.task.display(), layout.opt.display());
        let mut path: Vec<String> = Vec::new();
        if let Some(bin) = self.interpreter.program.parent().filter(|p| !p.as_os_str().is_empty()) {
            path.push(bin.display().to_string());
        }
        path.push(format!("/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:{opt}/bin"));
        let mut all = vec![
            ("PATH", path.join(":")),
            ("LD_LIBRARY_PATH", format!("/var/lang/lib:{task}:{task}/lib:{opt}/lib")),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("TZ", ":UTC".to_owned()),
            ("TMPDIR", layout.tmp.display().to_string()),
            ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR".to_owned()),
        ];
        if !self.options.endpoint.url.is_empty() {
            all.push(("AWS_ENDPOINT_URL", self.options.endpoint.url.clone()));
        }
        if let Some(bundle) = &layout.ca_bundle {
            for name in [
                "NODE_EXTRA_CA_CERTS",
                "SSL_CERT_FILE",
                "REQUESTS_CA_BUNDLE",
                "AWS_CA_BUNDLE",
                "CURL_CA_BUNDLE",
            ] {
                all.push((name, bundle.display().to_string()));
            }
        }
        match self.interpreter.kind {
            Kind::Node => {
                let version = &self.interpreter.version;
                let libs = layout.node_libs.display();
                let runtime = layout.runtime.display();
                all.push(("NODE_PATH", format!(
                    "{opt}/nodejs/node{version}/node_modules:{opt}/nodejs/node_modules:{libs}:{runtime}:{task}"
                )));
            }
            Kind::Python => {
                // The client puts these behind the code and before the libraries of the runtime.
                let version = &self.interpreter.version;
                all.push((
                    "PYTHONPATH",
                    format!("{opt}/python/lib/python{version}/site-packages:{opt}/python"),
                ));
                all.push(("PYTHONUNBUFFERED", "1".to_owned()));
                all.push(("PYTHONDONTWRITEBYTECODE", "1".to_owned()));
                all.push(("UNDERCAST_PYTHON_LIBS", layout.python_libs.display().to_string()));
            }
            Kind::Provided => {}
        }
        all
    }

    fn reserved(&self) -> Vec<(&'static str, String)> {
        let (function, layout) = (self.function, self.layout);
        let mut all = vec![
            ("AWS_LAMBDA_RUNTIME_API", self.api.clone()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", function.version.clone()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", function.log_group.clone()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", self.log_stream.to_owned()),
            ("AWS_REGION", function.region.clone()),
            ("AWS_DEFAULT_REGION", function.region.clone()),
            ("LAMBDA_TASK_ROOT", layout.task.display().to_string()),
            ("LAMBDA_RUNTIME_DIR", layout.runtime.display().to_string()),
            ("_HANDLER", function.handler.clone()),
            ("AWS_ACCESS_KEY_ID", self.credentials.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.credentials.secret_key.clone()),
        ];
        if !self.credentials.session_token.is_empty() {
            all.push(("AWS_SESSION_TOKEN", self.credentials.session_token.clone()));
        }
        if self.interpreter.kind != Kind::Provided {
            all.push(("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", function.runtime)));
        }
        let format = if function.json_logs { "JSON" } else { "Text" };
        all.push(("AWS_LAMBDA_LOG_FORMAT", format.to_owned()));
        if let Some(level) = function.application_log_level.as_ref().filter(|_| function.json_logs)
        {
            all.push(("AWS_LAMBDA_LOG_LEVEL", level.clone()));
        }
        all
    }
}
