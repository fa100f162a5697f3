//! Running a function as a process.
//!
//! This crate owns: the Lambda Runtime API endpoint of every instance, the managed runtime clients (Node.js,
//! Python), pools of warm instances, isolation, log capture, time-outs and exits, unpacking of code archives, and
//! the small DNS stub that leads `*.amazonaws.com` to us. It does not own: what a function *is* (configuration,
//! versions, permissions: the `lambda` service), where logs are kept (`logs`), or who may call.
//!
//! It depends on no other crate of the workspace, and it is the one place where real time is right: processes
//! live in it ([`clock`] is where it is read).
//!
//! Read first: [`function`] (the contract), `pool.rs` (who runs where), `instance.rs` (the states of one process).

pub mod answer;
mod capture;
mod client;
mod clock;
pub mod dns;
mod environment;
mod error;
mod event;
mod extensions;
mod freezer;
pub mod function;
mod http1;
mod instance;
mod isolation;
pub mod launcher;
mod limits;
mod memory;
mod network;
mod options;
mod pool;
mod process;
mod report;
mod runtime_api;
mod runtimes;
pub mod unpack;

pub use answer::{Answer, AnswerBody, AnswerStatus, ResponseStream, StreamEnd, StreamError};
pub use error::Error;
pub use function::{Credentials, Ends, Function, Host, Invocation, LogLine};
pub use isolation::{Isolation, IsolationChoice, IsolationLevel, MemoryLimit};
pub use launcher::launcher_main;
pub use options::{Background, Endpoint, Network, Options, RuntimeLibs};
pub use pool::{InstanceInfo, InstanceState, Sandbox};
pub use unpack::{UnpackError, UnpackLimits, UnpackReport, unpack};
