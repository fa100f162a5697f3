//! Files that instances need beside the code: the managed runtime clients, and an `/etc` of their own. Written once
//! per sandbox into the working area, mounted read only.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::options::Options;

const NODE: &str = include_str!("client/node.cjs");
const NODE_ERRORS: &str = include_str!("client/node_errors.cjs");
const NODE_STREAMS: &str = include_str!("client/node_streams.cjs");
const NODE_LOGS: &str = include_str!("client/node_logs.cjs");
const PYTHON: &str = include_str!("client/python.py");

/// Where the prepared files are.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeFiles {
    /// Becomes `/var/runtime`.
    pub(crate) runtime: PathBuf,
    /// Becomes `/etc`.
    pub(crate) etc: PathBuf,
    /// Parts of the host's `/etc` that are mounted into ours, if they exist.
    pub(crate) etc_binds: Vec<&'static str>,
    /// Our copy of the bundle of authorities: every user of an instance may read it.
    pub(crate) ca_bundle: Option<PathBuf>,
    /// An empty directory that becomes the root of instances.
    pub(crate) root: PathBuf,
}

const ETC_FILES: [&str; 8] = [
    "ld.so.cache",
    "ld.so.conf",
    "services",
    "protocols",
    "localtime",
    "mime.types",
    "os-release",
    "gai.conf",
];
const ETC_DIRS: [&str; 5] = ["ssl", "pki", "ca-certificates", "alternatives", "ld.so.conf.d"];

impl RuntimeFiles {
    pub(crate) fn prepare(options: &Options) -> Result<Self, Error> {
        fs::create_dir_all(&options.dir).map_err(Error::io("sandbox directory"))?;
        let dir = fs::canonicalize(&options.dir).map_err(Error::io("sandbox directory"))?;
        let (runtime, etc, root) = (dir.join("runtime"), dir.join("etc"), dir.join("root"));
        for part in [&runtime, &etc, &root, &runtime.join("node_modules"), &runtime.join("python")]
        {
            fs::create_dir_all(part).map_err(Error::io("sandbox directory"))?;
            readable(part, 0o755);
        }
        let clients = [
            ("index.cjs", NODE),
            ("errors.cjs", NODE_ERRORS),
            ("streams.cjs", NODE_STREAMS),
            ("logs.cjs", NODE_LOGS),
            ("bootstrap.py", PYTHON),
        ];
        for (name, text) in clients {
            write(&runtime.join(name), text.as_bytes())?;
        }
        let etc_binds = prepare_etc(&etc, options)?;
        let ca_bundle = match &options.endpoint.ca_bundle {
            Some(from) => {
                let bytes = fs::read(from).map_err(Error::io("bundle of authorities"))?;
                let to = dir.join("ca-bundle.pem");
                write(&to, &bytes)?;
                Some(to)
            }
            None => None,
        };
        Ok(Self { runtime, etc, etc_binds, ca_bundle, root })
    }
}

fn prepare_etc(etc: &Path, options: &Options) -> Result<Vec<&'static str>, Error> {
    for name in ETC_FILES {
        if let Ok(bytes) = fs::read(Path::new("/etc").join(name)) {
            write(&etc.join(name), &bytes)?;
        }
    }
    let mut binds = Vec::new();
    for name in ETC_DIRS {
        if Path::new("/etc").join(name).is_dir() {
            fs::create_dir_all(etc.join(name)).map_err(Error::io("sandbox /etc"))?;
            binds.push(name);
        }
    }
    write(&etc.join("hosts"), b"127.0.0.1\tlocalhost\n::1\tlocalhost\n")?;
    write(&etc.join("nsswitch.conf"), b"passwd: files\ngroup: files\nhosts: files dns\n")?;
    let resolver = match options.endpoint.dns {
        Some(address) => {
            format!("nameserver {address}\noptions timeout:2 attempts:2\n").into_bytes()
        }
        None => fs::read("/etc/resolv.conf").unwrap_or_default(),
    };
    write(&etc.join("resolv.conf"), &resolver)?;
    write(&etc.join("passwd"), users_text(993).as_bytes())?;
    write(&etc.join("group"), b"root:x:0:\nsbx_user1051:x:990:\n")?;
    Ok(binds)
}

/// The user of an instance has a name and a home, as runtimes want to know them.
fn users_text(uid: u32) -> String {
    format!(
        "root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:{uid}:990::/home/sbx_user1051:/sbin/nologin\n"
    )
}

impl RuntimeFiles {
    /// The `/etc/passwd` of an instance that runs as `uid`.
    pub(crate) fn users(&self, uid: u32) -> Result<PathBuf, Error> {
        let folder = self.etc.with_file_name("users");
        fs::create_dir_all(&folder).map_err(Error::io("sandbox files"))?;
        let path = folder.join(uid.to_string());
        if !path.exists() {
            write(&path, users_text(uid).as_bytes())?;
        }
        Ok(path)
    }
}

/// Written beside and renamed: instances of another process may read it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let beside = path.with_extension(format!("new{}", std::process::id()));
    fs::write(&beside, bytes).map_err(Error::io("sandbox files"))?;
    readable(&beside, 0o644);
    fs::rename(&beside, path).map_err(Error::io("sandbox files"))
}

#[cfg(unix)]
fn readable(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
}
