//! Templates in JSON and YAML: parsed, transformed, checked and resolved.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use undercast_cloudformation::template::intrinsics::{conditions, resolve};
use undercast_cloudformation::template::parameters::{check, typed};
use undercast_cloudformation::template::{Lookup, Pseudo, Scope, Template, yaml};
use undercast_cloudformation::transform;

fuzz_target!(|text: &str| {
    if let Ok(document) = yaml::parse(text)
        && transform::wanted(&document)
    {
        let values = Template::declared(&document)
            .and_then(|template| check(&template, &BTreeMap::new(), &BTreeMap::new()));
        let made = transform::run(&document, &values.unwrap_or_default());
        let _ = made.map(|made| Template::from_document(&made));
    }
    let Ok(template) = Template::parse(text) else {
        return;
    };
    let values = check(&template, &BTreeMap::new(), &BTreeMap::new()).unwrap_or_default();
    let kinds = &template.parameters;
    let parameters = values.iter().map(|(name, value)| {
        let kind = kinds.get(name).map_or("String", |parameter| parameter.kind.as_str());
        (name.clone(), typed(kind, value))
    });
    let parameters: BTreeMap<_, _> = parameters.collect();
    let none = BTreeMap::new();
    let scope = Scope {
        parameters: &parameters,
        conditions: &none,
        mappings: &template.mappings,
        pseudo: &Pseudo::default(),
        exports: &BTreeMap::new(),
        resource: &|name, _| match name.len() % 2 {
            0 => Lookup::Later,
            _ => Lookup::Known(name.into()),
        },
    };
    let known = conditions(&template.conditions, &scope).unwrap_or_default();
    let scope = Scope { conditions: &known, ..scope };
    for resource in &template.resources {
        let _ = resolve(&resource.properties, &scope);
    }
    for output in &template.outputs {
        let _ = resolve(&output.value, &scope);
    }
});
