//! `GetItem`: reads an item.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::on_items;
use crate::Dynamo;
use crate::api::dynamodb::operations::GetItem;
use crate::api::dynamodb::shapes::{GetItemInput, GetItemOutput};
use crate::engine::capacity::{Units, read_units};
use crate::engine::table::check_name;
use crate::engine::write::{Stored, load};
use crate::expression::{Scope, legacy, parse_projection};
use crate::value::{item_from_wire, item_to_wire};

impl Handler<GetItem> for Dynamo {
    fn authorize(&self, ctx: &Context, input: &GetItemInput) -> Vec<Access> {
        vec![on_items(self, ctx, "GetItem", &input.table_name, [&input.key])]
    }

    async fn handle(
        &self,
        ctx: Context,
        input: GetItemInput,
    ) -> Result<GetItemOutput, ServiceError> {
        legacy::check_unmixed(
            &[("AttributesToGet", input.attributes_to_get.is_some())],
            &[("ProjectionExpression", input.projection_expression.is_some())],
        )?;
        check_name(&input.table_name)?;
        let projection = input.projection_expression.as_deref();
        let names = input.expression_attribute_names;
        let parameter = Some("ProjectionExpression");
        let mut scope = Scope::new(names, None, projection.is_some(), parameter)?;
        let projection = projection.map(|text| parse_projection(text, &mut scope));
        let projection = projection.transpose()?;
        scope.finish()?;
        let attributes = legacy::attributes(input.attributes_to_get.as_deref())?;
        let projection = projection.or(attributes);
        let key = item_from_wire(input.key)?;
        let tx = ctx.store().begin().await?;
        let table = self.tables.require(&tx, &ctx, &input.table_name).await?;
        let key = table.schema.of_key(&key)?;
        let stored = load(&tx, &table, &key).await?;
        let item = stored.as_ref().map(Stored::item).transpose()?;
        let item = match projection {
            Some(projection) => item.map(|item| projection.apply(&item)),
            None => item,
        };
        let size = stored.as_ref().map(Stored::size).transpose()?.unwrap_or(0);
        let units = Units::of_table(read_units(size, input.consistent_read == Some(true)));
        units.count_read(&ctx, &table);
        Ok(GetItemOutput {
            item: item.map(item_to_wire),
            consumed_capacity: units.answer(input.return_consumed_capacity.as_deref(), &table),
        })
    }
}
