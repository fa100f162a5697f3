//! What templates say of releases: the type `Undercast::Release::Ladder`, and the metadata `Undercast::Release` on
//! an alias. Both are made of the services' own operations.
//!
//! A release that a stack's operation started carries that operation's token, so that a second attempt after a
//! crash finds it and does not start another one.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use undercast_kernel::{
    AliasMover, Context, Resource, ResourceRequest, ResourceType, ServiceError,
};
use undercast_smithy::document::{from_document, to_document};

use crate::api::release::shapes;
use crate::error::{invalid, no_release};
use crate::ladder::Phase;
use crate::operations::{call, key};
use crate::store::{LADDERS, LadderRow, RELEASES, ReleaseRow};

type Future<T> = BoxFuture<'static, Result<T, ServiceError>>;

const GONE: &str = "ResourceNotFoundException";
const EXISTS: &str = "ResourceConflictException";
const NAME_MAX: usize = 64;
const METADATA: &str = "Undercast::Release";
/// How a release goes: in a ladder's properties and in an alias's metadata.
const SETTINGS: &[&str] = &[
    "AcceptLeaks",
    "Limits",
    "OnFailure",
    "Outside",
    "Preset",
    "Rules",
    "Steps",
    "WaitForCompletion",
];

pub(crate) struct LadderType;

impl ResourceType for LadderType {
    fn name(&self) -> &'static str {
        "Undercast::Release::Ladder"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AcceptLeaks",
            "Alias",
            "FunctionName",
            "Limits",
            "Name",
            "OnFailure",
            "Outside",
            "Preset",
            "Rules",
            "Steps",
            "Version",
            "WaitForCompletion",
        ]
    }

    fn replaced_by(&self) -> &'static [&'static str] {
        &["Alias", "FunctionName", "Name"]
    }

    fn create(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let name = request
                .text("Name")
                .map_or_else(|| request.generated_name(NAME_MAX), str::to_owned);
            let ladder = Ladder::new(&request, name, &request.properties)?;
            if !ladder.make_alias(&ctx).await? {
                let reached = ladder.reach(&ctx).await;
                if reached.is_err() {
                    // The ladder is not there; how its release went can still be looked at.
                    drop_row(&ctx, &ladder.name).await?;
                }
                reached?;
            }
            Ok(ladder.shown(&ctx))
        }
        .boxed()
    }

    fn update(&self, ctx: Context, request: ResourceRequest) -> Future<Resource> {
        async move {
            let ladder = Ladder::new(&request, request.physical_id.clone(), &request.properties)?;
            if request.is_rollback {
                halt(&ctx, &ladder.name).await?;
                ladder.set_alias(&ctx).await?;
            } else if request.changed("Version") {
                ladder.reach(&ctx).await?;
            }
            Ok(ladder.shown(&ctx))
        }
        .boxed()
    }

    fn delete(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            if request.physical_id.is_empty() {
                return Ok(());
            }
            end(&ctx, &request.physical_id).await?;
            forget(&ctx, &request.physical_id).await
        }
        .boxed()
    }
}

/// `Metadata: {"Undercast::Release": {…}}` on an `AWS::Lambda::Alias`: AWS takes it for a comment.
pub(crate) struct MetadataMover;

impl AliasMover for MetadataMover {
    fn is_wanted(&self, request: &ResourceRequest) -> bool {
        request.metadata.get(METADATA).is_some()
    }

    fn advance(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let Some(Value::Object(settings)) = request.metadata.get(METADATA) else {
                return Err(invalid(format!("Metadata: {METADATA} has to be a map")));
            };
            let unknown = settings.keys().find(|key| !SETTINGS.contains(&key.as_str()));
            if let Some(key) = unknown {
                return Err(invalid(format!("Metadata: {METADATA} has no {key}")));
            }
            let mut settings = settings.clone();
            let p = &request.properties;
            for (name, from) in [
                ("FunctionName", "FunctionName"),
                ("Alias", "Name"),
                ("Version", "FunctionVersion"),
            ] {
                settings.insert(name.to_owned(), p.get(from).cloned().unwrap_or_default());
            }
            let name = request.generated_name(NAME_MAX);
            Ladder::new(&request, name, &Value::Object(settings))?.reach(&ctx).await
        }
        .boxed()
    }

    fn end(&self, ctx: Context, request: ResourceRequest) -> Future<()> {
        async move {
            let name = request.generated_name(NAME_MAX);
            if request.is_rollback { halt(&ctx, &name).await } else { end(&ctx, &name).await }
        }
        .boxed()
    }
}

/// A ladder as a template wants it.
struct Ladder {
    name: String,
    /// Without an ARN.
    function: String,
    alias: String,
    version: String,
    waits: bool,
    /// Of the stack's operation.
    token: String,
    /// What `StartRelease` is given beside names and version.
    settings: Map<String, Value>,
}

impl Ladder {
    fn new(
        request: &ResourceRequest,
        name: String,
        properties: &Value,
    ) -> Result<Self, ServiceError> {
        let text = |property: &str| match properties.get(property) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            _ => Err(invalid(format!("{property} is required"))),
        };
        let version = text("Version")?;
        let mut settings = Map::new();
        for key in SETTINGS.iter().filter(|key| **key != "WaitForCompletion") {
            let Some(value) = properties.get(*key).filter(|value| !value.is_null()) else {
                continue;
            };
            // A parameter of a template is text, whatever it says.
            let value = match *key {
                "AcceptLeaks" | "Limits" | "Rules" | "Steps" => plain(value),
                _ => value.clone(),
            };
            settings.insert((*key).to_owned(), value);
        }
        check_members(&settings)?;
        let waits = properties.get("WaitForCompletion").map(plain);
        Ok(Self {
            name,
            function: function_name(&text("FunctionName")?),
            alias: text("Alias")?,
            // `Ref` of a version is its ARN.
            version: version.rsplit(':').next().unwrap_or_default().to_owned(),
            waits: waits == Some(Value::Bool(true)),
            token: format!("{}/{}", request.operation, request.logical_id),
            settings,
        })
    }

    fn shown(&self, ctx: &Context) -> Resource {
        let alias = ctx.arn("lambda", format!("function:{}:{}", self.function, self.alias));
        let release = ctx.arn("undercast-release", format!("release/{}", self.name));
        Resource::new(&self.name).with("AliasArn", alias).with("ReleaseArn", release)
    }

    fn alias_input(&self) -> Value {
        json!({
            "FunctionName": self.function,
            "Name": self.alias,
            "FunctionVersion": self.version,
        })
    }

    /// Makes the alias if it is not there: whether this ladder has made it, now or in an earlier attempt.
    async fn make_alias(&self, ctx: &Context) -> Result<bool, ServiceError> {
        let key = key(ctx, &self.name);
        let known = LADDERS.read(ctx.store(), &key).await?;
        let found = call(ctx, "lambda", "GetAlias", self.alias_input()).await;
        let is_there = match found {
            Ok(_) => true,
            Err(error) if error.code() == GONE => false,
            Err(error) => return Err(error),
        };
        // Noted before it is made: after a crash between the two it is known whose it is.
        let made_alias = known.map_or(!is_there, |row| row.made_alias);
        self.note(ctx, made_alias).await?;
        if is_there {
            return Ok(made_alias && self.leads_there(ctx).await?);
        }
        match call(ctx, "lambda", "CreateAlias", self.alias_input()).await {
            Ok(_) => Ok(true),
            // Somebody else was quicker.
            Err(error) if error.code() == EXISTS => {
                self.note(ctx, false).await?;
                Ok(false)
            }
            Err(error) => {
                drop_row(ctx, &self.name).await?;
                Err(error)
            }
        }
    }

    async fn note(&self, ctx: &Context, made_alias: bool) -> Result<(), ServiceError> {
        let row =
            LadderRow { function: self.function.clone(), alias: self.alias.clone(), made_alias };
        ctx.transact((key(ctx, &self.name), row), |tx, _, input| async move {
            Ok(LADDERS.put(&tx, &input.0, &input.1)?)
        })
        .await
    }

    /// Whether the alias leads to the version, for everybody.
    async fn leads_there(&self, ctx: &Context) -> Result<bool, ServiceError> {
        let alias = call(ctx, "lambda", "GetAlias", self.alias_input()).await?;
        Ok(alias.get("FunctionVersion").and_then(Value::as_str) == Some(&self.version))
    }

    async fn set_alias(&self, ctx: &Context) -> Result<(), ServiceError> {
        let mut input = self.alias_input();
        if let Value::Object(input) = &mut input {
            input.insert("RoutingConfig".to_owned(), json!({"AdditionalVersionWeights": {}}));
        }
        call(ctx, "lambda", "UpdateAlias", input).await.map(drop)
    }

    /// Brings the alias to the version by a release, or waits for the one that an earlier attempt started.
    async fn reach(&self, ctx: &Context) -> Result<(), ServiceError> {
        let release = RELEASES.read(ctx.store(), &key(ctx, &self.name)).await?;
        let is_ours = release.is_some_and(|row| row.client_token.as_ref() == Some(&self.token));
        if !is_ours {
            end(ctx, &self.name).await?;
            if self.leads_there(ctx).await? {
                return Ok(());
            }
            self.start(ctx).await?;
        }
        if self.waits { wait(ctx, &self.name).await } else { Ok(()) }
    }

    async fn start(&self, ctx: &Context) -> Result<(), ServiceError> {
        let mut input = self.settings.clone();
        for (name, value) in [
            ("Name", &self.name),
            ("FunctionName", &self.function),
            ("Alias", &self.alias),
            ("ToVersion", &self.version),
            ("ClientToken", &self.token),
        ] {
            input.insert(name.to_owned(), value.clone().into());
        }
        call(ctx, "release", "StartRelease", Value::Object(input)).await.map(drop)
    }
}

/// Rolls back what is under way under this name and forgets it.
async fn end(ctx: &Context, name: &str) -> Result<(), ServiceError> {
    halt(ctx, name).await?;
    let result = call(ctx, "release", "DeleteRelease", json!({"Name": name})).await;
    result.map(drop).or_else(unless(&[GONE]))
}

/// The same, but what was found stays: why a stack went back is to be looked at.
async fn halt(ctx: &Context, name: &str) -> Result<(), ServiceError> {
    let Some(row) = RELEASES.read(ctx.store(), &key(ctx, name)).await? else {
        return Ok(());
    };
    if !row.state.is_final() {
        let input = json!({"Name": name, "Reason": "the stack has changed"});
        let result = call(ctx, "release", "RollBackRelease", input).await;
        // It may have come to its end by itself meanwhile.
        result.map(drop).or_else(unless(&["ConflictException", GONE]))?;
    }
    Ok(())
}

/// Waits until the release is over; an error if it went back.
async fn wait(ctx: &Context, name: &str) -> Result<(), ServiceError> {
    let key = key(ctx, name);
    let mut watch = RELEASES.watch(ctx.store(), &key);
    loop {
        let row = RELEASES.read(ctx.store(), &key).await?.ok_or_else(|| no_release(name))?;
        if row.state.is_final() && row.pending.is_empty() {
            return outcome(name, &row);
        }
        watch.changed().await;
    }
}

fn outcome(name: &str, row: &ReleaseRow) -> Result<(), ServiceError> {
    match row.state.phase {
        Phase::RolledBack => {
            let why = row.state.reasons.join("; ");
            let message = format!("The release {name} was rolled back: {why}");
            Err(ServiceError::new("ReleaseRolledBack", message))
        }
        _ => Ok(()),
    }
}

/// What a ladder owns goes with it: the alias, unless another ladder has taken it over.
async fn forget(ctx: &Context, name: &str) -> Result<(), ServiceError> {
    let own = key(ctx, name);
    let Some(row) = LADDERS.read(ctx.store(), &own).await? else {
        return Ok(());
    };
    let is_inherited = ctx.transact((own, row.clone()), |tx, _, input| async move {
        let (own, row) = &*input;
        let scope = (own.0.clone(), own.1.clone());
        let all = LADDERS.scan(&tx, LADDERS.prefix(&scope), 10_000, false).await?;
        let heir = all.into_iter().find(|(key, other)| {
            key != own && other.function == row.function && other.alias == row.alias
        });
        let Some((key, mut heir)) = heir else {
            return Ok(false);
        };
        heir.made_alias |= row.made_alias;
        LADDERS.put(&tx, &key, &heir)?;
        LADDERS.delete(&tx, own)?;
        Ok(true)
    });
    if is_inherited.await? {
        return Ok(());
    }
    if row.made_alias {
        let input = json!({"FunctionName": row.function, "Name": row.alias});
        let result = call(ctx, "lambda", "DeleteAlias", input).await;
        result.map(drop).or_else(unless(&[GONE]))?;
    }
    drop_row(ctx, name).await
}

async fn drop_row(ctx: &Context, name: &str) -> Result<(), ServiceError> {
    ctx.transact(key(ctx, name), |tx, _, key| async move { Ok(LADDERS.delete(&tx, &key)?) }).await
}

fn unless(codes: &'static [&'static str]) -> impl Fn(ServiceError) -> Result<(), ServiceError> {
    move |error| if codes.contains(&error.code()) { Ok(()) } else { Err(error) }
}

fn function_name(function: &str) -> String {
    let name = match function.starts_with("arn:") {
        true => function.split(':').nth(6),
        false => function.split(':').next(),
    };
    name.unwrap_or_default().to_owned()
}

/// Numbers and truth, where the template has them as text.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(whole), _) => whole.into(),
                (_, Ok(number)) if number.is_finite() => number.into(),
                _ => value.clone(),
            },
        },
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

/// A gate whose name is misspelt must not be a gate that passes.
fn check_members(settings: &Map<String, Value>) -> Result<(), ServiceError> {
    let wrong = |key: &str, error: &dyn std::fmt::Display| invalid(format!("{key}: {error}"));
    for (key, value) in settings {
        let known = match key.as_str() {
            "Steps" => {
                let Value::Array(steps) = value else {
                    return Err(invalid("Steps: a list"));
                };
                let mut known = Vec::new();
                for step in steps {
                    let step = from_document::<shapes::Step>(step);
                    known.push(to_document(&step.map_err(|error| wrong(key, &error))?));
                }
                Value::Array(known)
            }
            "Rules" => {
                let rules = from_document::<shapes::Rules>(value);
                to_document(&rules.map_err(|error| wrong(key, &error))?)
            }
            "Limits" => {
                let limits = from_document::<shapes::Limits>(value);
                to_document(&limits.map_err(|error| wrong(key, &error))?)
            }
            _ => continue,
        };
        if let Some(place) = unknown(value, &known) {
            return Err(invalid(format!("{key}: there is no {place}")));
        }
    }
    Ok(())
}

/// The first member that the known form has not.
fn unknown(given: &Value, known: &Value) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given
            .iter()
            .filter(|(_, value)| !value.is_null())
            .find_map(|(key, value)| match known.get(key) {
                Some(known) => unknown(value, known),
                None => Some(key.clone()),
            }),
        (Value::Array(given), Value::Array(known)) => {
            given.iter().zip(known).find_map(|(given, known)| unknown(given, known))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_with_a_misspelt_name_is_refused() {
        let step = |gates: Value| {
            let step = json!({"Kind": "Canary", "Share": "0.5", "Gates": gates});
            let settings = json!({"Steps": [plain(&step)]});
            check_members(settings.as_object().unwrap())
        };
        step(json!({"ErrorRateMax": "0.1", "SampleMin": 3})).unwrap();
        let error = step(json!({"ErorRateMax": 0.1})).unwrap_err();
        assert_eq!(error.message(), "Steps: there is no ErorRateMax");
    }

    #[test]
    fn a_function_is_known_by_name_or_arn() {
        for text in [
            "f",
            "f:2",
            "arn:aws:lambda:us-east-1:0:function:f",
            "arn:aws:lambda:us-east-1:0:function:f:live",
        ] {
            assert_eq!(function_name(text), "f");
        }
    }
}
