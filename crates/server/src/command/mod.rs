//! One file for each subcommand: its arguments and what it does.

pub(crate) mod dark;
pub(crate) mod deploy;
pub(crate) mod invoke;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod release;
pub(crate) mod reset;
pub(crate) mod status;
pub(crate) mod up;
