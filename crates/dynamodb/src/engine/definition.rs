//! From the parameters that define tables and indexes to rows, with AWS's checks.

use std::collections::BTreeSet;

use undercast_kernel::{Context, ServiceError};
use undercast_store::Tx;

use crate::api::dynamodb::shapes::{
    AttributeDefinition, CreateTableInput, GlobalSecondaryIndex, KeySchemaElement,
    LocalSecondaryIndex, OnDemandThroughput, Projection, ProvisionedThroughput, SSESpecification,
    StreamSpecification, Tag,
};
use crate::error::{invalid, parameter};
use crate::limits::{GSIS_MAX, LSIS_MAX, TAGS_MAX};
use crate::store::{BillingRow, IndexRow, SseRow, StreamRow, TableRow, UnitsRow};

pub(crate) fn units(throughput: &ProvisionedThroughput) -> UnitsRow {
    UnitsRow { read: throughput.read_capacity_units, write: throughput.write_capacity_units }
}

pub(crate) fn limits(throughput: &OnDemandThroughput) -> UnitsRow {
    UnitsRow {
        read: throughput.max_read_request_units.unwrap_or(-1),
        write: throughput.max_write_request_units.unwrap_or(-1),
    }
}

/// Partition key and sort key.
fn keys(schema: &[KeySchemaElement]) -> Result<(String, Option<String>), ServiceError> {
    let (hash, range) = match schema {
        [hash] => (hash, None),
        [hash, range] => (hash, Some(range)),
        _ => return Err(ServiceError::unsupported("a key of more than two attributes")),
    };
    if hash.key_type != "HASH" {
        return Err(invalid(
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ));
    }
    if let Some(range) = range {
        if range.attribute_name == hash.attribute_name {
            return Err(invalid(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        if range.key_type != "RANGE" {
            return Err(invalid(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ));
        }
    }
    let range = range.map(|range| range.attribute_name.clone());
    Ok((hash.attribute_name.clone(), range))
}

/// Type and further attributes.
fn projection(projection: &Projection) -> Result<(String, Vec<String>), ServiceError> {
    let kind = projection
        .projection_type
        .clone()
        .ok_or_else(|| parameter("Unknown ProjectionType: null"))?;
    let include = projection.non_key_attributes.clone().unwrap_or_default();
    match (kind.as_str(), include.is_empty()) {
        ("INCLUDE", true) => {
            Err(parameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"))
        }
        ("ALL" | "KEYS_ONLY", false) => {
            Err(parameter(format!("ProjectionType is {kind}, but NonKeyAttributes is specified")))
        }
        _ => Ok((kind, include)),
    }
}

pub(crate) fn global_index(
    tx: &Tx,
    index: &GlobalSecondaryIndex,
    on_demand: bool,
) -> Result<IndexRow, ServiceError> {
    let (hash, range) = keys(&index.key_schema)?;
    let (projection, include) = projection(&index.projection)?;
    let name = index.index_name.clone();
    match (&index.provisioned_throughput, on_demand) {
        (Some(_), true) => {
            return Err(parameter(format!(
                "ProvisionedThroughput should not be specified for index: {name} when BillingMode is PAY_PER_REQUEST"
            )));
        }
        (None, false) => {
            return Err(parameter(format!(
                "ProvisionedThroughput must be specified for index: {name}"
            )));
        }
        _ => {}
    }
    Ok(IndexRow {
        number: tx.ids().u64(),
        name,
        global: true,
        hash,
        range,
        projection,
        include,
        units: index.provisioned_throughput.as_ref().map(units).unwrap_or_default(),
        limits: index.on_demand_throughput.as_ref().map(limits),
        backfilling: false,
    })
}

fn local_index(
    tx: &Tx,
    index: &LocalSecondaryIndex,
    table_hash: &str,
) -> Result<IndexRow, ServiceError> {
    let (hash, range) = keys(&index.key_schema)?;
    let (projection, include) = projection(&index.projection)?;
    let name = index.index_name.clone();
    if hash != table_hash {
        return Err(parameter(format!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash key: {hash}, table hash key: {table_hash}"
        )));
    }
    if range.is_none() {
        return Err(parameter(format!(
            "Index KeySchema does not have a range key for index: {name}"
        )));
    }
    Ok(IndexRow {
        number: tx.ids().u64(),
        name,
        global: false,
        hash,
        range,
        projection,
        include,
        units: UnitsRow::default(),
        limits: None,
        backfilling: false,
    })
}

fn indexes(
    tx: &Tx,
    input: &CreateTableInput,
    hash: &str,
    range: Option<&str>,
    on_demand: bool,
) -> Result<Vec<IndexRow>, ServiceError> {
    let mut rows = Vec::new();
    if let Some(locals) = &input.local_secondary_indexes {
        if locals.is_empty() {
            return Err(parameter("List of LocalSecondaryIndexes is empty"));
        }
        if locals.len() > LSIS_MAX {
            return Err(parameter("Number of LocalSecondaryIndexes exceeds per-table limit of 5"));
        }
        if range.is_none() {
            return Err(parameter(
                "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
            ));
        }
        for index in locals {
            rows.push(local_index(tx, index, hash)?);
        }
    }
    if let Some(globals) = &input.global_secondary_indexes {
        if globals.is_empty() {
            return Err(parameter("List of GlobalSecondaryIndexes is empty"));
        }
        if globals.len() > GSIS_MAX {
            return Err(parameter("GlobalSecondaryIndex count exceeds the per-table limit of 20"));
        }
        for index in globals {
            rows.push(global_index(tx, index, on_demand)?);
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = rows.iter().find(|row| !names.insert(row.name.clone())) {
        return Err(parameter(format!("Duplicate index name: {}", twice.name)));
    }
    Ok(rows)
}

pub(crate) fn definitions(
    definitions: &[AttributeDefinition],
) -> Result<Vec<(String, String)>, ServiceError> {
    let mut names = BTreeSet::new();
    for definition in definitions {
        if !names.insert(&definition.attribute_name) {
            return Err(parameter(format!(
                "Cannot have two attributes with the same name: {}",
                definition.attribute_name
            )));
        }
    }
    let pair = |d: &AttributeDefinition| (d.attribute_name.clone(), d.attribute_type.clone());
    Ok(definitions.iter().map(pair).collect())
}

/// Every key is defined, and everything defined is a key.
pub(crate) fn check_definitions(row: &TableRow) -> Result<(), ServiceError> {
    let list = |names: &[&str]| names.join(", ");
    let defined: Vec<&str> = row.attributes.iter().map(|(name, _)| name.as_str()).collect();
    let mut keys: Vec<&str> = vec![&row.hash];
    keys.extend(row.range.as_deref());
    for index in &row.indexes {
        keys.push(&index.hash);
        keys.extend(index.range.as_deref());
    }
    let mut seen = BTreeSet::new();
    keys.retain(|key| seen.insert(*key));
    if keys.iter().any(|key| !defined.contains(key)) {
        return Err(parameter(format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
            list(&keys),
            list(&defined)
        )));
    }
    if defined.len() == keys.len() {
        return Ok(());
    }
    Err(if row.indexes.is_empty() {
        parameter(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        )
    } else {
        parameter(format!(
            "Some AttributeDefinitions are not used. AttributeDefinitions: [{}], keys used: [{}]",
            list(&defined),
            list(&keys)
        ))
    })
}

pub(crate) fn billing(
    tx: &Tx,
    mode: Option<&str>,
    throughput: Option<&ProvisionedThroughput>,
) -> Result<BillingRow, ServiceError> {
    let on_demand = mode == Some("PAY_PER_REQUEST");
    match (on_demand, throughput) {
        (true, Some(_)) => Err(parameter(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (false, None) => Err(parameter(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        _ => Ok(BillingRow {
            on_demand,
            named: on_demand,
            on_demand_since_ms: on_demand.then(|| tx.now_ms()),
            units: throughput.map(units).unwrap_or_default(),
            increased_ms: None,
            decreased_ms: None,
        }),
    }
}

pub(crate) fn stream(
    tx: &Tx,
    specification: &StreamSpecification,
) -> Result<Option<StreamRow>, ServiceError> {
    if !specification.stream_enabled {
        return Ok(None);
    }
    let view = specification
        .stream_view_type
        .clone()
        .ok_or_else(|| parameter("StreamViewType is required when StreamEnabled is true"))?;
    let label = undercast_kernel::smithy::Timestamp::from_millis(tx.now_ms()).iso8601_millis();
    let label = label.trim_end_matches('Z').to_owned();
    Ok(Some(StreamRow { enabled: true, view, label, number: tx.ids().u64() }))
}

pub(crate) fn encryption(ctx: &Context, specification: &SSESpecification) -> Option<SseRow> {
    if specification.enabled != Some(true) {
        return None;
    }
    let key = match specification.kms_master_key_id.as_deref() {
        None => ctx.arn("kms", "alias/aws/dynamodb"),
        Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
        Some(alias) if alias.starts_with("alias/") => ctx.arn("kms", alias),
        Some(id) => ctx.arn("kms", format!("key/{id}")),
    };
    Some(SseRow { kms_key_arn: key })
}

pub(crate) fn add_tags(row: &mut TableRow, tags: &[Tag]) -> Result<(), ServiceError> {
    row.tags.extend(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
    if row.tags.len() > TAGS_MAX {
        return Err(invalid("One or more parameter values were invalid: Too many tags"));
    }
    Ok(())
}

/// The row of a new table.
pub(crate) fn table(
    tx: &Tx,
    ctx: &Context,
    input: &CreateTableInput,
) -> Result<TableRow, ServiceError> {
    let null = |name: &str| {
        invalid(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    };
    let attributes = input.attribute_definitions.as_deref();
    let attributes = definitions(attributes.ok_or_else(|| null("attributeDefinitions"))?)?;
    let schema = input.key_schema.as_deref().ok_or_else(|| null("keySchema"))?;
    let (hash, range) = keys(schema)?;
    let billing =
        billing(tx, input.billing_mode.as_deref(), input.provisioned_throughput.as_ref())?;
    let indexes = indexes(tx, input, &hash, range.as_deref(), billing.on_demand)?;
    let mut row = TableRow {
        number: tx.ids().u64(),
        id: tx.ids().uuid(),
        created_ms: tx.now_ms(),
        attributes,
        hash,
        range,
        indexes,
        billing,
        stream: match &input.stream_specification {
            Some(specification) => stream(tx, specification)?,
            None => None,
        },
        sse: input.sse_specification.as_ref().and_then(|sse| encryption(ctx, sse)),
        tags: std::collections::BTreeMap::new(),
        class: input.table_class.clone(),
        class_changed_ms: None,
        protected: input.deletion_protection_enabled.unwrap_or(false),
        ttl: None,
        backups: None,
        limits: input.on_demand_throughput.as_ref().map(limits),
    };
    check_definitions(&row)?;
    add_tags(&mut row, input.tags.as_deref().unwrap_or_default())?;
    Ok(row)
}
