//! `StartQuery`: begins an Insights query.

use undercast_kernel::{Access, Context, Handler, ServiceError};

use super::{access, invalid, name_of_arn, require};
use crate::Logs;
use crate::api::logs::operations::StartQuery;
use crate::api::logs::shapes::{StartQueryInput, StartQueryOutput};
use crate::insights;
use crate::store::{QUERIES, QueryRow};

const GROUPS_MAX: usize = 50;
/// Queries that run at the same time.
const RUNNING_MAX: usize = 100;
const LIMIT: i32 = 10_000;

impl Handler<StartQuery> for Logs {
    fn authorize(&self, ctx: &Context, input: &StartQueryInput) -> Vec<Access> {
        groups(input).iter().flat_map(|group| access(ctx, "StartQuery", group)).collect()
    }

    async fn handle(
        &self,
        ctx: Context,
        input: StartQueryInput,
    ) -> Result<StartQueryOutput, ServiceError> {
        if input.query_language.as_deref().is_some_and(|language| language != "CWLI") {
            return Err(ServiceError::unsupported("queries in SQL and PPL"));
        }
        insights::parse(&input.query_string).map_err(|reason| {
            ServiceError::new(
                "MalformedQueryException",
                format!("The query is malformed: {reason}"),
            )
        })?;
        let groups = groups(&input);
        if groups.is_empty() || groups.len() > GROUPS_MAX {
            return Err(invalid(format!("A query is of 1 to {GROUPS_MAX} log groups")));
        }
        if input.start_time > input.end_time {
            return Err(invalid("startTime is greater than endTime"));
        }
        ctx.transact((input, groups), |tx, ctx, input| async move {
            let (input, groups) = &*input;
            for group in groups {
                require(&tx, &ctx, group).await?;
            }
            let scope = (ctx.account().to_owned(), ctx.region().to_owned());
            let rows = QUERIES.scan(&tx, QUERIES.prefix(&scope), 10_000, false).await?;
            if rows.iter().filter(|(_, row)| row.status == "Running").count() >= RUNNING_MAX {
                return Err(super::limit_exceeded());
            }
            let id = tx.ids().uuid();
            let key = (scope.0, scope.1, id.clone());
            // Seconds, or milliseconds as many clients send them.
            let ms =
                |time: i64| if time < 100_000_000_000 { time.saturating_mul(1_000) } else { time };
            let end = ms(input.end_time);
            let row = QueryRow {
                query: input.query_string.clone(),
                groups: groups.clone(),
                start_ms: ms(input.start_time),
                // All of the last second.
                end_ms: if end == input.end_time { end } else { end + 999 },
                limit: input.limit.unwrap_or(LIMIT).clamp(1, LIMIT),
                status: "Running".to_owned(),
                created_ms: tx.now_ms(),
                scanned: 0,
                matched: 0,
                bytes: 0,
                took_ms: 0,
                chunks: 0,
            };
            QUERIES.put(&tx, &key, &row)?;
            insights::task::spawn(&tx, &key)?;
            Ok(StartQueryOutput { query_id: Some(id) })
        })
        .await
    }
}

fn groups(input: &StartQueryInput) -> Vec<String> {
    let identifiers = input.log_group_identifiers.iter().flatten().map(|one| name_of_arn(one));
    let named = input.log_group_name.iter().chain(input.log_group_names.iter().flatten()).cloned();
    let mut all: Vec<String> = named.chain(identifiers).collect();
    all.sort();
    all.dedup();
    all
}
