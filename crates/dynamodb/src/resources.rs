//! `AWS::DynamoDB::Table` and `AWS::DynamoDB::GlobalTable` (of one region), made of DynamoDB's own operations.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use undercast_kernel::{
    Arn, Context, Kernel, Listed, Resource, ResourceRequest, ResourceType, ServiceError,
};

use crate::Dynamo;
use crate::engine::table::table_key;
use crate::store::{COUNTS, TABLES, TableRow};
use crate::tasks::fill;

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

pub(crate) struct TableType {
    dynamo: Arc<Dynamo>,
}

pub(crate) struct GlobalTableType(TableType);

impl TableType {
    pub(crate) fn new(dynamo: &Arc<Dynamo>) -> Self {
        Self { dynamo: Arc::clone(dynamo) }
    }
}

impl GlobalTableType {
    pub(crate) fn new(dynamo: &Arc<Dynamo>) -> Self {
        Self(TableType::new(dynamo))
    }
}

async fn call(ctx: &Context, operation: &str, input: Value) -> Result<Value, ServiceError> {
    ctx.kernel().call(ctx, "dynamodb", operation, &input).await
}

fn list<'a>(document: &'a Value, name: &str) -> Vec<&'a Value> {
    let list = document.get(name).and_then(Value::as_array);
    list.into_iter().flatten().collect()
}

fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(|v| v.as_bool() == Some(true) || v.as_str() == Some("true"))
}

/// The properties as `CreateTable` wants them.
fn create_input(name: &str, request: &ResourceRequest) -> Value {
    let properties = &request.properties;
    let mut input = Map::new();
    input.insert("TableName".to_owned(), name.into());
    for property in [
        "AttributeDefinitions",
        "BillingMode",
        "DeletionProtectionEnabled",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "LocalSecondaryIndexes",
        "OnDemandThroughput",
        "ProvisionedThroughput",
        "TableClass",
    ] {
        if let Some(value) = properties.get(property) {
            input.insert(property.to_owned(), value.clone());
        }
    }
    if let Some(indexes) = input.get_mut("GlobalSecondaryIndexes").and_then(Value::as_array_mut) {
        for index in indexes.iter_mut().filter_map(Value::as_object_mut) {
            index.remove("ContributorInsightsSpecification");
        }
    }
    for empty in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if list(properties, empty).is_empty() {
            input.remove(empty);
        }
    }
    if let Some(stream) = stream(properties) {
        input.insert("StreamSpecification".to_owned(), stream);
    }
    if let Some(sse) = encryption(properties) {
        input.insert("SSESpecification".to_owned(), sse);
    }
    let tags: Vec<Value> =
        tags(request).map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    if !tags.is_empty() {
        input.insert("Tags".to_owned(), tags.into());
    }
    Value::Object(input)
}

fn tags(request: &ResourceRequest) -> impl Iterator<Item = (String, String)> {
    let all = request.tag_list().into_iter();
    all.filter(|(key, _)| !key.starts_with("aws:"))
}

fn stream(properties: &Value) -> Option<Value> {
    let view = properties.get("StreamSpecification")?.get("StreamViewType")?;
    Some(json!({"StreamEnabled": true, "StreamViewType": view}))
}

fn encryption(properties: &Value) -> Option<Value> {
    let wanted = properties.get("SSESpecification")?;
    Some(json!({
        "Enabled": is_true(wanted.get("SSEEnabled")),
        "SSEType": wanted.get("SSEType"),
        "KMSMasterKeyId": wanted.get("KMSMasterKeyId"),
    }))
}

async fn row(ctx: &Context, name: &str) -> Result<Option<TableRow>, ServiceError> {
    Ok(TABLES.read(ctx.store(), &table_key(ctx, name)).await?)
}

async fn resource(ctx: &Context, name: &str) -> Result<Resource, ServiceError> {
    let described = call(ctx, "DescribeTable", json!({"TableName": name})).await?;
    let table = described.get("Table").cloned().unwrap_or_default();
    let get = |member: &str| table.get(member).cloned();
    let mut resource = Resource::new(name).with("Arn", get("TableArn").unwrap_or_default());
    if let Some(id) = get("TableId") {
        resource = resource.with("TableId", id);
    }
    if let Some(arn) = get("LatestStreamArn") {
        resource = resource.with("StreamArn", arn);
    }
    Ok(resource)
}

/// Expiry and backups, which are operations of their own.
async fn extras(ctx: &Context, name: &str, properties: &Value) -> Result<(), ServiceError> {
    let Some(row) = row(ctx, name).await? else {
        return Ok(());
    };
    let wanted = properties.get("TimeToLiveSpecification");
    let wanted = wanted.filter(|wanted| is_true(wanted.get("Enabled")));
    let attribute = wanted.and_then(|wanted| wanted.get("AttributeName")).and_then(Value::as_str);
    let have = row.ttl.as_ref().map(|ttl| ttl.attribute.as_str());
    if have != attribute {
        for (attribute, enabled) in [(have, false), (attribute, true)] {
            if let Some(attribute) = attribute {
                let specification = json!({"Enabled": enabled, "AttributeName": attribute});
                let input = json!({"TableName": name, "TimeToLiveSpecification": specification});
                call(ctx, "UpdateTimeToLive", input).await?;
            }
        }
    }
    let wanted = properties.get("PointInTimeRecoverySpecification");
    let enabled = wanted.is_some_and(|w| is_true(w.get("PointInTimeRecoveryEnabled")));
    if enabled || row.backups.as_ref().is_some_and(|backups| backups.enabled) {
        let specification = json!({
            "PointInTimeRecoveryEnabled": enabled,
            "RecoveryPeriodInDays": wanted.and_then(|w| w.get("RecoveryPeriodInDays")),
        });
        let input = json!({"TableName": name, "PointInTimeRecoverySpecification": specification});
        call(ctx, "UpdateContinuousBackups", input).await?;
    }
    Ok(())
}

impl ResourceType for TableType {
    fn name(&self) -> &'static str {
        "AWS::DynamoDB::Table"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AttributeDefinitions",
            "BillingMode",
            "ContributorInsightsSpecification",
            "DeletionProtectionEnabled",
            "GlobalSecondaryIndexes",
            "KeySchema",
            "KinesisStreamSpecification",
            "LocalSecondaryIndexes",
            "OnDemandThroughput",
            "PointInTimeRecoverySpecification",
            "ProvisionedThroughput",
            "ResourcePolicy",
            "SSESpecification",
            "StreamSpecification",
            "TableClass",
            "TableName",
            "Tags",
            "TimeToLiveSpecification",
            "WarmThroughput",
        ]
    }

    fn inert_properties(&self) -> &'static [&'static str] {
        &[
            "ContributorInsightsSpecification",
            "KinesisStreamSpecification",
            "PointInTimeRecoverySpecification",
            "ResourcePolicy",
            "WarmThroughput",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["KeySchema", "LocalSecondaryIndexes", "TableName"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request.text("TableName").map(str::to_owned);
            let name = name.unwrap_or_else(|| request.generated_name(255));
            match call(&ctx, "CreateTable", create_input(&name, &request)).await {
                // An earlier attempt of this very resource made it.
                Err(error) if error.code() == "ResourceInUseException" && request.attempt > 1 => {}
                other => {
                    other?;
                }
            }
            extras(&ctx, &name, &request.properties).await?;
            resource(&ctx, &name).await
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        let dynamo = Arc::clone(&self.dynamo);
        async move {
            let name = request.physical_id.clone();
            update(&ctx, &dynamo, &name, &request).await?;
            extras(&ctx, &name, &request.properties).await?;
            update_tags(&ctx, &name, &request).await?;
            resource(&ctx, &name).await
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            match call(&ctx, "DeleteTable", json!({"TableName": request.physical_id})).await {
                Err(error) if error.code() == "ResourceNotFoundException" => Ok(()),
                other => other.map(|_| ()),
            }
        }
        .boxed()
    }
}

/// Brings a table to what the properties say. Compares with the table as it stands, not with the old properties:
/// an attempt before this one may have got half way.
async fn update(
    ctx: &Context,
    dynamo: &Dynamo,
    name: &str,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    let Some(row) = row(ctx, name).await? else {
        return Err(crate::error::no_table(name));
    };
    let properties = &request.properties;
    let change = |parts: Value| {
        let mut input = json!({"TableName": name});
        if let (Some(input), Value::Object(parts)) = (input.as_object_mut(), parts) {
            input.extend(parts);
        }
        call(ctx, "UpdateTable", input)
    };
    if row.stream.as_ref().is_some_and(|s| s.enabled) && !same_stream(&row, properties) {
        change(json!({"StreamSpecification": {"StreamEnabled": false}})).await?;
    }
    if let Some(stream) = stream(properties).filter(|_| !same_stream(&row, properties)) {
        change(json!({"StreamSpecification": stream})).await?;
    }
    let mut settings = Map::new();
    let protected = is_true(properties.get("DeletionProtectionEnabled"));
    settings.insert("DeletionProtectionEnabled".to_owned(), protected.into());
    for property in ["TableClass", "OnDemandThroughput"] {
        if let Some(value) = properties.get(property) {
            settings.insert(property.to_owned(), value.clone());
        }
    }
    if request.changed("SSESpecification") {
        let sse = encryption(properties).unwrap_or_else(|| json!({"Enabled": false}));
        settings.insert("SSESpecification".to_owned(), sse);
    }
    let mode = properties.get("BillingMode").and_then(Value::as_str).unwrap_or("PROVISIONED");
    settings.insert("BillingMode".to_owned(), mode.into());
    if let Some(throughput) =
        properties.get("ProvisionedThroughput").filter(|_| mode == "PROVISIONED")
    {
        settings.insert("ProvisionedThroughput".to_owned(), throughput.clone());
    }
    change(Value::Object(settings)).await?;
    update_indexes(ctx, dynamo, name, &row, properties).await
}

fn same_stream(row: &TableRow, properties: &Value) -> bool {
    let wanted = stream(properties);
    let wanted = wanted.as_ref().and_then(|s| s.get("StreamViewType")).and_then(Value::as_str);
    let have = row.stream.as_ref().filter(|s| s.enabled).map(|s| s.view.as_str());
    wanted == have
}

/// One index at a time, each filled before the next: the stack is not done before its indexes are.
async fn update_indexes(
    ctx: &Context,
    dynamo: &Dynamo,
    name: &str,
    row: &TableRow,
    properties: &Value,
) -> Result<(), ServiceError> {
    let wanted = list(properties, "GlobalSecondaryIndexes");
    let name_of = |index: &Value| {
        let name = index.get("IndexName").and_then(Value::as_str);
        name.unwrap_or_default().to_owned()
    };
    let update = |action: Value| {
        let input = json!({
            "TableName": name, "GlobalSecondaryIndexUpdates": [action],
            "AttributeDefinitions": properties.get("AttributeDefinitions"),
        });
        call(ctx, "UpdateTable", input)
    };
    for index in row.indexes.iter().filter(|index| index.global) {
        if !wanted.iter().any(|w| name_of(w) == index.name) {
            update(json!({"Delete": {"IndexName": index.name}})).await?;
        }
    }
    let key = table_key(ctx, name);
    for index in wanted {
        let index_name = name_of(index);
        let known = row.indexes.iter().find(|have| have.name == index_name);
        let throughput = index.get("ProvisionedThroughput");
        match (known, throughput) {
            (None, _) => {
                let mut create = index.clone();
                if let Some(create) = create.as_object_mut() {
                    create.remove("ContributorInsightsSpecification");
                }
                update(json!({"Create": create})).await?;
            }
            (Some(_), Some(throughput)) => {
                let change = json!({"IndexName": index_name, "ProvisionedThroughput": throughput});
                // Nothing to change is no error here.
                match update(json!({"Update": change})).await {
                    Err(error) if error.code() == "ValidationException" => {}
                    other => {
                        other?;
                    }
                }
            }
            _ => {}
        }
        let now = TABLES.read(ctx.store(), &key).await?;
        let pending =
            now.iter().flat_map(|row| &row.indexes).find(|i| i.name == index_name && i.backfilling);
        if let Some(pending) = pending {
            fill(ctx.kernel(), dynamo, &key, pending.number).await?;
        }
    }
    Ok(())
}

async fn update_tags(
    ctx: &Context,
    name: &str,
    request: &ResourceRequest,
) -> Result<(), ServiceError> {
    let Some(row) = row(ctx, name).await? else {
        return Ok(());
    };
    let arn = ctx.arn("dynamodb", format!("table/{name}"));
    let wanted: Vec<(String, String)> = tags(request).collect();
    let gone: Vec<&String> =
        row.tags.keys().filter(|k| !wanted.iter().any(|(w, _)| w == *k)).collect();
    if !gone.is_empty() {
        call(ctx, "UntagResource", json!({"ResourceArn": arn, "TagKeys": gone})).await?;
    }
    if !wanted.is_empty() {
        let tags: Vec<Value> = wanted.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
        call(ctx, "TagResource", json!({"ResourceArn": arn, "Tags": tags})).await?;
    }
    Ok(())
}

/// The properties of a global table with one replica, as those of a table.
fn as_table(ctx: &Context, properties: &Value) -> Result<Value, ServiceError> {
    let replicas = list(properties, "Replicas");
    let [replica] = replicas.as_slice() else {
        return Err(ServiceError::unsupported("a global table of more than one region"));
    };
    if replica.get("Region").and_then(Value::as_str) != Some(ctx.region()) {
        return Err(ServiceError::unsupported("a replica in another region"));
    }
    for name in ["WriteProvisionedThroughputSettings", "WriteOnDemandThroughputSettings"] {
        if properties.get(name).is_some() {
            return Err(ServiceError::unsupported(format_args!("the property {name}")));
        }
    }
    let mut table = properties.as_object().cloned().unwrap_or_default();
    table.remove("Replicas");
    for name in
        ["DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "TableClass", "Tags"]
    {
        if let Some(value) = replica.get(name) {
            table.insert(name.to_owned(), value.clone());
        }
    }
    Ok(Value::Object(table))
}

fn global_request(
    ctx: &Context,
    mut request: ResourceRequest,
) -> Result<ResourceRequest, ServiceError> {
    request.properties = as_table(ctx, &request.properties)?;
    if !request.old.is_null() {
        request.old = as_table(ctx, &request.old)?;
    }
    Ok(request)
}

impl ResourceType for GlobalTableType {
    fn name(&self) -> &'static str {
        "AWS::DynamoDB::GlobalTable"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AttributeDefinitions",
            "BillingMode",
            "GlobalSecondaryIndexes",
            "KeySchema",
            "LocalSecondaryIndexes",
            "Replicas",
            "SSESpecification",
            "StreamSpecification",
            "TableName",
            "TimeToLiveSpecification",
            "WarmThroughput",
            "WriteOnDemandThroughputSettings",
            "WriteProvisionedThroughputSettings",
        ]
    }

    fn inert_properties(&self) -> &'static [&'static str] {
        &["WarmThroughput"]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        self.0.replaced_by()
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        match global_request(&ctx, request) {
            Ok(request) => self.0.create(ctx, request),
            Err(error) => futures::future::err(error).boxed(),
        }
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        match global_request(&ctx, request) {
            Ok(request) => self.0.update(ctx, request),
            Err(error) => futures::future::err(error).boxed(),
        }
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        self.0.delete(ctx, request)
    }
}

/// Tables, for `undercast ls`.
pub(crate) async fn list_all(kernel: Kernel) -> Result<Vec<Listed>, ServiceError> {
    let tx = kernel.db().begin().await?;
    let mut listed = Vec::new();
    for ((account, region, name), row) in TABLES.scan(&tx, TABLES.all(), 10_000, false).await? {
        let items = tx.sum(&COUNTS.key(&(row.number,))).await?;
        listed.push(Listed {
            kind: "AWS::DynamoDB::Table",
            arn: Arn::new("dynamodb", &region, &account, format!("table/{name}")).to_string(),
            account,
            region,
            name,
            note: format!("{items} items"),
        });
    }
    Ok(listed)
}
