//! Sending: who may, what a template becomes, and the mailbox that stands for the world's.

use serde_json::Value;
use undercast_kernel::{Access, Context, ServiceError};
use undercast_store::Tx;

use super::store::{
    IDENTITIES, IdentityRow, Key, MESSAGES, MessageRow, SENT, TEMPLATES, TemplateRow,
};

/// Messages that the mailbox holds, for each account and region; the oldest go first.
pub(crate) const MESSAGES_MAX: usize = 1_000;
const RECIPIENTS_MAX: usize = 50;
const MESSAGE_BYTES_MAX: usize = 10 << 20;
const TEMPLATES_MAX: usize = 20_000;
pub(crate) const DAY_MS: i64 = 24 * 3_600_000;
/// What an account may send: SES's first quota outside of the sandbox.
pub(crate) const PER_DAY: f64 = 50_000.0;
pub(crate) const PER_SECOND: f64 = 14.0;

pub(crate) fn key(ctx: &Context, name: &str) -> Key {
    (ctx.account().to_owned(), ctx.region().to_owned(), name.to_owned())
}

pub(crate) fn scope(ctx: &Context) -> (String, String) {
    (ctx.account().to_owned(), ctx.region().to_owned())
}

pub(crate) fn access(ctx: &Context, operation: &str, identity: &str) -> Vec<Access> {
    let resource = ctx.arn("ses", format!("identity/{}", address(identity)));
    vec![Access::new(format!("ses:{operation}"), resource)]
}

pub(crate) fn access_all(operation: &str) -> Vec<Access> {
    vec![Access::new(format!("ses:{operation}"), "*")]
}

pub(crate) fn rejected(message: impl Into<String>) -> ServiceError {
    ServiceError::new("MessageRejected", message)
}

/// What stands between `<` and `>`, or all of it.
pub(crate) fn address(text: &str) -> &str {
    let inside = text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(text, |(address, _)| address).trim()
}

pub(crate) fn is_domain(identity: &str) -> bool {
    !identity.contains('@')
}

/// Makes an identity; it is verified at once. `false` if it was there.
pub(crate) async fn verify(
    tx: &Tx,
    ctx: &Context,
    identity: &str,
) -> Result<(IdentityRow, bool), ServiceError> {
    let key = key(ctx, identity);
    if let Some(row) = IDENTITIES.get(tx, &key).await? {
        return Ok((row, false));
    }
    let token = tx.ids().uuid().replace('-', "");
    let row = IdentityRow { created_ms: tx.now_ms(), token };
    IDENTITIES.put(tx, &key, &row)?;
    Ok((row, true))
}

/// Whether mail may be sent in the name of an address: it, its domain, or a domain above that is verified.
async fn check_sender(tx: &Tx, ctx: &Context, source: &str) -> Result<(), ServiceError> {
    let address = address(source);
    let Some((_, domain)) = address.rsplit_once('@') else {
        return Err(ServiceError::new("InvalidParameterValue", "Missing final '@domain'"));
    };
    let mut names = vec![address];
    let mut rest = Some(domain);
    while let Some(domain) = rest {
        names.push(domain);
        rest = domain.split_once('.').map(|(_, above)| above).filter(|above| above.contains('.'));
    }
    for name in names {
        if IDENTITIES.get(tx, &key(ctx, name)).await?.is_some() {
            return Ok(());
        }
    }
    Err(rejected(format!(
        "Email address is not verified. The following identities failed the check in region {}: {source}",
        ctx.region().to_uppercase()
    )))
}

/// Configuration sets are not there, so none is found.
pub(crate) fn no_configuration_set(name: Option<&String>, code: &str) -> Result<(), ServiceError> {
    match name {
        Some(name) => Err(ServiceError::new(
            code.to_owned(),
            format!("Configuration set <{name}> does not exist."),
        )),
        None => Ok(()),
    }
}

/// Puts a message into the mailbox, and answers its id.
pub(crate) async fn send(
    tx: &Tx,
    ctx: &Context,
    mut message: MessageRow,
) -> Result<String, ServiceError> {
    check_sender(tx, ctx, &message.source).await?;
    let recipients = message.to.len() + message.cc.len() + message.bcc.len();
    if recipients == 0 || recipients > RECIPIENTS_MAX {
        return Err(ServiceError::new(
            "InvalidParameterValue",
            format!("Recipient count must be 1 to {RECIPIENTS_MAX}."),
        ));
    }
    let parts = [&message.subject, &message.text, &message.html, &message.raw];
    if parts.into_iter().flatten().map(String::len).sum::<usize>() > MESSAGE_BYTES_MAX {
        return Err(rejected(format!("The message is longer than {MESSAGE_BYTES_MAX} bytes.")));
    }
    message.sent_ms = tx.now_ms();
    let id = format!("{:016x}-{}-000000", message.sent_ms, tx.ids().uuid());
    let sent = SENT.scan(tx, SENT.prefix(&scope(ctx)), MESSAGES_MAX + 1, false).await?;
    let too_many = (sent.len() + 1).saturating_sub(MESSAGES_MAX);
    for (oldest, _) in sent.into_iter().take(too_many) {
        remove(tx, &oldest)?;
    }
    MESSAGES.put(tx, &key(ctx, &id), &message)?;
    SENT.put(tx, &key(ctx, &id), &message.sent_ms)?;
    Ok(id)
}

pub(crate) fn remove(tx: &Tx, key: &Key) -> Result<(), ServiceError> {
    MESSAGES.delete(tx, key)?;
    Ok(SENT.delete(tx, key)?)
}

/// When the messages of the last `days` were sent.
pub(crate) async fn sent_within(
    tx: &Tx,
    ctx: &Context,
    days: i64,
) -> Result<Vec<i64>, ServiceError> {
    let since = tx.now_ms() - days * DAY_MS;
    let sent = SENT.scan(tx, SENT.prefix(&scope(ctx)), MESSAGES_MAX + 1, false).await?;
    Ok(sent.into_iter().map(|(_, at)| at).filter(|at| *at > since).collect())
}

#[expect(clippy::cast_precision_loss, reason = "there are at most a thousand")]
pub(crate) async fn sent_today(tx: &Tx, ctx: &Context) -> Result<f64, ServiceError> {
    Ok(sent_within(tx, ctx, 1).await?.len() as f64)
}

/// A message as its sender made it: headers, an empty line, the rest.
pub(crate) fn raw(
    source: Option<&String>,
    destinations: &[String],
    data: &[u8],
) -> Result<MessageRow, ServiceError> {
    let text = String::from_utf8_lossy(data).into_owned();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in text.lines().take_while(|line| !line.is_empty()) {
        match (line.starts_with([' ', '\t']), headers.last_mut()) {
            (true, Some((_, value))) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
    }
    let header =
        |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let list = |name: &str| -> Vec<String> {
        let all = header(name).unwrap_or_default();
        all.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
    };
    let source = source.cloned().or_else(|| header("from"));
    let source = source.ok_or_else(|| {
        ServiceError::new("InvalidParameterValue", "Missing required header 'From'.")
    })?;
    let (to, cc, bcc) = match destinations {
        [] => (list("to"), list("cc"), list("bcc")),
        given => (given.to_vec(), Vec::new(), Vec::new()),
    };
    let subject = header("subject");
    Ok(MessageRow { source, to, cc, bcc, subject, raw: Some(text), ..MessageRow::default() })
}

/// A text with the values of `data` in the place of `{{names}}`.
fn filled(text: &str, data: &Value) -> Result<String, ServiceError> {
    let mut parts = text.split("{{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, rest)) = part.split_once("}}") else {
            return Err(rejected("The template has a `{{` without its `}}`."));
        };
        let name = name.trim_matches(['{', '}', ' ']);
        if name.starts_with(['#', '/', '>', '^', '&', '!']) || name == "else" {
            return Err(ServiceError::unsupported(format!("`{{{{{name}}}}}` in a template")));
        }
        let value = name.split('.').try_fold(data, |value, part| value.get(part));
        match value {
            Some(Value::String(text)) => out.push_str(text),
            Some(value) => out.push_str(&value.to_string()),
            None => {
                return Err(rejected(format!(
                    "Attribute '{name}' is not present in the rendering data."
                )));
            }
        }
        out.push_str(rest.trim_start_matches('}'));
    }
    Ok(out)
}

/// Fills the parts of a template into a message.
pub(crate) fn render(
    message: &mut MessageRow,
    template: &TemplateRow,
    data: &str,
) -> Result<(), ServiceError> {
    let data: Value = serde_json::from_str(data)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| rejected("The template data is not a JSON object."))?;
    let part = |text: &Option<String>| text.as_ref().map(|t| filled(t, &data)).transpose();
    message.subject = part(&template.subject)?;
    message.text = part(&template.text)?;
    message.html = part(&template.html)?;
    Ok(())
}

/// Puts a template where one is not, or where one is: `None` where that is not so.
pub(crate) async fn put_template(
    tx: &Tx,
    ctx: &Context,
    name: &str,
    row: TemplateRow,
    is_new: bool,
) -> Result<Option<()>, ServiceError> {
    let key = key(ctx, name);
    let old = TEMPLATES.get(tx, &key).await?;
    if old.is_some() == is_new {
        return Ok(None);
    }
    let created_ms = old.map_or(row.created_ms, |old| old.created_ms);
    TEMPLATES.put(tx, &key, &TemplateRow { created_ms, ..row })?;
    Ok(Some(()))
}

pub(crate) async fn template(
    tx: &Tx,
    ctx: &Context,
    name: &str,
) -> Result<Option<TemplateRow>, ServiceError> {
    Ok(TEMPLATES.get(tx, &key(ctx, name)).await?)
}

/// Names and times of creation, a page of them, and the token of the next.
pub(crate) async fn templates(
    tx: &Tx,
    ctx: &Context,
    token: Option<&String>,
    size: Option<i32>,
) -> Result<(Vec<(String, i64)>, Option<String>), ServiceError> {
    let rows = TEMPLATES.scan(tx, TEMPLATES.prefix(&scope(ctx)), TEMPLATES_MAX, false).await?;
    let all = rows.into_iter().map(|(key, row)| (key.2, row.created_ms)).collect();
    Ok(page(all, token, size.unwrap_or(10)))
}

/// Identities by name, a page of them.
pub(crate) async fn identities(
    tx: &Tx,
    ctx: &Context,
    token: Option<&String>,
    size: Option<i32>,
    wanted: impl Fn(&str) -> bool,
) -> Result<(Vec<String>, Option<String>), ServiceError> {
    let rows = IDENTITIES.scan(tx, IDENTITIES.prefix(&scope(ctx)), 10_000, false).await?;
    let all = rows.into_iter().map(|(key, row)| (key.2, row.created_ms));
    let all = all.filter(|(name, _)| wanted(name)).collect();
    let (rows, next) = page(all, token, size.unwrap_or(1_000));
    Ok((rows.into_iter().map(|(name, _)| name).collect(), next))
}

fn page(
    all: Vec<(String, i64)>,
    token: Option<&String>,
    size: i32,
) -> (Vec<(String, i64)>, Option<String>) {
    let size = usize::try_from(size).unwrap_or(10).max(1);
    let rest = all.into_iter().filter(|(name, _)| token.is_none_or(|token| name > token));
    let mut rest: Vec<_> = rest.take(size + 1).collect();
    let more = rest.len() > size;
    rest.truncate(size);
    let next = rest.last().filter(|_| more).map(|(name, _)| name.clone());
    (rest, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_takes_its_data() {
        let data = serde_json::json!({"name": "Ann", "order": {"id": 7}});
        assert_eq!(filled("Hi {{name}}: {{ order.id }}", &data).unwrap(), "Hi Ann: 7");
        assert_eq!(filled("{{{name}}}!", &data).unwrap(), "Ann!");
        assert_eq!(filled("{{nobody}}", &data).unwrap_err().code(), "MessageRejected");
        assert_eq!(filled("{{#if name}}x{{/if}}", &data).unwrap_err().code(), "NotImplemented");
        assert!(filled("{{name", &data).is_err());
    }

    #[test]
    fn a_raw_message_says_who_and_what() {
        let data = b"From: A <a@x.org>\r\nTo: b@x.org,\r\n c@x.org\r\nSubject: long\r\n line\r\n\r\nSubject: no";
        let message = raw(None, &[], data).unwrap();
        assert_eq!(address(&message.source), "a@x.org");
        assert_eq!(message.to, ["b@x.org", "c@x.org"]);
        assert_eq!(message.subject.as_deref(), Some("long line"));
        assert!(raw(None, &[], b"To: x").is_err());
    }
}
