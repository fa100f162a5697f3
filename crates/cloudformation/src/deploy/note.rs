//! What the event of a finished resource says beside its status: what of the template has no effect.

use undercast_kernel::ResourceType;
use undercast_smithy::Document;

use super::resource::Wanted;
use crate::{inert, waits};

pub(super) fn note(wanted: &Wanted, of: &dyn ResourceType) -> Option<String> {
    if inert::find(&wanted.kind).is_some() {
        return Some(inert::NOTE.to_owned());
    }
    let properties = wanted.properties.as_object();
    let has = |name: &&&str| properties.is_some_and(|properties| properties.contains_key(**name));
    let mut names: Vec<&str> = of.inert_properties().iter().filter(has).copied().collect();
    let is_there = |policy: Option<&Document>| policy.is_some_and(|policy| !policy.is_null());
    if is_there(wanted.creation_policy.as_ref()) && wanted.kind != waits::CONDITION {
        names.push("CreationPolicy");
    }
    if wanted.update_policy.is_some() && wanted.kind != "AWS::Lambda::Alias" {
        names.push("UpdatePolicy");
    }
    (!names.is_empty()).then(|| format!("Without effect here: {}", names.join(", ")))
}
