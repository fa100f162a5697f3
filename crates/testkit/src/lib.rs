//! Services in a simulated world: one thread, a clock that jumps, a disk that forgets what was not
//! synced and fails when it is told to. The same seed gives the same run.
//!
//! [`Disk`] outlives the process that is killed; [`Cloud`] is that process: a kernel with services and
//! a task runner over the disk.

mod cloud;
mod disk;

pub use cloud::Cloud;
pub use disk::{Disk, Faults};
