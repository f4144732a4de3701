//! Circles of a directed graph: its strongly connected components of two and more (Tarjan, 1972).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn circles<'a>(ties: impl Iterator<Item = (&'a Path, &'a Path)>) -> Vec<Vec<PathBuf>> {
    let mut search = Search::default();
    for (from, to) in ties {
        search.edges.entry(from).or_default().push(to);
        search.edges.entry(to).or_default();
    }
    let nodes: Vec<_> = search.edges.keys().copied().collect();
    for node in nodes {
        if !search.visited.contains_key(node) {
            search.visit(node);
        }
    }
    search.circles
}

#[derive(Default)]
struct Search<'a> {
    edges: BTreeMap<&'a Path, Vec<&'a Path>>,
    visited: BTreeMap<&'a Path, Visited>,
    stack: Vec<&'a Path>,
    circles: Vec<Vec<PathBuf>>,
}

#[derive(Clone, Copy)]
struct Visited {
    /// How many were found before it.
    found: usize,
    on_stack: bool,
}

impl<'a> Search<'a> {
    /// Visits what is reachable from `node`; recurses as deep as the longest chain of files.
    fn visit(&mut self, node: &'a Path) -> usize {
        let found = self.visited.len();
        let mut lowest = found;
        self.visited.insert(node, Visited { found, on_stack: true });
        self.stack.push(node);
        for next in self.edges.get(node).cloned().unwrap_or_default() {
            match self.visited.get(next).copied() {
                None => lowest = lowest.min(self.visit(next)),
                Some(next) if next.on_stack => lowest = lowest.min(next.found),
                Some(_) => {}
            }
        }
        if lowest == found {
            self.close(node);
        }
        lowest
    }

    /// Everything above `node` on the stack is one component with it.
    fn close(&mut self, node: &'a Path) {
        let mut circle = Vec::new();
        while let Some(top) = self.stack.pop() {
            if let Some(visited) = self.visited.get_mut(top) {
                visited.on_stack = false;
            }
            circle.push(top.to_owned());
            if top == node {
                break;
            }
        }
        if circle.len() > 1 {
            circle.sort();
            self.circles.push(circle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(ties: &[(&'static str, &'static str)]) -> Vec<Vec<PathBuf>> {
        circles(ties.iter().map(|(from, to)| (Path::new(*from), Path::new(*to))))
    }

    #[test]
    fn layers_have_no_circle() {
        assert!(
            circles_of(&[("top", "middle"), ("top", "ground"), ("middle", "ground")]).is_empty()
        );
    }

    #[test]
    fn separate_circles_are_found_separately() {
        let ties = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "c")];
        let found = circles_of(&ties);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.contains(&vec!["a".into(), "b".into()]), "{found:?}");
        assert!(found.contains(&vec!["c".into(), "d".into(), "e".into()]), "{found:?}");
    }
}
