//! From the name of a runtime to the interpreter on this machine.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::error::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Node,
    Python,
    Provided,
}

/// What runs the code.
#[derive(Debug, Clone)]
pub(crate) struct Interpreter {
    pub(crate) kind: Kind,
    /// Empty for `provided`.
    pub(crate) program: PathBuf,
    /// Directories beside the system's that it needs.
    pub(crate) prefixes: Vec<PathBuf>,
    /// Major version of Node.js, `major.minor` of Python: as they are, not as they were asked for.
    pub(crate) version: String,
}

/// Finds interpreters once and remembers them.
pub(crate) struct Runtimes {
    search_path: String,
    found: Mutex<HashMap<String, Arc<Interpreter>>>,
}

impl Runtimes {
    pub(crate) fn new(search_path: Option<String>) -> Self {
        let search_path = search_path.unwrap_or_else(own_path);
        Self { search_path, found: Mutex::default() }
    }

    pub(crate) async fn find(&self, runtime: &str) -> Result<Arc<Interpreter>, Error> {
        let mut found = self.found.lock().await;
        if let Some(interpreter) = found.get(runtime) {
            return Ok(Arc::clone(interpreter));
        }
        let interpreter = self
            .look(runtime)
            .await
            .map_err(|reason| Error::RuntimeUnavailable { runtime: runtime.to_owned(), reason })?;
        let interpreter = Arc::new(interpreter);
        found.insert(runtime.to_owned(), Arc::clone(&interpreter));
        Ok(interpreter)
    }

    async fn look(&self, runtime: &str) -> Result<Interpreter, String> {
        if runtime == "provided" || runtime.starts_with("provided.") {
            let (program, prefixes, version) = (PathBuf::new(), Vec::new(), String::new());
            return Ok(Interpreter { kind: Kind::Provided, program, prefixes, version });
        }
        if let Some(version) = runtime.strip_prefix("nodejs")
            && version.trim_end_matches(".x").chars().all(|c| c.is_ascii_digit() || c == '.')
        {
            return self.node().await;
        }
        if let Some(version) = runtime.strip_prefix("python3.")
            && !version.is_empty()
            && version.chars().all(|c| c.is_ascii_digit())
        {
            return self.python(version).await;
        }
        Err("only nodejs*, python3.* and provided* run here; package other languages as provided.al2023".to_owned())
    }

    async fn node(&self) -> Result<Interpreter, String> {
        let script =
            "console.log(process.execPath);console.log(process.versions.node.split('.')[0])";
        for program in self.on_path("node") {
            let Some(lines) = ask(&program, &["-e", script], 2).await else {
                continue;
            };
            let [path, version] = lines.as_slice() else {
                continue;
            };
            let program = PathBuf::from(path);
            let prefix = program.parent().and_then(Path::parent).map(Path::to_path_buf);
            let prefixes = prefix.into_iter().collect();
            return Ok(Interpreter {
                kind: Kind::Node,
                program,
                prefixes,
                version: version.clone(),
            });
        }
        Err("no node on the path".to_owned())
    }

    /// The exact version if it is there, else any Python 3.
    async fn python(&self, minor: &str) -> Result<Interpreter, String> {
        let exact = format!("python3.{minor}");
        let mut candidates = self.on_path(&exact);
        candidates.extend(self.version_managers(&exact));
        candidates.extend(self.on_path("python3"));
        let script = "import sys\nprint(sys.executable)\nprint(sys.prefix)\nprint(sys.base_prefix)\n\
                      print('%d.%d' % sys.version_info[:2])";
        for program in candidates {
            let Some(lines) = ask(&program, &["-c", script], 4).await else {
                continue;
            };
            let [path, prefix, base, version] = lines.as_slice() else {
                continue;
            };
            let mut prefixes = vec![PathBuf::from(base)];
            if prefix != base {
                prefixes.push(PathBuf::from(prefix));
            }
            let (program, version) = (PathBuf::from(path), version.clone());
            return Ok(Interpreter { kind: Kind::Python, program, prefixes, version });
        }
        Err("no python3 on the path".to_owned())
    }

    fn on_path(&self, name: &str) -> Vec<PathBuf> {
        std::env::split_paths(&self.search_path)
            .map(|dir| dir.join(name))
            .filter(|path| path.is_file())
            .collect()
    }

    /// Versions that a manager has installed beside the one that its shims select.
    fn version_managers(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for dir in std::env::split_paths(&self.search_path) {
            let Some(versions) = dir.parent().map(|parent| parent.join("versions")) else {
                continue;
            };
            let Ok(entries) = std::fs::read_dir(versions) else {
                continue;
            };
            found.extend(
                entries
                    .flatten()
                    .map(|entry| entry.path().join("bin").join(name))
                    .filter(|p| p.is_file()),
            );
        }
        found.sort();
        found.reverse();
        found
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where interpreters are is a fact of the host, unless configured"
)]
fn own_path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned())
}

async fn ask(program: &Path, arguments: &[&str], lines: usize) -> Option<Vec<String>> {
    let work = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = crate::clock::within(std::time::Duration::from_secs(10), work).await?.ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    let answer: Vec<String> = text.lines().map(str::to_owned).collect();
    (answer.len() == lines).then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unknown_runtimes_are_refused_by_name() {
        let runtimes = Runtimes::new(Some(String::new()));
        let error = runtimes.find("ruby3.3").await.unwrap_err().to_string();
        assert!(error.contains("ruby3.3"), "{error}");
        assert!(runtimes.find("nodejs20.x").await.unwrap_err().to_string().contains("no node"));
        assert_eq!(runtimes.find("provided.al2").await.unwrap().kind, Kind::Provided);
        assert!(runtimes.find("provided-x").await.is_err());
    }
}
