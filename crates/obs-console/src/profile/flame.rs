//! Stacks as the tree of a flame graph.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::pprof::Stack;

/// Calls of the tree; past it further ones are counted to their caller.
const MAX_NODES: usize = 20_000;
/// Deeper stacks are cut: whoever reads nested JSON has a limit.
const MAX_DEPTH: usize = 200;
/// Longer names are cut.
const MAX_NAME_CHARS: usize = 512;

/// The calls below one another. Of each: samples in it, and in it but in none of its callees.
#[derive(Debug)]
pub(super) struct Flame {
    nodes: Vec<Node>,
    /// By caller and name.
    node_indexes: HashMap<(usize, Box<str>), usize>,
    /// Samples whose stack was cut at the depth or the number of calls.
    pub(super) truncated_samples: u64,
}

#[derive(Debug)]
struct Node {
    name: Box<str>,
    value: u64,
    self_samples: u64,
    children: Vec<usize>,
}

impl Node {
    fn new(name: Box<str>) -> Self {
        Self { name, value: 0, self_samples: 0, children: Vec::new() }
    }
}

impl Flame {
    pub(super) fn from_stacks(stacks: impl Iterator<Item = Stack>) -> Self {
        let mut flame = Self {
            nodes: vec![Node::new("all".into())],
            node_indexes: HashMap::new(),
            truncated_samples: 0,
        };
        for stack in stacks {
            flame.add(stack);
        }
        flame
    }

    pub(super) fn total(&self) -> u64 {
        self.nodes.first().map_or(0, |root| root.value)
    }

    fn add(&mut self, stack: Stack) {
        let mut at = 0;
        self.count(at, stack.samples);
        let is_deep = stack.frames.len() > MAX_DEPTH;
        let mut is_truncated = is_deep;
        for name in stack.frames.into_iter().take(MAX_DEPTH) {
            let name = match name.char_indices().nth(MAX_NAME_CHARS) {
                Some((end, _)) => name.get(..end).unwrap_or_default().into(),
                None => name,
            };
            let Some(next) = self.child(at, name) else {
                is_truncated = true;
                break;
            };
            at = next;
            self.count(at, stack.samples);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.self_samples += stack.samples;
        }
        self.truncated_samples += if is_truncated { stack.samples } else { 0 };
    }

    fn count(&mut self, at: usize, samples: u64) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.value += samples;
        }
    }

    fn child(&mut self, parent: usize, name: Box<str>) -> Option<usize> {
        let key = (parent, name);
        if let Some(known) = self.node_indexes.get(&key) {
            return Some(*known);
        }
        if self.nodes.len() >= MAX_NODES {
            return None;
        }
        let index = self.nodes.len();
        self.nodes.push(Node::new(key.1.clone()));
        self.nodes.get_mut(parent)?.children.push(index);
        self.node_indexes.insert(key, index);
        Some(index)
    }
}

impl Serialize for Flame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Subtree { flame: self, at: 0 }.serialize(serializer)
    }
}

struct Subtree<'a> {
    flame: &'a Flame,
    at: usize,
}

impl Serialize for Subtree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(node) = self.flame.nodes.get(self.at) else { return serializer.serialize_none() };
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("name", &*node.name)?;
        map.serialize_entry("value", &node.value)?;
        map.serialize_entry("self", &node.self_samples)?;
        map.serialize_entry("children", &Children { flame: self.flame, nodes: &node.children })?;
        map.end()
    }
}

struct Children<'a> {
    flame: &'a Flame,
    nodes: &'a [usize],
}

impl Serialize for Children<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.nodes.len()))?;
        for at in self.nodes {
            list.serialize_element(&Subtree { flame: self.flame, at: *at })?;
        }
        list.end()
    }
}
