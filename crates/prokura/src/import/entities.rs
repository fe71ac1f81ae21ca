//! Legal entities refer to each other, and a parent may stand below its subsidiary. So the file is read once to learn
//! who belongs to whom, and then once for each level, parents first.

use super::{Import, Reading, rows};
use anyhow::bail;
use prokura_domain::MAX_HIERARCHY_DEPTH;
use prokura_engine::{Error, FieldFault, Refusal};
use std::{collections::HashMap, hash::BuildHasher as _};

/// What is known of a row after the first reading.
struct Node {
    line: u64,
    parent: Option<u64>,
    /// Levels above it within the file; `None` until it is known, or when it must be left out.
    level: Option<usize>,
    fault: Option<&'static str>,
}

const CYCLE: &str = "the parents form a circle: one of them must be a COMPANY without a parent";
const UNKNOWN: &str = "there is no such legal entity in this file or in the tenant";
const LEFT_OUT: &str = "the parent's own row is left out: mend that one first";
const TOO_DEEP: &str = "a legal entity has at most 19 ancestors";

impl Import<'_> {
    pub(super) async fn legal_entities(&mut self, reading: &mut Reading<'_>) -> anyhow::Result<()> {
        let mut nodes = self.survey(reading).await?;
        settle(&mut nodes);
        let deepest = nodes.values().filter_map(|node| node.level).max().unwrap_or(0);
        for level in 0..=deepest {
            self.take_level(reading, &nodes, level).await?;
        }
        Ok(())
    }

    /// The first reading: who is there, and who belongs to whom.
    async fn survey(&self, reading: &Reading<'_>) -> anyhow::Result<HashMap<u64, Node>> {
        let Some(kind) = rows::KINDS.first() else { bail!("no kinds") };
        let mut nodes = HashMap::new();
        let mut outside: HashMap<u64, String> = HashMap::new();
        for record in reading.table.records()? {
            let record = record?;
            let Some(id) = record.get("id") else { continue };
            let parent = record.get("parent_id");
            let hash = self.hasher.hash_one(id.to_owned());
            let parent_hash = parent.map(|parent| self.hasher.hash_one(parent.to_owned()));
            let is_right = record.fault.is_none() && (kind.read)(&record).is_ok();
            let node =
                Node { line: record.line, parent: parent_hash, level: None, fault: (!is_right).then_some(LEFT_OUT) };
            // The first of two rows with one id counts, whatever is wrong with it.
            nodes.entry(hash).or_insert(node);
            if let (Some(parent), Some(hash)) = (parent, parent_hash) {
                outside.insert(hash, parent.to_owned());
            }
        }
        outside.retain(|hash, _| !nodes.contains_key(hash));
        let mut known = Vec::new();
        for (hash, parent) in outside {
            if let Ok(id) = parent.parse() {
                match self.engine.legal_entity(self.tenant, &id).await {
                    Ok(_) => known.push(hash),
                    Err(Error::Refused(Refusal::NotFound(_))) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for node in nodes.values_mut() {
            if node.parent.is_some_and(|parent| known.contains(&parent)) {
                node.parent = None;
            }
        }
        Ok(nodes)
    }

    /// Takes the rows of one level in. On the first one, whatever is wrong is reported, in the order of the lines.
    async fn take_level(
        &mut self,
        reading: &mut Reading<'_>,
        nodes: &HashMap<u64, Node>,
        level: usize,
    ) -> anyhow::Result<()> {
        let Some(kind) = rows::KINDS.first() else { bail!("no kinds") };
        let mut batch = Vec::with_capacity(super::BATCH);
        for record in reading.table.records()? {
            let record = record?;
            let node = record.get("id").and_then(|id| nodes.get(&self.hasher.hash_one(id.to_owned())));
            let is_first = node.is_some_and(|node| node.line == record.line);
            if level == 0 {
                reading.bar.set_position(record.position);
                reading.counts.read += 1;
                if let Err(faults) = self.read(kind, reading, &record) {
                    self.leave_out(reading, record.line, faults);
                    continue;
                }
                if let Some(fault) = node.filter(|_| is_first).and_then(|node| node.fault) {
                    self.leave_out(
                        reading,
                        record.line,
                        vec![FieldFault { field: "parent_id", reason: fault.to_owned() }],
                    );
                    continue;
                }
            }
            if is_first
                && node.is_some_and(|node| node.level == Some(level))
                && let Ok((_, row)) = (kind.read)(&record)
            {
                batch.push((record.line, row));
            }
            if batch.len() == super::BATCH {
                self.take_in(reading, &mut batch).await?;
            }
        }
        self.take_in(reading, &mut batch).await
    }
}

/// Finds the level of every row, or why it must be left out.
fn settle(nodes: &mut HashMap<u64, Node>) {
    let all: Vec<u64> = nodes.keys().copied().collect();
    for start in all {
        let mut path = Vec::new();
        let mut at = start;
        // Walk up until something is known.
        let end: Result<usize, &'static str> = loop {
            let Some(node) = nodes.get(&at) else { break Err(UNKNOWN) };
            if let Some(fault) = node.fault {
                break Err(if path.is_empty() || fault == CYCLE { fault } else { LEFT_OUT });
            }
            if let Some(level) = node.level {
                break Ok(level + 1);
            }
            if path.contains(&at) {
                break Err(CYCLE);
            }
            if path.len() > MAX_HIERARCHY_DEPTH {
                break Err(TOO_DEEP);
            }
            path.push(at);
            match node.parent {
                Some(parent) => at = parent,
                None => break Ok(0),
            }
        };
        let mut end = end;
        for hash in path.into_iter().rev() {
            let Some(node) = nodes.get_mut(&hash) else { continue };
            match end {
                Ok(level) if level >= MAX_HIERARCHY_DEPTH => node.fault = Some(TOO_DEEP),
                Ok(level) => {
                    node.level = Some(level);
                    end = Ok(level + 1);
                }
                Err(fault) => {
                    node.fault = Some(fault);
                    end = Err(if fault == UNKNOWN { LEFT_OUT } else { fault });
                }
            }
        }
    }
}
