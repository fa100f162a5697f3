//! `UpdateTable`: billing, global indexes, the stream and other settings. Indexes are filled in the background.

use undercast_kernel::{Access, Context, Handler, ServiceError};
use undercast_store::Tx;

use super::on_table;
use crate::Dynamo;
use crate::api::dynamodb::operations::UpdateTable;
use crate::api::dynamodb::shapes::{
    CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate,
    StreamSpecification, UpdateTableInput, UpdateTableOutput,
};
use crate::engine::definition::{
    check_definitions, definitions, encryption, global_index, limits, stream, units,
};
use crate::engine::describe::describe;
use crate::engine::stream as streams;
use crate::engine::table::{Table, check_name, table_key};
use crate::error::{in_use, invalid, no_table, parameter};
use crate::limits::GSIS_MAX;
use crate::store::{IndexRow, StreamRow, TABLES, TableKey, TableRow};
use crate::tasks::{spawn_backfill, spawn_purge};

impl Handler<UpdateTable> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &UpdateTableInput) -> Vec<Access> {
        on_table(ctx, "UpdateTable", &input.table_name)
    }

    async fn handle(
        &self,
        ctx: Context,
        input: UpdateTableInput,
    ) -> Result<UpdateTableOutput, ServiceError> {
        for (name, given) in [
            ("ReplicaUpdates", input.replica_updates.is_some()),
            ("MultiRegionConsistency", input.multi_region_consistency.is_some()),
            ("GlobalTableWitnessUpdates", input.global_table_witness_updates.is_some()),
            (
                "GlobalTableSettingsReplicationMode",
                input.global_table_settings_replication_mode.is_some(),
            ),
        ] {
            if given {
                return Err(ServiceError::unsupported(format_args!("the parameter {name}")));
            }
        }
        check_name(&input.table_name)?;
        let description = ctx
            .transact(input, |tx, ctx, input| async move {
                let key = table_key(&ctx, &input.table_name);
                let row = TABLES.get(&tx, &key).await?;
                let before = row.ok_or_else(|| no_table(&key.2))?;
                let mut row = before.clone();
                update(&tx, &ctx, &key, &mut row, &input)?;
                streams::changed(&tx, &key, Some(&before), Some(&row)).await?;
                if row == before && !warms(&input) {
                    return Err(unchanged(&input));
                }
                TABLES.put(&tx, &key, &row)?;
                describe(&tx, &Table::new(key, row), "ACTIVE").await
            })
            .await?;
        Ok(UpdateTableOutput { table_description: Some(description) })
    }
}

fn warms(input: &UpdateTableInput) -> bool {
    // What AWS accepts although nothing changes.
    input.warm_throughput.is_some()
        || input.deletion_protection_enabled.is_some()
        || input.table_class.is_some()
        || input.sse_specification.is_some()
        || input.on_demand_throughput.is_some()
        || input.billing_mode.as_deref() == Some("PAY_PER_REQUEST")
}

fn unchanged(input: &UpdateTableInput) -> ServiceError {
    match &input.provisioned_throughput {
        Some(wanted) => invalid(format!(
            "The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the table: {}. Requested ReadCapacityUnits: {}. Current WriteCapacityUnits provisioned for the table: {}. Requested WriteCapacityUnits: {}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
            wanted.read_capacity_units,
            wanted.read_capacity_units,
            wanted.write_capacity_units,
            wanted.write_capacity_units
        )),
        None => invalid(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
        ),
    }
}

fn update(
    tx: &Tx,
    ctx: &Context,
    key: &TableKey,
    row: &mut TableRow,
    input: &UpdateTableInput,
) -> Result<(), ServiceError> {
    update_billing(tx, row, input)?;
    if let Some(specification) = &input.stream_specification {
        update_stream(tx, row, specification)?;
    }
    if let Some(specification) = &input.sse_specification {
        row.sse = encryption(ctx, specification);
    }
    if let Some(class) = &input.table_class
        && row.class.as_deref().unwrap_or("STANDARD") != class
    {
        row.class = Some(class.clone());
        row.class_changed_ms = Some(tx.now_ms());
    }
    if let Some(protected) = input.deletion_protection_enabled {
        row.protected = protected;
    }
    if let Some(throughput) = &input.on_demand_throughput {
        row.limits = Some(limits(throughput));
    }
    update_indexes(tx, key, row, input)
}

fn update_billing(
    tx: &Tx,
    row: &mut TableRow,
    input: &UpdateTableInput,
) -> Result<(), ServiceError> {
    let billing = &mut row.billing;
    let on_demand = match input.billing_mode.as_deref() {
        Some(mode) => mode == "PAY_PER_REQUEST",
        None => billing.on_demand,
    };
    match (&input.provisioned_throughput, on_demand) {
        (Some(_), true) => {
            return Err(parameter(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        (None, false) if billing.on_demand => {
            return Err(parameter(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            ));
        }
        (Some(throughput), false) => {
            let wanted = units(throughput);
            if wanted.read > billing.units.read || wanted.write > billing.units.write {
                billing.increased_ms = Some(tx.now_ms());
            }
            if wanted.read < billing.units.read || wanted.write < billing.units.write {
                billing.decreased_ms = Some(tx.now_ms());
            }
            billing.units = wanted;
        }
        (None, _) => {}
    }
    if on_demand != billing.on_demand {
        billing.on_demand = on_demand;
        billing.named = true;
        if on_demand {
            billing.on_demand_since_ms = Some(tx.now_ms());
            billing.units = crate::store::UnitsRow::default();
            row.indexes
                .iter_mut()
                .for_each(|index| index.units = crate::store::UnitsRow::default());
        }
    }
    Ok(())
}

fn update_stream(
    tx: &Tx,
    row: &mut TableRow,
    specification: &StreamSpecification,
) -> Result<(), ServiceError> {
    let is_on = row.stream.as_ref().is_some_and(|stream| stream.enabled);
    match (is_on, specification.stream_enabled) {
        (true, true) => Err(invalid("Table already has an enabled stream")),
        (false, false) => Err(invalid("Table does not have a stream to disable")),
        (false, true) => {
            row.stream = stream(tx, specification)?;
            Ok(())
        }
        (true, false) => {
            row.stream = row.stream.take().map(|stream| StreamRow { enabled: false, ..stream });
            Ok(())
        }
    }
}

fn update_indexes(
    tx: &Tx,
    key: &TableKey,
    row: &mut TableRow,
    input: &UpdateTableInput,
) -> Result<(), ServiceError> {
    let Some(updates) = &input.global_secondary_index_updates else {
        return Ok(());
    };
    for update in updates {
        update_index(tx, key, row, input, update)?;
    }
    if row.indexes.iter().filter(|index| index.global).count() > GSIS_MAX {
        return Err(parameter("GlobalSecondaryIndex count exceeds the per-table limit of 20"));
    }
    Ok(())
}

fn update_index(
    tx: &Tx,
    key: &TableKey,
    row: &mut TableRow,
    input: &UpdateTableInput,
    update: &GlobalSecondaryIndexUpdate,
) -> Result<(), ServiceError> {
    let gone = |name: &str| {
        ServiceError::new(
            "ResourceNotFoundException",
            format!("Requested resource not found: Index: {name} not found"),
        )
    };
    if let Some(create) = &update.create {
        return create_index(tx, key, row, input, create);
    }
    if let Some(delete) = &update.delete {
        let name = &delete.index_name;
        let at = row.indexes.iter().position(|index| index.global && index.name == *name);
        let index = row.indexes.remove(at.ok_or_else(|| gone(name))?);
        spawn_purge(tx, &[index.number])?;
        keep_definitions_in_use(row);
        return Ok(());
    }
    if let Some(change) = &update.update {
        let name = &change.index_name;
        let index = row.indexes.iter_mut().find(|index| index.global && index.name == *name);
        let index = index.ok_or_else(|| gone(name))?;
        if let Some(throughput) = &change.provisioned_throughput {
            index.units = units(throughput);
        }
        if let Some(throughput) = &change.on_demand_throughput {
            index.limits = Some(limits(throughput));
        }
        return Ok(());
    }
    Err(parameter(
        "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null",
    ))
}

/// Definitions that no key needs any more go with the index.
fn keep_definitions_in_use(row: &mut TableRow) {
    let TableRow { attributes, hash, range, indexes, .. } = row;
    let uses =
        |index: &IndexRow, name: &String| index.hash == *name || index.range.as_ref() == Some(name);
    attributes.retain(|(name, _)| {
        name == hash
            || range.as_ref() == Some(name)
            || indexes.iter().any(|index| uses(index, name))
    });
}

fn create_index(
    tx: &Tx,
    key: &TableKey,
    row: &mut TableRow,
    input: &UpdateTableInput,
    create: &CreateGlobalSecondaryIndexAction,
) -> Result<(), ServiceError> {
    if row.indexes.iter().any(|index| index.name == create.index_name) {
        return Err(in_use(format!(
            "Attempting to create an index which already exists: {}",
            create.index_name
        )));
    }
    let wanted = GlobalSecondaryIndex {
        index_name: create.index_name.clone(),
        key_schema: create.key_schema.clone(),
        projection: create.projection.clone(),
        provisioned_throughput: create.provisioned_throughput.clone(),
        on_demand_throughput: create.on_demand_throughput.clone(),
        warm_throughput: None,
    };
    let mut index = global_index(tx, &wanted, row.billing.on_demand)?;
    index.backfilling = true;
    // The caller lists the definitions of the new keys, and may list all that are there already.
    for (name, kind) in definitions(input.attribute_definitions.as_deref().unwrap_or_default())? {
        match row.attributes.iter().find(|(known, _)| *known == name) {
            Some((_, known)) if *known != kind => {
                return Err(parameter(format!(
                    "Attribute {name} is already defined with type {known}"
                )));
            }
            Some(_) => {}
            None if index.hash == name || index.range.as_ref() == Some(&name) => {
                row.attributes.push((name, kind))
            }
            None => {}
        }
    }
    spawn_backfill(tx, key, index.number)?;
    row.indexes.push(index);
    check_definitions(row)
}
