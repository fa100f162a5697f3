//! `Scan`: all items of a table or index, or of one segment of it.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use crate::Dynamo;
use crate::api::dynamodb::operations::Scan;
use crate::api::dynamodb::shapes::{ScanInput, ScanOutput};
use crate::engine::key::{segment, whole};
use crate::engine::read::{Plan, check_consistent, select};
use crate::engine::table::check_name;
use crate::error::invalid;
use crate::expression::{Kind, Scope, legacy, parse_condition, parse_projection};
use crate::limits::SEGMENTS_MAX;
use crate::value::{item_from_wire, item_to_wire};

impl Handler<Scan> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &ScanInput) -> Vec<Access> {
        let arn = super::table_arn(ctx, &input.table_name);
        let arn = match &input.index_name {
            Some(index) => format!("{arn}/index/{index}"),
            None => arn,
        };
        vec![Access::new("dynamodb:Scan", arn)]
    }

    async fn handle(&self, ctx: Context, mut input: ScanInput) -> Result<ScanOutput, ServiceError> {
        legacy::check_unmixed(
            &[
                ("AttributesToGet", input.attributes_to_get.is_some()),
                ("ScanFilter", input.scan_filter.is_some()),
                ("ConditionalOperator", input.conditional_operator.is_some()),
            ],
            &[
                ("ProjectionExpression", input.projection_expression.is_some()),
                ("FilterExpression", input.filter_expression.is_some()),
            ],
        )?;
        check_name(&input.table_name)?;
        let segments = segments(&input)?;
        let (filter, projection) = (&input.filter_expression, &input.projection_expression);
        let mut scope = Scope::new(
            input.expression_attribute_names.take(),
            input.expression_attribute_values.take(),
            filter.is_some() || projection.is_some(),
            Some("FilterExpression"),
        )?;
        let filter = filter.as_ref().map(|text| parse_condition(Kind::Filter, text, &mut scope));
        let filter = filter.transpose()?;
        let projection = projection.as_ref().map(|text| parse_projection(text, &mut scope));
        let projection = projection.transpose()?;
        scope.finish()?;
        let operator = input.conditional_operator.as_deref();
        let filter = filter.or(legacy::filter(input.scan_filter.take(), operator)?);
        let projection = projection.or(legacy::attributes(input.attributes_to_get.as_deref())?);
        let start = input.exclusive_start_key.take().map(item_from_wire).transpose()?;
        let tx = ctx.store().begin().await?;
        let table = self.tables.require(&tx, &ctx, &input.table_name).await?;
        let index = input.index_name.as_ref().map(|name| table.index(name)).transpose()?;
        let consistent = input.consistent_read == Some(true);
        check_consistent(index, consistent)?;
        let selection = select(input.select.as_deref(), index, projection.as_ref(), "Scanning")?;
        let number = index.map_or(table.row.number, |index| index.row.number);
        let mut plan = Plan {
            table: &table,
            index,
            range: match segments {
                Some((n, total)) => segment(number, n, total),
                None => whole(number),
            },
            reverse: false,
            limit: input.limit.and_then(|n| usize::try_from(n).ok()),
            consistent,
            filter: filter.as_ref(),
            projection: projection.as_ref(),
            count_only: selection.count_only,
            fetch: selection.fetch,
        };
        if let Some(start) = &start {
            plan.start_behind(start)?;
        }
        let page = plan.run(&tx).await?;
        let count = |n: usize| Some(i32::try_from(n).unwrap_or(i32::MAX));
        let items = page.items.into_iter().map(item_to_wire).collect();
        page.units.count_read(&ctx, &table);
        Ok(ScanOutput {
            consumed_capacity: page.units.answer(input.return_consumed_capacity.as_deref(), &table),
            items: Some(items).filter(|_| !selection.count_only),
            count: count(page.count),
            scanned_count: count(page.scanned),
            last_evaluated_key: page.last.map(item_to_wire),
        })
    }
}

fn segments(input: &ScanInput) -> Result<Option<(u32, u32)>, ServiceError> {
    match (input.segment, input.total_segments) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(invalid(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) => {
            if segment >= total {
                return Err(invalid(format!(
                    "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not less than TotalSegments: {total}"
                )));
            }
            let total = total.clamp(1, SEGMENTS_MAX);
            Ok(u32::try_from(segment).ok().zip(u32::try_from(total).ok()))
        }
    }
}
