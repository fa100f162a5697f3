//! Which parts of an item are wanted.

use std::collections::BTreeMap;

use super::path::{Path, Step};
use crate::value::{Item, Value};

/// A tree of what is wanted; a node without branches is wanted whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projection {
    names: BTreeMap<String, Node>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Node {
    names: BTreeMap<String, Node>,
    indexes: BTreeMap<usize, Node>,
}

impl Projection {
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut projection = Self::default();
        for path in paths {
            let mut node = projection.names.entry(path.name.clone()).or_default();
            for step in &path.rest {
                node = match step {
                    Step::Name(name) => node.names.entry(name.clone()).or_default(),
                    Step::Index(index) => node.indexes.entry(*index).or_default(),
                };
            }
        }
        projection
    }

    /// The attributes that it touches.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    pub fn apply(&self, item: &Item) -> Item {
        pick_names(&self.names, item)
    }
}

fn pick_names(names: &BTreeMap<String, Node>, map: &Item) -> Item {
    let picked = names.iter().filter_map(|(name, node)| {
        let value = pick(node, map.get(name)?)?;
        Some((name.clone(), value))
    });
    picked.collect()
}

fn pick(node: &Node, value: &Value) -> Option<Value> {
    if node.names.is_empty() && node.indexes.is_empty() {
        return Some(value.clone());
    }
    match value {
        Value::M(map) => {
            let picked = pick_names(&node.names, map);
            (!picked.is_empty()).then_some(Value::M(picked))
        }
        Value::L(list) => {
            let picked = node.indexes.iter();
            let picked: Vec<Value> =
                picked.filter_map(|(index, node)| pick(node, list.get(*index)?)).collect();
            (!picked.is_empty()).then_some(Value::L(picked))
        }
        _ => None,
    }
}
