//! The trace that an invocation is a part of, and its entry in the journal.

use std::time::Duration;

use undercast_kernel::{Context, Counted, Entry, What, new_root, trace_root};

use super::Target;
use super::run::Event;
use crate::name::FunctionName;

impl Event {
    /// The same event with the trace header that its function sees: of the trace that it or the call belongs to, else of
    /// a new one.
    pub(crate) fn traced(mut self, ctx: &Context, target: &Target) -> Self {
        let header = self.trace_id.take().unwrap_or_default();
        if trace_root(&header).is_some() && header.contains("Parent=") {
            self.trace_id = Some(header);
            return self;
        }
        let root = match (trace_root(&header), ctx.trace()) {
            (Some(root), _) => root.to_owned(),
            (None, Some(root)) => root.to_string(),
            (None, None) => new_root(ctx.env()),
        };
        let wants = header.contains("Sampled=1") || target.config.settings.tracing == "Active";
        let parent = ctx.env().ids.hex(16);
        self.trace_id = Some(format!("Root={root};Parent={parent};Sampled={}", u8::from(wants)));
        self
    }
}

/// An invocation as the journal has it.
pub(super) struct Noted<'a> {
    pub(super) request_id: String,
    pub(super) trace_id: Option<String>,
    pub(super) name: &'a FunctionName,
    pub(super) version: &'a str,
}

impl Noted<'_> {
    pub(super) fn note(self, ctx: &Context, took: Duration, is_cold: bool, error: Option<String>) {
        let what = What::Invocation {
            function: self.name.name.clone(),
            version: self.version.to_owned(),
            is_cold,
        };
        self.count(ctx, took, error.as_deref());
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(0);
        let mut entry = Entry::of(ctx, ctx.now_ms() - took_ms, took, what, error);
        entry.request_id = self.request_id;
        let root = self.trace_id.as_deref().and_then(trace_root);
        entry.trace = root.map(Into::into).or(entry.trace);
        entry.account.clone_from(&self.name.account);
        ctx.kernel().journal().note(entry);
    }

    /// For the function and, where it was invoked by one, for the qualifier.
    fn count(&self, ctx: &Context, took: Duration, error: Option<&str>) {
        let name = &self.name.name;
        let resource = self.name.qualifier.as_ref().map(|qualifier| format!("{name}:{qualifier}"));
        let of_function = [("FunctionName", name.as_str())];
        let of_resource =
            resource.as_ref().map(|r| [("FunctionName", name.as_str()), ("Resource", r)]);
        let all = [Some(&of_function[..]), of_resource.as_ref().map(|all| &all[..])];
        let count = |name: &str, value: f64, unit: &str| {
            for dimensions in all.into_iter().flatten() {
                ctx.count(&Counted { namespace: "AWS/Lambda", name, dimensions, value, unit });
            }
        };
        let flag = |holds: bool| if holds { 1.0 } else { 0.0 };
        let is_throttled = error == Some("TooManyRequestsException");
        count("Throttles", flag(is_throttled), "Count");
        if !is_throttled {
            count("Invocations", 1.0, "Count");
            count("Errors", flag(error.is_some()), "Count");
            count("Duration", took.as_secs_f64() * 1000.0, "Milliseconds");
        }
    }
}
