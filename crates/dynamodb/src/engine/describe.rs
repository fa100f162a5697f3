//! Tables as AWS describes them.

use undercast_kernel::ServiceError;
use undercast_kernel::smithy::Timestamp;
use undercast_store::Tx;

use super::table::{Table, arn};
use crate::api::dynamodb::shapes::{
    AttributeDefinition, BillingModeSummary, GlobalSecondaryIndexDescription, KeySchemaElement,
    LocalSecondaryIndexDescription, OnDemandThroughput, Projection,
    ProvisionedThroughputDescription, SSEDescription, StreamSpecification, TableClassSummary,
    TableDescription,
};
use crate::store::{COUNTS, IndexRow, SIZES, TableRow, UnitsRow};

fn elements(hash: &str, range: Option<&str>) -> Vec<KeySchemaElement> {
    let element = |name: &str, kind: &str| KeySchemaElement {
        attribute_name: name.to_owned(),
        key_type: kind.to_owned(),
    };
    let range = range.map(|range| element(range, "RANGE"));
    std::iter::once(element(hash, "HASH")).chain(range).collect()
}

fn throughput(units: UnitsRow) -> ProvisionedThroughputDescription {
    ProvisionedThroughputDescription {
        number_of_decreases_today: Some(0),
        read_capacity_units: Some(units.read),
        write_capacity_units: Some(units.write),
        ..ProvisionedThroughputDescription::default()
    }
}

fn on_demand(limits: UnitsRow) -> OnDemandThroughput {
    OnDemandThroughput {
        max_read_request_units: Some(limits.read),
        max_write_request_units: Some(limits.write),
    }
}

fn projection(index: &IndexRow) -> Projection {
    Projection {
        projection_type: Some(index.projection.clone()),
        non_key_attributes: Some(index.include.clone()).filter(|names| !names.is_empty()),
    }
}

async fn counts(tx: &Tx, number: u64) -> Result<(i64, i64), ServiceError> {
    Ok((tx.sum(&COUNTS.key(&(number,))).await?, tx.sum(&SIZES.key(&(number,))).await?))
}

fn global(
    index: &IndexRow,
    table_arn: &str,
    (count, bytes): (i64, i64),
) -> GlobalSecondaryIndexDescription {
    let status = if index.backfilling { "CREATING" } else { "ACTIVE" };
    GlobalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(elements(&index.hash, index.range.as_deref())),
        projection: Some(projection(index)),
        index_status: Some(status.to_owned()),
        backfilling: index.backfilling.then_some(true),
        provisioned_throughput: Some(throughput(index.units)),
        index_size_bytes: Some(bytes),
        item_count: Some(count),
        index_arn: Some(format!("{table_arn}/index/{}", index.name)),
        on_demand_throughput: index.limits.map(on_demand),
        warm_throughput: None,
    }
}

fn local(
    index: &IndexRow,
    table_arn: &str,
    (count, bytes): (i64, i64),
) -> LocalSecondaryIndexDescription {
    LocalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(elements(&index.hash, index.range.as_deref())),
        projection: Some(projection(index)),
        index_size_bytes: Some(bytes),
        item_count: Some(count),
        index_arn: Some(format!("{table_arn}/index/{}", index.name)),
    }
}

fn billing(row: &TableRow) -> (ProvisionedThroughputDescription, Option<BillingModeSummary>) {
    let time = |ms: Option<i64>| ms.map(Timestamp::from_millis);
    let billing = &row.billing;
    let mut provisioned = throughput(billing.units);
    provisioned.last_increase_date_time = time(billing.increased_ms);
    provisioned.last_decrease_date_time = time(billing.decreased_ms);
    let mode = if billing.on_demand { "PAY_PER_REQUEST" } else { "PROVISIONED" };
    let summary = BillingModeSummary {
        billing_mode: Some(mode.to_owned()),
        last_update_to_pay_per_request_date_time: time(billing.on_demand_since_ms),
    };
    (provisioned, billing.named.then_some(summary))
}

pub(crate) async fn describe(
    tx: &Tx,
    table: &Table,
    status: &str,
) -> Result<TableDescription, ServiceError> {
    let row = &table.row;
    let arn = arn(&table.key);
    let (mut globals, mut locals) = (Vec::new(), Vec::new());
    for index in &row.indexes {
        let counts = counts(tx, index.number).await?;
        if index.global {
            globals.push(global(index, &arn, counts));
        } else {
            locals.push(local(index, &arn, counts));
        }
    }
    let (count, bytes) = counts(tx, row.number).await?;
    let (provisioned, summary) = billing(row);
    let attributes = row.attributes.iter().map(|(name, kind)| AttributeDefinition {
        attribute_name: name.clone(),
        attribute_type: kind.clone(),
    });
    Ok(TableDescription {
        attribute_definitions: Some(attributes.collect()),
        table_name: Some(table.name().to_owned()),
        key_schema: Some(elements(&row.hash, row.range.as_deref())),
        table_status: Some(status.to_owned()),
        creation_date_time: Some(Timestamp::from_millis(row.created_ms)),
        provisioned_throughput: Some(provisioned),
        table_size_bytes: Some(bytes),
        item_count: Some(count),
        table_id: Some(row.id.clone()),
        billing_mode_summary: summary,
        local_secondary_indexes: Some(locals).filter(|l| !l.is_empty()),
        global_secondary_indexes: Some(globals).filter(|g| !g.is_empty()),
        stream_specification: row.stream.as_ref().filter(|s| s.enabled).map(|stream| {
            StreamSpecification {
                stream_enabled: true,
                stream_view_type: Some(stream.view.clone()),
            }
        }),
        latest_stream_label: row.stream.as_ref().map(|s| s.label.clone()),
        latest_stream_arn: row.stream.as_ref().map(|s| format!("{arn}/stream/{}", s.label)),
        sse_description: row.sse.as_ref().map(|sse| SSEDescription {
            status: Some("ENABLED".to_owned()),
            sse_type: Some("KMS".to_owned()),
            kms_master_key_arn: Some(sse.kms_key_arn.clone()),
            inaccessible_encryption_date_time: None,
        }),
        table_class_summary: row.class.as_ref().map(|class| TableClassSummary {
            table_class: Some(class.clone()),
            last_update_date_time: row.class_changed_ms.map(Timestamp::from_millis),
        }),
        deletion_protection_enabled: Some(row.protected),
        on_demand_throughput: row.limits.map(on_demand),
        table_arn: Some(arn),
        ..TableDescription::default()
    })
}
