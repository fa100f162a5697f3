//! What CloudFormation makes: resource types, each living beside the service that owns it.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use undercast_smithy::Document;

use crate::{Context, ServiceError};

/// A CloudFormation resource type.
///
/// Every method may run again after a crash: `create` has to find what an earlier attempt for the
/// same stack and logical id made (names follow from [`ResourceRequest::generated_name`], named
/// resources carry the stack's tags) instead of making a second one, and `delete` of something that
/// is gone succeeds.
pub trait ResourceType: Send + Sync + 'static {
    /// `AWS::SQS::Queue`.
    fn name(&self) -> &'static str;

    /// The properties that are understood; any other fails the stack by name.
    fn properties(&self) -> &'static [&'static str];

    /// Properties that are accepted and have no effect here; the stack's events say so.
    fn inert_properties(&self) -> &'static [&'static str] {
        &[]
    }

    /// Those among them that cannot be changed in place: a change replaces the resource.
    fn replaced_by(&self) -> &'static [&'static str] {
        &[]
    }

    fn create(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>>;

    /// Changes in place; `request.old` holds the properties before.
    fn update(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<Resource, ServiceError>>;

    fn delete(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>>;
}

#[derive(Debug, Clone)]
pub struct ResourceRequest {
    pub stack_id: String,
    pub stack_name: String,
    pub logical_id: String,
    /// Different for each replacement of the resource: part of generated names.
    pub generation: u32,
    /// Twelve or more characters from stack id, logical id and generation: always the same ones.
    pub suffix: String,
    /// Empty in `create`.
    pub physical_id: String,
    /// All intrinsics resolved.
    pub properties: Document,
    /// The properties before an update; null otherwise.
    pub old: Document,
    /// Of the stack, with `aws:cloudformation:stack-name`, `…:stack-id` and `…:logical-id`.
    pub tags: BTreeMap<String, String>,
    /// 1 for the first attempt; more after a crash.
    pub attempt: u32,
    /// The resource's `Metadata`, intrinsics resolved; null where there is none.
    pub metadata: Document,
    /// Its `UpdatePolicy`, in the same way.
    pub update_policy: Document,
    /// Names the stack's operation: the same in every attempt, another one for the next operation.
    pub operation: String,
    /// The stack's update has failed: the resource is put back to `properties`.
    pub is_rollback: bool,
}

/// Moves an alias of a function to another version by steps, where a template asks for that instead of an
/// update at once. Lambda's alias type asks all that are registered with [`crate::Service::alias_mover`].
pub trait AliasMover: Send + Sync + 'static {
    /// Whether the resource's `Metadata` or `UpdatePolicy` asks for this one.
    fn is_wanted(&self, request: &ResourceRequest) -> bool;

    /// Moves the alias to the version that `request.properties` names, for an update of it. May run again
    /// after a crash.
    fn advance(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>>;

    /// Nothing of an earlier move is under way any more: the alias is updated at once, or deleted. Succeeds
    /// where there was nothing.
    fn end(
        &self,
        ctx: Context,
        request: ResourceRequest,
    ) -> BoxFuture<'static, Result<(), ServiceError>>;
}

impl ResourceRequest {
    /// `{stack}-{logical id}-{suffix}`, shortened to `max` characters: what AWS calls a resource that
    /// the template does not name.
    pub fn generated_name(&self, max: usize) -> String {
        let suffix: String = self.suffix.chars().take(12).collect();
        let room = max.saturating_sub(suffix.len() + 2);
        let logical: String = self.logical_id.chars().take(room / 2).collect();
        let stack: String =
            self.stack_name.chars().take(room.saturating_sub(logical.len())).collect();
        format!("{stack}-{logical}-{suffix}")
    }

    /// A property as text, where it is there and is text.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property).and_then(Document::as_str)
    }

    /// Whether an update changes this property.
    pub fn changed(&self, property: &str) -> bool {
        self.properties.get(property) != self.old.get(property)
    }

    /// The tags in the list form that most services take, the resource's own first.
    pub fn tag_list(&self) -> Vec<(String, String)> {
        let mut tags: BTreeMap<String, String> = BTreeMap::new();
        for tag in self.properties.get("Tags").and_then(Document::as_array).into_iter().flatten() {
            if let (Some(key), Some(value)) = (
                tag.get("Key").and_then(Document::as_str),
                tag.get("Value").and_then(Document::as_str),
            ) {
                tags.insert(key.to_owned(), value.to_owned());
            }
        }
        if let Some(Document::Object(map)) = self.properties.get("Tags") {
            for (key, value) in map {
                tags.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
            }
        }
        for (key, value) in &self.tags {
            tags.entry(key.clone()).or_insert_with(|| value.clone());
        }
        tags.into_iter().collect()
    }
}

/// A resource as it stands.
#[derive(Debug, Clone, Default)]
pub struct Resource {
    /// What `Ref` gives.
    pub physical_id: String,
    /// What `Fn::GetAtt` gives, by attribute name.
    pub attributes: BTreeMap<String, Document>,
}

impl Resource {
    pub fn new(physical_id: impl Into<String>) -> Self {
        Self { physical_id: physical_id.into(), attributes: BTreeMap::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Document>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }
}
