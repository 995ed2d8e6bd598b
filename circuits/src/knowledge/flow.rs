//! The smallest cut of a network, by Dinic's algorithm (1970).

use std::collections::VecDeque;

/// A network with a source (node 0) and a sink (node 1).
pub(super) struct Network {
    /// Arc `i` and its reverse `i ^ 1`: where it leads, and what it can still carry.
    arcs: Vec<(u32, u64)>,
    /// Arcs that leave each node.
    leaving: Vec<Vec<u32>>,
}

pub(super) const SOURCE: u32 = 0;
pub(super) const SINK: u32 = 1;

/// A capacity that no cut includes.
pub(super) const UNLIMITED: u64 = u64::MAX / 4;

impl Network {
    /// A network of this many nodes and no arcs.
    pub fn new(nodes: usize) -> Self {
        Self { arcs: Vec::new(), leaving: vec![Vec::new(); nodes] }
    }

    /// Adds an arc.
    pub fn arc(&mut self, from: u32, to: u32, capacity: u64) {
        for (from, to, capacity) in [(from, to, capacity), (to, from, 0)] {
            self.leaving[from as usize].push(self.arcs.len() as u32);
            self.arcs.push((to, capacity));
        }
    }

    /// The nodes on the source's side of the smallest cut; of several such cuts the one with the fewest nodes there.
    pub fn source_side(mut self) -> Vec<bool> {
        loop {
            let distance = self.distances();
            if distance[SINK as usize] == u32::MAX {
                return distance.iter().map(|&d| d != u32::MAX).collect();
            }
            self.fill_shortest_ways(&distance);
        }
    }

    fn distances(&self) -> Vec<u32> {
        let mut distance = vec![u32::MAX; self.leaving.len()];
        distance[SOURCE as usize] = 0;
        let mut queue = VecDeque::from([SOURCE]);
        while let Some(node) = queue.pop_front() {
            for &arc in &self.leaving[node as usize] {
                let (to, capacity) = self.arcs[arc as usize];
                if capacity > 0 && distance[to as usize] == u32::MAX {
                    distance[to as usize] = distance[node as usize] + 1;
                    queue.push_back(to);
                }
            }
        }
        distance
    }

    /// Sends flow along ways on which the distance rises, until each has a full arc. Depth first, without recursion:
    /// ways are as long as the circuit is deep.
    fn fill_shortest_ways(&mut self, distance: &[u32]) {
        let mut next = vec![0usize; self.leaving.len()];
        let mut way: Vec<u32> = Vec::new();
        loop {
            let node = way.last().map_or(SOURCE, |&arc| self.arcs[arc as usize].0);
            if node == SINK {
                let least = way.iter().map(|&arc| self.arcs[arc as usize].1).min().unwrap_or(0);
                for &arc in &way {
                    self.arcs[arc as usize].1 -= least;
                    self.arcs[arc as usize ^ 1].1 += least;
                }
                let full = way.iter().position(|&arc| self.arcs[arc as usize].1 == 0).unwrap_or(0);
                way.truncate(full);
                continue;
            }
            let at = &mut next[node as usize];
            let onward = self.leaving[node as usize][*at..].iter().position(|&arc| {
                let (to, capacity) = self.arcs[arc as usize];
                capacity > 0 && distance[to as usize] == distance[node as usize] + 1
            });
            match onward {
                Some(skipped) => {
                    *at += skipped;
                    way.push(self.leaving[node as usize][*at]);
                }
                None => {
                    *at = self.leaving[node as usize].len();
                    let Some(arc) = way.pop() else { return };
                    next[self.arcs[arc as usize ^ 1].0 as usize] += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_cut_is_found() {
        let mut n = Network::new(6);
        for (from, to, capacity) in
            [(0, 2, UNLIMITED), (0, 3, 1), (2, 4, 2), (2, 5, 9), (3, 5, 5), (4, 1, 4), (5, 1, 3)]
        {
            n.arc(from, to, capacity);
        }
        // 2 -> 4 and 5 -> sink are full with 2 and 3; 3 can still be reached backwards, over what 5 got from it or directly.
        assert_eq!(n.source_side(), [true, false, true, true, false, true]);
    }
}
