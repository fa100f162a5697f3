//! `/_aws/ses`: the mailbox, to be read and emptied. `?id=` and `?email=` (the sender) choose messages.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use undercast_kernel::http::{HttpEndpoint, Request, Response, Signed};
use undercast_kernel::{Kernel, Mode, ServiceError};

use super::engine::{address, remove};
use super::store::{Key, MESSAGES, MessageRow};

const PATH: &str = "/_aws/ses";
const SHOWN_MAX: usize = 10_000;

pub(crate) struct Mailbox;

impl HttpEndpoint for Mailbox {
    fn matches(&self, request: &Request) -> bool {
        request.path.trim_end_matches('/') == PATH
    }

    fn asks_who_calls(&self) -> bool {
        true
    }

    fn serve(&self, kernel: Kernel, request: Request) -> BoxFuture<'static, Response> {
        async move {
            // In open mode the mailboxes of all accounts lie open; else everybody reads their own.
            let account = match (&request.caller, kernel.settings().mode) {
                (_, Mode::Open) => None,
                (Signed::By(ctx), _) => Some(ctx.account().to_owned()),
                _ => return Response::json(403, &json!({"message": "Forbidden"})),
            };
            let done = match request.method.as_str() {
                "GET" => read(&kernel, &request, account)
                    .await
                    .map(|messages| Response::json(200, &json!({"messages": messages}))),
                "DELETE" => empty(&kernel, &request, account).await.map(|()| Response::new(204)),
                _ => Ok(Response::json(405, &json!({"message": "Method Not Allowed"}))),
            };
            done.unwrap_or_else(|error| {
                Response::json(error.status().unwrap_or(500), &json!({"message": error.message()}))
            })
        }
        .boxed()
    }
}

async fn found(
    kernel: &Kernel,
    request: &Request,
    account: Option<String>,
) -> Result<Vec<(Key, MessageRow)>, ServiceError> {
    let range = match account {
        Some(account) => MESSAGES.prefix(&(account,)),
        None => MESSAGES.all(),
    };
    let rows = MESSAGES.list(kernel.db(), range, SHOWN_MAX, false).await?;
    let wanted = request.query_pairs();
    let is_wanted = |key: &Key, row: &MessageRow| {
        wanted.iter().all(|(name, value)| match name.as_str() {
            "id" => key.2 == *value,
            "email" => row.source == *value || address(&row.source) == value,
            _ => true,
        })
    };
    Ok(rows.into_iter().filter(|(key, row)| is_wanted(key, row)).collect())
}

async fn read(
    kernel: &Kernel,
    request: &Request,
    account: Option<String>,
) -> Result<Vec<Value>, ServiceError> {
    let all = found(kernel, request, account).await?;
    Ok(all.into_iter().map(|(key, row)| shown(key, row)).collect())
}

async fn empty(
    kernel: &Kernel,
    request: &Request,
    account: Option<String>,
) -> Result<(), ServiceError> {
    let keys: Vec<Key> =
        found(kernel, request, account).await?.into_iter().map(|(key, _)| key).collect();
    let run = |tx: undercast_store::Tx| {
        let keys = keys.clone();
        async move { keys.iter().try_for_each(|key| remove(&tx, key)) }
    };
    kernel.db().transact(run).await
}

fn shown((account, region, id): Key, row: MessageRow) -> Value {
    let at = jiff::Timestamp::from_millisecond(row.sent_ms).map(|at| at.to_string());
    let mut shown = json!({
        "Id": id, "Region": region, "Account": account, "Timestamp": at.unwrap_or_default(),
        "Source": row.source,
        "Destination": {"ToAddresses": row.to, "CcAddresses": row.cc, "BccAddresses": row.bcc},
        "ReplyToAddresses": row.reply_to, "Subject": row.subject,
        "Body": {"text_part": row.text, "html_part": row.html},
    });
    let more =
        [("RawData", row.raw), ("Template", row.template), ("TemplateData", row.template_data)];
    if let Value::Object(shown) = &mut shown {
        let there = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        shown.extend(there.map(|(name, value)| (name.to_owned(), value.into())));
    }
    shown
}
