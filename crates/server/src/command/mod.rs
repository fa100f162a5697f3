//! One file for each subcommand: its arguments and what it does.

pub(crate) mod dark;
pub(crate) mod deploy;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod invoke;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod release;
pub(crate) mod reset;
pub(crate) mod restore;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod up;
