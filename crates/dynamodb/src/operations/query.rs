//! `Query`: the items of one partition of a table or index, in order.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Dynamo;
use crate::api::dynamodb::operations::Query;
use crate::api::dynamodb::shapes::{QueryInput, QueryOutput};
use crate::engine::key::{check_types, query};
use crate::engine::read::{Page, Plan, check_consistent, select};
use crate::engine::table::{Table, check_name, table_key};
use crate::error::invalid;
use crate::expression::{
    Condition, Kind, Projection, Scope, check_filter, key_condition, legacy, parse_condition,
    parse_projection,
};
use crate::value::{Item, item_from_wire, item_to_wire};

/// A request whose parameters were read.
struct Request {
    keys: Condition,
    filter: Option<Condition>,
    projection: Option<Projection>,
    start: Option<Item>,
}

fn read(input: &mut QueryInput) -> Result<Request, ServiceError> {
    let given = legacy::filter(input.key_conditions.take(), None)?;
    let text = input.key_condition_expression.as_ref();
    if given.is_none() && text.is_none() {
        return Err(invalid(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ));
    }
    let mut scope = Scope::new(
        input.expression_attribute_names.take(),
        input.expression_attribute_values.take(),
        text.is_some() || input.projection_expression.is_some(),
        Some("KeyConditionExpression"),
    )?;
    let filter = input.filter_expression.as_ref();
    let filter = filter.map(|text| parse_condition(Kind::Filter, text, &mut scope)).transpose()?;
    let keys = text.map(|text| parse_condition(Kind::Key, text, &mut scope)).transpose()?;
    let projection = input.projection_expression.as_ref();
    let projection = projection.map(|text| parse_projection(text, &mut scope)).transpose()?;
    scope.finish()?;
    let operator = input.conditional_operator.as_deref();
    let filter = filter.or(legacy::filter(input.query_filter.take(), operator)?);
    let projection = projection.or(legacy::attributes(input.attributes_to_get.as_deref())?);
    let keys = keys.or(given).ok_or_else(|| invalid("Conditions can be of length 1 or 2 only"))?;
    let start = input.exclusive_start_key.take().map(item_from_wire).transpose()?;
    Ok(Request { keys, filter, projection, start })
}

impl Handler<Query> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &QueryInput) -> Vec<Access> {
        let key = table_key(ctx, &input.table_name);
        let mut arn = crate::engine::table::arn(&key);
        if let Some(index) = &input.index_name {
            arn = format!("{arn}/index/{index}");
        }
        let mut access = Access::new("dynamodb:Query", arn);
        if let Some(value) = self.leading_key(ctx, input) {
            access.conditions.push(("dynamodb:LeadingKeys".to_owned(), vec![value]));
        }
        if let Some(select) = &input.select {
            access = access.when("dynamodb:Select", select);
        }
        vec![access]
    }

    async fn handle(
        &self,
        ctx: Context,
        mut input: QueryInput,
    ) -> Result<QueryOutput, ServiceError> {
        legacy::check_unmixed(
            &[
                ("AttributesToGet", input.attributes_to_get.is_some()),
                ("KeyConditions", input.key_conditions.is_some()),
                ("QueryFilter", input.query_filter.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            &[
                ("ProjectionExpression", input.projection_expression.is_some()),
                ("FilterExpression", input.filter_expression.is_some()),
                ("KeyConditionExpression", input.key_condition_expression.is_some()),
            ],
        )?;
        check_name(&input.table_name)?;
        let request = read(&mut input)?;
        let tx = ctx.store().begin().await?;
        let table = self.tables.require(&tx, &ctx, &input.table_name).await?;
        let page = run(&tx, &table, &input, request).await?;
        let count = |n: usize| Some(i32::try_from(n).unwrap_or(i32::MAX));
        let counts_only = input.select.as_deref() == Some("COUNT");
        page.units.count_read(&ctx, &table);
        Ok(QueryOutput {
            consumed_capacity: page.units.answer(input.return_consumed_capacity.as_deref(), &table),
            items: (!counts_only).then(|| page.items.into_iter().map(item_to_wire).collect()),
            count: count(page.count),
            scanned_count: count(page.scanned),
            last_evaluated_key: page.last.map(item_to_wire),
        })
    }
}

async fn run(
    tx: &undercast_store::Tx,
    table: &Table,
    input: &QueryInput,
    request: Request,
) -> Result<Page, ServiceError> {
    let index = input.index_name.as_ref().map(|name| table.index(name)).transpose()?;
    let consistent = input.consistent_read == Some(true);
    check_consistent(index, consistent)?;
    let schema = index.map_or(&table.schema, |index| &index.schema);
    let range_name = schema.range.as_ref().map(|range| range.name.as_str());
    let condition = key_condition(request.keys, &schema.hash.name, range_name)?;
    check_types(schema, &condition.hash, condition.range.as_ref().map(|r| r.values()))?;
    if let Some(filter) = &request.filter {
        check_filter(filter, &schema.names())?;
    }
    let projection = request.projection.as_ref();
    let selection = select(input.select.as_deref(), index, projection, "Querying")?;
    let number = index.map_or(table.row.number, |index| index.row.number);
    let mut plan = Plan {
        table,
        index,
        range: query(number, index.is_some(), &condition.hash, condition.range.as_ref()),
        reverse: input.scan_index_forward == Some(false),
        limit: input.limit.and_then(|n| usize::try_from(n).ok()),
        consistent,
        filter: request.filter.as_ref(),
        projection,
        count_only: selection.count_only,
        fetch: selection.fetch,
    };
    if let Some(start) = &request.start {
        plan.start_behind(start)?;
    }
    plan.run(tx).await
}

impl Dynamo {
    /// The value of the partition key that a query asks for.
    fn leading_key(&self, ctx: &Context, input: &QueryInput) -> Option<String> {
        let table = self.tables.peek(&table_key(ctx, &input.table_name))?;
        let schema = match &input.index_name {
            Some(name) => &table.index(name).ok()?.schema,
            None => &table.schema,
        };
        let keys = match &input.key_condition_expression {
            None => legacy::filter(input.key_conditions.clone(), None).ok()??,
            Some(text) => {
                let names = input.expression_attribute_names.clone();
                let values = input.expression_attribute_values.clone();
                let mut scope = Scope::new(names, values, true, None).ok()?;
                parse_condition(Kind::Key, text, &mut scope).ok()?
            }
        };
        let range = schema.range.as_ref().map(|range| range.name.as_str());
        let condition = key_condition(keys, &schema.hash.name, range).ok()?;
        super::scalar_text(&crate::value::to_wire(condition.hash))
    }
}
