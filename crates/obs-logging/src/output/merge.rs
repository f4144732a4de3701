//! What all shards hold at one moment, in the order of time.

use std::sync::atomic::Ordering;

use super::shards::{MAX_SHARDS, Shard};

/// Merged lines are handed to the output in parts of about this many bytes.
const PART_BYTES: usize = 1024 * 1024;

/// The length of `2026-06-19T10:23:45.123456Z`.
const TIME_LENGTH: usize = 27;

/// The lines that have been taken out of the shards. Buffers are given back empty, so that nothing is
/// allocated again.
#[derive(Default)]
pub(super) struct Batch {
    drained: Vec<DrainedShard>,
    merged: Vec<u8>,
    merged_ends: Vec<u32>,
}

/// The lines of one shard, and how far they have been merged.
#[derive(Default)]
struct DrainedShard {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    /// The next line's place in `ends`, and where it begins.
    next: usize,
    start: usize,
}

impl Batch {
    /// Empties all shards at one moment, so that no line is left for the next batch that happened
    /// before one of this; answers whether there was any line.
    pub(super) fn take(&mut self, shards: &[Shard]) -> bool {
        self.drained.resize_with(shards.len(), DrainedShard::default);
        let mut found = false;
        let locked: [_; MAX_SHARDS] = std::array::from_fn(|at| shards.get(at).map(Shard::lock));
        let locked = locked.into_iter().flatten();
        for ((mut lines, shard), drained) in locked.zip(shards).zip(&mut self.drained) {
            drained.clear();
            if lines.ends.is_empty() {
                continue;
            }
            found = true;
            std::mem::swap(&mut lines.bytes, &mut drained.bytes);
            std::mem::swap(&mut lines.ends, &mut drained.ends);
            shard.filled.store(0, Ordering::Relaxed);
            if lines.waiting > 0 {
                shard.has_room.notify_all();
            }
        }
        found
    }

    /// Hands the lines over: those of a single shard as they are, those of several merged.
    pub(super) fn write(&mut self, mut write: impl FnMut(&[u8], &[u32])) {
        loop {
            let mut filled = self.drained.iter_mut().filter(|drained| !drained.is_done());
            let Some(first) = filled.next() else { break };
            if filled.next().is_none() && first.next == 0 && self.merged_ends.is_empty() {
                write(&first.bytes, &first.ends);
                break;
            }
            self.merge_run();
            if self.merged.len() >= PART_BYTES {
                self.hand_over(&mut write);
            }
        }
        if !self.merged_ends.is_empty() {
            self.hand_over(&mut write);
        }
    }

    fn hand_over(&mut self, write: &mut impl FnMut(&[u8], &[u32])) {
        write(&self.merged, &self.merged_ends);
        self.merged.clear();
        self.merged_ends.clear();
    }

    /// Copies the lines of the shard with the earliest one, until another shard has an earlier.
    fn merge_run(&mut self) {
        let times = self.drained.iter().enumerate().filter(|(_, drained)| !drained.is_done());
        let Some((earliest, _)) = times.clone().min_by_key(|(_, drained)| drained.time()) else {
            return;
        };
        let others = times.filter(|(at, _)| *at != earliest).map(|(_, drained)| drained.time());
        let mut until = [u8::MAX; TIME_LENGTH];
        if let Some(time) = others.min() {
            until[..time.len()].copy_from_slice(time);
            until[time.len()..].fill(0);
        }
        let drained = &mut self.drained[earliest];
        let from = drained.start;
        let offset = self.merged.len();
        loop {
            drained.start =
                drained.ends.get(drained.next).map_or(drained.start, |end| *end as usize);
            drained.next += 1;
            self.merged_ends.push((offset + drained.start - from) as u32);
            let is_full = offset + drained.start - from >= PART_BYTES;
            if is_full || drained.is_done() || drained.time() > &until[..] {
                break;
            }
        }
        self.merged.extend_from_slice(&drained.bytes[from..drained.start]);
    }
}

impl DrainedShard {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.next = 0;
        self.start = 0;
    }

    fn is_done(&self) -> bool {
        self.next >= self.ends.len()
    }

    /// The next line's time as it stands in the line, which sorts as text: behind `{"timestamp":"` in
    /// JSON, else at the beginning, with or without a colour.
    fn time(&self) -> &[u8] {
        let line = &self.bytes[self.start..];
        let line = line
            .strip_prefix(br#"{"timestamp":""#)
            .or_else(|| line.strip_prefix(b"\x1b[2m"))
            .unwrap_or(line);
        &line[..line.len().min(TIME_LENGTH)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(lines: &[String]) -> Shard {
        let shard = Shard::default();
        {
            let mut held = shard.lock();
            for line in lines {
                held.bytes.extend_from_slice(line.as_bytes());
                let end = held.bytes.len() as u32;
                held.ends.push(end);
            }
        }
        shard
    }

    fn line(prefix: &str, microsecond: u32, name: &str) -> String {
        format!("{prefix}2026-06-19T10:23:45.{microsecond:06}Z {name}\n")
    }

    #[test]
    fn lines_of_several_shards_are_merged_by_time() {
        for prefix in ["", "\x1b[2m", "{\"timestamp\":\""] {
            let of = |times: &[u32]| -> Vec<String> {
                times.iter().map(|time| line(prefix, *time, "x")).collect()
            };
            let parts = [of(&[1, 5, 6, 9]), of(&[]), of(&[2, 3, 10]), of(&[4, 7, 8, 11, 12])];
            let shards: Vec<_> = parts.iter().map(|part| shard(part)).collect();
            let mut batch = Batch::default();
            assert!(batch.take(&shards));
            let (mut bytes, mut count) = (Vec::new(), 0);
            batch.write(|part, ends| {
                bytes.extend_from_slice(part);
                count += ends.len();
                assert_eq!(ends.last().map(|end| *end as usize), Some(part.len()));
            });
            let expected: String = of(&(1..=12).collect::<Vec<_>>()).concat();
            assert_eq!((String::from_utf8(bytes).unwrap(), count), (expected, 12));
            assert!(!batch.take(&shards), "all shards are empty now");
        }
    }

    #[test]
    fn lines_of_one_shard_keep_order_despite_times() {
        let mut lines = vec![line("", 9, "a"), line("", 1, "b"), "no time\n".to_owned()];
        lines.push("\n".to_owned());
        let shards = [shard(&lines), shard(&[line("", 5, "c")])];
        let mut batch = Batch::default();
        batch.take(&shards);
        let mut bytes = Vec::new();
        batch.write(|part, _| bytes.extend_from_slice(part));
        let text = String::from_utf8(bytes).unwrap();
        let places: Vec<_> = [" a\n", " b\n", "no time"].map(|name| text.find(name)).to_vec();
        assert!(places.is_sorted() && places[0].is_some(), "{text}");
        assert_eq!(text.len(), lines.concat().len() + line("", 5, "c").len());
    }

    #[test]
    fn large_batch_is_written_in_parts_of_whole_lines() {
        let of = |from: u32| -> Vec<String> {
            (0..400).map(|n| line("", from + 2 * n, &"x".repeat(4000))).collect()
        };
        let shards = [shard(&of(0)), shard(&of(1))];
        let mut batch = Batch::default();
        batch.take(&shards);
        let mut parts = Vec::new();
        batch.write(|part, ends| {
            assert!(part.ends_with(b"\n") && ends.is_sorted());
            parts.push(part.len());
        });
        assert!(parts.len() > 2 && parts.iter().all(|part| *part < PART_BYTES + 8000), "{parts:?}");
    }
}
