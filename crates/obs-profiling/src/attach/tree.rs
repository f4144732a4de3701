//! Which processes descend from one, from `/proc`.

use std::collections::{HashMap, HashSet};
use std::fs;

/// The process and all that descend from it, each after its parent. This very program is left out: whoever
/// looks into a shell may have started it there.
///
/// A process whose parent has ended belongs to whoever took it in: often to process 1.
pub(crate) fn of(root: i32) -> Vec<i32> {
    descendants(root, &parents(), std::process::id().cast_signed())
}

/// Each process with its parent. One that ends meanwhile is left out.
fn parents() -> Vec<(i32, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

/// proc_pid_stat(5), field 4.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn descendants(root: i32, parents: &[(i32, i32)], own: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for &(pid, parent) in parents {
        children.entry(parent).or_default().push(pid);
    }
    let mut found = vec![root];
    // The list is not of one moment: numbers that are used again could make a circle.
    let mut seen = HashSet::from([root, own]);
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let mut new = children.remove(pid).unwrap_or_default();
        new.retain(|child| seen.insert(*child));
        new.sort_unstable();
        found.extend(new);
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_follow_parents_despite_cycles() {
        let parents = [(1, 0), (9, 7), (7, 5), (6, 5), (5, 9), (8, 1), (4, 6)];
        assert_eq!(descendants(5, &parents, 4), [5, 6, 7, 9]);
        assert_eq!(descendants(3, &parents, 4), [3]);
    }

    #[test]
    fn child_of_own_process_is_found() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let own = std::process::id().cast_signed();
        let found = descendants(own, &parents(), -1);
        child.kill().expect("it runs");
        child.wait().expect("it has ended");
        assert_eq!(found.first(), Some(&own));
        assert!(found.contains(&child.id().cast_signed()), "{found:?}");
    }
}
