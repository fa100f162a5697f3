//! Templates in JSON and YAML, parsed and checked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use undercast_cloudformation::template::Template;

fuzz_target!(|text: &str| {
    let _ = Template::parse(text);
});
