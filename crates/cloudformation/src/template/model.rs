//! A template's sections, checked as far as that needs no parameters.

use std::collections::{BTreeMap, BTreeSet};

use undercast_smithy::Document;

use super::{Error, yaml};

const SECTIONS: &[&str] = &[
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
    "Globals",
];
const RESOURCE_KEYS: &[&str] = &[
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "UpdatePolicy",
    "CreationPolicy",
    "Description",
];
const RESOURCES_MAX: usize = 500;
const PARAMETERS_MAX: usize = 200;
const OUTPUTS_MAX: usize = 200;

#[derive(Debug, Clone)]
pub struct Template {
    pub description: Option<String>,
    pub parameters: BTreeMap<String, ParameterDefinition>,
    pub mappings: Document,
    pub conditions: serde_json::Map<String, Document>,
    pub rules: serde_json::Map<String, Document>,
    /// In the order of the template.
    pub resources: Vec<ResourceDefinition>,
    pub outputs: Vec<OutputDefinition>,
    pub transforms: Vec<String>,
    pub metadata: Option<Document>,
}

#[derive(Debug, Clone)]
pub struct ParameterDefinition {
    pub kind: String,
    pub default: Option<Document>,
    pub no_echo: bool,
    pub description: Option<String>,
    pub allowed_values: Vec<String>,
    pub allowed_pattern: Option<String>,
    pub constraint_description: Option<String>,
    pub min_length: Option<i64>,
    pub max_length: Option<i64>,
    pub min_value: Option<f64>,
    pub max_value: Option<f64>,
}

#[derive(Debug, Clone)]
pub struct ResourceDefinition {
    pub logical_id: String,
    pub kind: String,
    pub properties: Document,
    pub depends_on: Vec<String>,
    pub condition: Option<String>,
    pub deletion_policy: Document,
    pub update_replace_policy: Document,
    pub metadata: Option<Document>,
    pub update_policy: Option<Document>,
    pub creation_policy: Option<Document>,
}

#[derive(Debug, Clone)]
pub struct OutputDefinition {
    pub key: String,
    pub value: Document,
    pub description: Option<String>,
    pub export: Option<Document>,
    pub condition: Option<String>,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::from_document(&yaml::parse(text)?)
    }

    pub fn from_document(document: &Document) -> Result<Self, Error> {
        let root = document.as_object().ok_or_else(|| Error::format("unsupported structure."))?;
        let unknown: Vec<&str> =
            root.keys().map(String::as_str).filter(|k| !SECTIONS.contains(k)).collect();
        if !unknown.is_empty() {
            return Err(Error(format!(
                "Invalid template property or properties [{}]",
                unknown.join(", ")
            )));
        }
        let transforms = match root.get("Transform") {
            None => Vec::new(),
            Some(Document::String(name)) => vec![name.clone()],
            Some(Document::Array(names)) => names
                .iter()
                .map(|n| n.as_str().map_or_else(|| n.to_string(), str::to_owned))
                .collect(),
            Some(other) => vec![other.to_string()],
        };
        let template = Self {
            description: root.get("Description").and_then(Document::as_str).map(str::to_owned),
            parameters: parameters(root.get("Parameters"))?,
            mappings: root.get("Mappings").cloned().unwrap_or_default(),
            conditions: section(root.get("Conditions"), "Conditions")?,
            rules: section(root.get("Rules"), "Rules")?,
            resources: resources(root.get("Resources"))?,
            outputs: outputs(root.get("Outputs"))?,
            transforms,
            metadata: root.get("Metadata").cloned(),
        };
        template.check_references()?;
        Ok(template)
    }

    /// What a template declares before its transforms are run: nothing is checked that they may change.
    pub fn declared(document: &Document) -> Result<Self, Error> {
        let mut root = document.as_object().cloned().unwrap_or_default();
        for section in ["Conditions", "Outputs", "Rules"] {
            root.shift_remove(section);
        }
        let mut plain = serde_json::Map::new();
        for (name, resource) in section(root.get("Resources"), "Resources")? {
            let kind = resource.get("Type").filter(|kind| kind.is_string()).cloned();
            let Some(kind) = kind.filter(|_| is_logical_id(&name)) else {
                continue;
            };
            let properties = resource.get("Properties").filter(|p| p.is_object()).cloned();
            // An empty template is told so after its transforms.
            let mut kept = serde_json::json!({"Type": kind});
            if let (Some(properties), Document::Object(kept)) = (properties, &mut kept) {
                kept.insert("Properties".to_owned(), properties);
            }
            plain.insert(name, kept);
        }
        let resources = match plain.is_empty() {
            true => Vec::new(),
            false => resources(Some(&Document::Object(plain)))?,
        };
        let keep = ["Description", "Parameters", "Metadata", "Transform"];
        root.retain(|name, _| keep.contains(&name.as_str()) || !SECTIONS.contains(&name.as_str()));
        let nothing =
            serde_json::json!({"Undercast": {"Type": "AWS::CloudFormation::WaitConditionHandle"}});
        root.insert("Resources".to_owned(), nothing);
        Ok(Self { resources, ..Self::from_document(&Document::Object(root))? })
    }

    pub fn resource(&self, logical_id: &str) -> Option<&ResourceDefinition> {
        self.resources.iter().find(|r| r.logical_id == logical_id)
    }

    /// Everything that is named somewhere has to exist.
    fn check_references(&self) -> Result<(), Error> {
        let mut unresolved = BTreeSet::new();
        for resource in &self.resources {
            for name in references(&resource.properties)? {
                if !self.knows(&name) {
                    unresolved.insert(name);
                }
            }
            for name in &resource.depends_on {
                if self.resource(name).is_none() {
                    unresolved.insert(name.clone());
                }
            }
            self.check_condition(resource.condition.as_ref())?;
        }
        if !unresolved.is_empty() {
            let names: Vec<_> = unresolved.into_iter().collect();
            return Err(Error::format(format!(
                "Unresolved resource dependencies [{}] in the Resources block of the template",
                names.join(", ")
            )));
        }
        for output in &self.outputs {
            for name in references(&output.value)? {
                if !self.knows(&name) {
                    return Err(Error::format(format!(
                        "Unresolved resource dependencies [{name}] in the Outputs block of the template"
                    )));
                }
            }
            self.check_condition(output.condition.as_ref())?;
        }
        Ok(())
    }

    fn check_condition(&self, condition: Option<&String>) -> Result<(), Error> {
        match condition.filter(|name| !self.conditions.contains_key(*name)) {
            Some(name) => Err(Error::format(format!(
                "Unresolved dependencies [{name}]. Cannot reference resources in the Conditions block of the template"
            ))),
            None => Ok(()),
        }
    }

    fn knows(&self, name: &str) -> bool {
        name.starts_with("AWS::")
            || self.parameters.contains_key(name)
            || self.resource(name).is_some()
    }
}

/// The names that `Ref`, `Fn::GetAtt` and `Fn::Sub` mention, wherever they stand.
pub fn references(value: &Document) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    collect(value, &mut names)?;
    Ok(names)
}

fn collect(value: &Document, names: &mut BTreeSet<String>) -> Result<(), Error> {
    match value {
        Document::Array(values) => values.iter().try_for_each(|v| collect(v, names)),
        Document::Object(entries) => {
            if entries.len() == 1
                && let Some((function, argument)) = entries.iter().next()
                && collect_call(function, argument, names)?
            {
                return Ok(());
            }
            entries.values().try_for_each(|v| collect(v, names))
        }
        _ => Ok(()),
    }
}

/// Whether `function` is one of those that name something, its names collected.
fn collect_call(
    function: &str,
    argument: &Document,
    names: &mut BTreeSet<String>,
) -> Result<bool, Error> {
    match (function, argument) {
        ("Ref", Document::String(name)) => {
            names.insert(name.clone());
        }
        ("Fn::GetAtt", Document::Array(parts)) => {
            names.extend(parts.first().and_then(Document::as_str).map(str::to_owned));
            parts.iter().skip(1).try_for_each(|part| collect(part, names))?;
        }
        ("Fn::GetAtt", Document::String(text)) => {
            names.extend(text.split('.').next().map(str::to_owned));
        }
        ("Fn::Sub", Document::String(text)) => collect_sub(text, None, names)?,
        ("Fn::Sub", Document::Array(parts)) => {
            let variables = parts.get(1).and_then(Document::as_object);
            if let Some(text) = parts.first().and_then(Document::as_str) {
                collect_sub(text, variables, names)?;
            }
            variables.into_iter().flat_map(|v| v.values()).try_for_each(|v| collect(v, names))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn collect_sub(
    text: &str,
    variables: Option<&serde_json::Map<String, Document>>,
    names: &mut BTreeSet<String>,
) -> Result<(), Error> {
    for part in super::intrinsics::sub_parts(text)? {
        if let super::intrinsics::SubPart::Name(name) = part {
            let own = variables.is_some_and(|v| v.contains_key(name));
            if !own {
                names.extend(name.split('.').next().map(str::to_owned));
            }
        }
    }
    Ok(())
}

fn section(
    value: Option<&Document>,
    name: &str,
) -> Result<serde_json::Map<String, Document>, Error> {
    match value {
        None | Some(Document::Null) => Ok(serde_json::Map::new()),
        Some(Document::Object(entries)) => Ok(entries.clone()),
        Some(_) => Err(Error::format(format!("{name} must be a map."))),
    }
}

fn is_logical_id(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn parameters(value: Option<&Document>) -> Result<BTreeMap<String, ParameterDefinition>, Error> {
    let entries = section(value, "Parameters")?;
    if entries.len() > PARAMETERS_MAX {
        return Err(Error::format(format!(
            "Number of parameters, {}, is greater than maximum allowed, {PARAMETERS_MAX}",
            entries.len()
        )));
    }
    let mut parameters = BTreeMap::new();
    for (name, body) in entries {
        if !is_logical_id(&name) {
            return Err(Error::format(format!("Parameter name {name} is non alphanumeric.")));
        }
        let kind = body.get("Type").and_then(Document::as_str).ok_or_else(|| {
            Error::format(format!("Every Parameters object must contain a Type member: {name}"))
        })?;
        let number = |key: &str| {
            let value = body.get(key)?;
            value.as_f64().or_else(|| value.as_str()?.parse().ok())
        };
        let allowed = body.get("AllowedValues").and_then(Document::as_array);
        let text = |key: &str| body.get(key).and_then(Document::as_str).map(str::to_owned);
        let definition = ParameterDefinition {
            kind: kind.to_owned(),
            default: body.get("Default").cloned(),
            no_echo: body.get("NoEcho").is_some_and(is_true),
            description: text("Description"),
            allowed_values: allowed.into_iter().flatten().map(plain).collect(),
            allowed_pattern: text("AllowedPattern"),
            constraint_description: text("ConstraintDescription"),
            min_length: number("MinLength").map(|n| n as i64),
            max_length: number("MaxLength").map(|n| n as i64),
            min_value: number("MinValue"),
            max_value: number("MaxValue"),
        };
        parameters.insert(name, definition);
    }
    Ok(parameters)
}

fn is_true(value: &Document) -> bool {
    value.as_bool().unwrap_or(false)
        || value.as_str().is_some_and(|t| t.eq_ignore_ascii_case("true"))
}

/// A scalar as text; anything else as JSON.
pub fn plain(value: &Document) -> String {
    match value {
        Document::String(text) => text.clone(),
        Document::Null => String::new(),
        other => other.to_string(),
    }
}

fn resources(value: Option<&Document>) -> Result<Vec<ResourceDefinition>, Error> {
    let entries = section(value, "Resources")?;
    if entries.is_empty() {
        return Err(Error::format("At least one Resources member must be defined."));
    }
    if entries.len() > RESOURCES_MAX {
        return Err(Error::format(format!(
            "Number of resources, {}, is greater than maximum allowed, {RESOURCES_MAX}",
            entries.len()
        )));
    }
    entries.iter().map(|(name, body)| resource(name, body)).collect()
}

fn resource(name: &str, body: &Document) -> Result<ResourceDefinition, Error> {
    if !is_logical_id(name) {
        return Err(Error::format(format!("Resource name {name} is non alphanumeric.")));
    }
    let object = body
        .as_object()
        .ok_or_else(|| Error::format("[/Resources] 'null' values are not allowed in templates"))?;
    if let Some(key) = object.keys().find(|k| !RESOURCE_KEYS.contains(&k.as_str())) {
        return Err(Error(format!("Invalid template resource property '{key}'")));
    }
    let kind = object.get("Type").and_then(Document::as_str).ok_or_else(|| {
        Error::format(format!(
            "[/Resources/{name}] Every Resources object must contain a Type member."
        ))
    })?;
    let depends_on = match object.get("DependsOn") {
        None | Some(Document::Null) => Vec::new(),
        Some(Document::String(name)) => vec![name.clone()],
        Some(Document::Array(names)) => names.iter().map(plain).collect(),
        Some(_) => {
            return Err(Error::format(format!(
                "DependsOn of {name} must be a string or a list of strings."
            )));
        }
    };
    if let Some(properties) = object.get("Properties").filter(|p| !p.is_object() && !p.is_null()) {
        return Err(Error::format(format!(
            "[/Resources/{name}] Properties must be a map, found {properties}"
        )));
    }
    Ok(ResourceDefinition {
        logical_id: name.to_owned(),
        kind: kind.to_owned(),
        properties: object
            .get("Properties")
            .filter(|p| p.is_object())
            .cloned()
            .unwrap_or_else(|| Document::Object(serde_json::Map::new())),
        depends_on,
        condition: object.get("Condition").and_then(Document::as_str).map(str::to_owned),
        deletion_policy: object.get("DeletionPolicy").cloned().unwrap_or_default(),
        update_replace_policy: object.get("UpdateReplacePolicy").cloned().unwrap_or_default(),
        metadata: object.get("Metadata").cloned(),
        update_policy: object.get("UpdatePolicy").cloned(),
        creation_policy: object.get("CreationPolicy").cloned(),
    })
}

fn outputs(value: Option<&Document>) -> Result<Vec<OutputDefinition>, Error> {
    let entries = section(value, "Outputs")?;
    if entries.len() > OUTPUTS_MAX {
        return Err(Error::format(format!(
            "Number of outputs, {}, is greater than maximum allowed, {OUTPUTS_MAX}",
            entries.len()
        )));
    }
    let read = |(key, body): (&String, &Document)| {
        let value = body.get("Value").filter(|v| !v.is_null()).cloned();
        Ok(OutputDefinition {
            key: key.clone(),
            value: value.ok_or_else(|| {
                Error::format(format!("Every Outputs member must contain a Value object: {key}"))
            })?,
            description: body.get("Description").and_then(Document::as_str).map(str::to_owned),
            export: body.get("Export").and_then(|e| e.get("Name")).cloned(),
            condition: body.get("Condition").and_then(Document::as_str).map(str::to_owned),
        })
    };
    entries.iter().map(read).collect()
}
