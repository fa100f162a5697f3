//! A PostgreSQL server of our own, with fsync on, as an unprivileged user, gone with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::NoTls;

pub struct Server {
    dir: TempDir,
    child: Child,
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> =
        versions.flatten().map(|version| version.path().join("bin")).collect();
    found.retain(|bin| bin.join("initdb").exists());
    found.sort();
    found.pop()
}

/// The server refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0\n")
}

impl Server {
    /// None, with a message, where PostgreSQL is not installed.
    pub async fn start() -> Option<Server> {
        let Some(bin) = programs() else {
            eprintln!("SKIPPED: there is no initdb under /usr/lib/postgresql");
            return None;
        };
        let dir = TempDir::new().unwrap();
        if is_root() {
            assert!(
                Command::new("chown")
                    .arg("nobody:nogroup")
                    .arg(dir.path())
                    .status()
                    .unwrap()
                    .success()
            );
        }
        let data = dir.path().join("data");
        let made = unprivileged(&bin.join("initdb"))
            .args([
                "--auth=trust",
                "--username=undercast",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let child = unprivileged(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=on",
                "-c",
                "shared_buffers=32MB",
                "-c",
                "max_connections=200",
            ])
            .arg("-k")
            .arg(dir.path())
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { dir, child };
        for _ in 0..300 {
            if tokio_postgres::connect(&server.url("postgres"), NoTls).await.is_ok() {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server did not start");
    }

    pub fn url(&self, database: &str) -> String {
        format!("host={} user=undercast dbname={database}", self.dir.path().display())
    }

    pub fn blobs(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join("blobs").join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub async fn client(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
        tokio::spawn(async move {
            let _ = connection.await;
        });
        client
    }

    pub async fn create(&self, database: &str) {
        self.client("postgres")
            .await
            .batch_execute(&format!("create database {database}"))
            .await
            .unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once, without a word to its clients.
        let _ = Command::new("kill").arg("-QUIT").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
