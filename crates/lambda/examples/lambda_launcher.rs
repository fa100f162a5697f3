//! The launcher by itself, for the tests of this crate; `undercast` carries it inside.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next() {
        Some(first) if first == undercast_sandbox::launcher::ARGUMENT => {
            undercast_sandbox::launcher_main(arguments)
        }
        _ => ExitCode::from(2),
    }
}
