//! Makes netlists smaller: fewer AND gates first, then fewer XOR gates.
//!
//! A netlist becomes an XOR-AND graph, the passes of [`Pass::ALL`] are run on it, and the result is compared with the
//! netlist it came from before anybody sees it. Groups, their order and the order of bits stay as they are. The passes,
//! what they reach and what not: `docs/optimize.md`.
//!
//! ```
//! use xonn_circuits::optimize::{Options, optimize};
//! // A majority as it is often written: ab | c(a ^ b), two products and an OR.
//! let text = "7 10\n3 1 1 1\n1 1\n\n2 1 0 1 3 AND\n2 1 0 1 4 XOR\n2 1 2 4 5 AND\n1 1 3 6 INV\n1 1 5 7 INV\n\
//!             2 1 6 7 8 AND\n1 1 8 9 INV\n";
//! let naive = xonn_circuits::bristol::read(text.as_bytes(), "majority").unwrap().netlist;
//! let optimized = optimize(&naive, &Options::default(), &mut |_, _, _| {}).unwrap();
//! assert_eq!((naive.stats().and, optimized.netlist.stats().and), (3, 1));
//! ```

mod chain;
mod cuts;
pub mod equivalence;
mod export;
mod factor;
mod function;
mod minimal;
mod rewrite;
mod share_xors;
mod xag;

use std::time::Instant;

use chain::Order;
use equivalence::{Compared, Difference};
use minimal::Minimal;
use rewrite::Effort;
use xag::{MOST_NODES, Simplify, Xag};

use crate::netlist::{Netlist, Stats};

/// A rewriting of the whole graph. None of them ever has more ANDs after it than before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// INV, EQ and EQW become edges; constants, and operations of a wire with itself, are folded.
    Fold,
    /// Gates that compute the same linear form, or a product over the same span of forms, become one.
    Share,
    /// Products under one XOR that share a factor become one product.
    Factor,
    /// Small cones are replaced by circuits of the fewest ANDs.
    Rewrite,
    /// Functions that take one pair of inputs after another, such as carries and comparisons, become such
    /// chains.
    Chain,
    /// Pairs of terms that several XORs have in common are made once.
    Xor,
}

impl Pass {
    /// All passes, in the order in which they run: `factor` and `rewrite` are repeated while they gain.
    pub const ALL: [Pass; 6] = [Pass::Fold, Pass::Share, Pass::Factor, Pass::Rewrite, Pass::Chain, Pass::Xor];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Pass::Fold => "fold",
            Pass::Share => "share",
            Pass::Factor => "factor",
            Pass::Rewrite => "rewrite",
            Pass::Chain => "chain",
            Pass::Xor => "xor",
        }
    }
}

/// What is done, and how far it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The passes to run; their order is that of [`Pass::ALL`] in any case.
    pub passes: Vec<Pass>,
    /// Most rounds of `factor` and `rewrite`, in all: cones grow when a round gains next to nothing, all
    /// passes start again when the largest do, and everything ends when such a start gains nothing.
    pub rounds: u32,
    /// Most leaves of the cones that are rewritten, 2 to 6.
    pub leaves: usize,
    /// Random inputs for the comparison, in units of 256, where trying all would be too many.
    pub compare_rounds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { passes: Pass::ALL.to_vec(), rounds: 96, leaves: 5, compare_rounds: 64 }
    }
}

/// What one run of a pass did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Step {
    /// The pass.
    pub pass: Pass,
    /// Counts before it.
    pub before: Counts,
    /// Counts after it.
    pub after: Counts,
    /// Time, in seconds.
    pub seconds: f64,
}

/// Gates by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Counts {
    /// AND gates.
    pub and: u64,
    /// XOR gates.
    pub xor: u64,
    /// INV gates.
    pub inv: u64,
    /// EQ and EQW gates, which a plain file writes with XOR and INV.
    pub eq: u64,
}

impl Counts {
    /// All gates.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.and + self.xor + self.inv + self.eq
    }
}

impl From<Stats> for Counts {
    fn from(stats: Stats) -> Self {
        Self { and: stats.and, xor: stats.xor, inv: stats.inv, eq: stats.eq }
    }
}

/// A smaller netlist, and how it came about.
#[derive(Clone, Debug)]
pub struct Optimized {
    /// The result: same groups, same function. Never more ANDs than before, nor as many and more gates.
    pub netlist: Netlist,
    /// Whether the result is what the passes made. If they gained nothing, it is the netlist that it came from.
    pub improved: bool,
    /// What each pass did, in order.
    pub steps: Vec<Step>,
    /// How the result was compared with what it came from.
    pub compared: Compared,
}

/// Why a netlist was not optimised.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizeError {
    /// The graph's node numbers have 30 bits.
    #[error("the circuit has {found} wires, expected at most {limit}; optimise its parts instead")]
    TooLarge {
        /// Wires.
        found: u64,
        /// Most wires.
        limit: u64,
    },
    /// An option is out of range.
    #[error("cones of {found} leaves were asked for, expected 2 to 6")]
    Leaves {
        /// The number of leaves.
        found: usize,
    },
    /// The comparison failed: an error in a pass. Nothing was made.
    #[error(
        "the optimised circuit differs from the original in output bit {output}, expected the same; \
         keep the original and report this with the file"
    )]
    Differs {
        /// First output bit that differs.
        output: usize,
    },
}

/// A round that saves less than this part of the ANDs is the last one with cones of a size, and without a
/// saved AND less than this part of the gates is no gain. Small circuits, where that is less than one, are
/// rewritten until nothing changes.
const NEGLIGIBLE: u64 = 2000;

/// Optimises `netlist`. `progress` is told the pass, and how much of how much of it is done.
///
/// The same netlist and options give the same result, on any machine.
///
/// # Errors
/// [`OptimizeError`]: the netlist or an option is out of range, or the result is not the same function.
pub fn optimize(
    netlist: &Netlist,
    options: &Options,
    progress: &mut dyn FnMut(Pass, u64, u64),
) -> Result<Optimized, OptimizeError> {
    let limit = MOST_NODES;
    if u64::from(netlist.wires()) >= limit {
        return Err(OptimizeError::TooLarge { found: netlist.wires().into(), limit });
    }
    if !(2..=6).contains(&options.leaves) {
        return Err(OptimizeError::Leaves { found: options.leaves });
    }
    let mut best = netlist.clone();
    let mut run = Run { options, steps: Vec::new(), minimal: None, order: None, rounds: options.rounds };
    // What is written and read again looks different to a search: trees of XORs have another shape, levels
    // are new. So the passes start again from what they made, until they make nothing of it. Then a second
    // run, which starts there, gains nothing either.
    loop {
        let steps = run.steps.len();
        let made = run.once(&best, progress);
        if !is_gain(&best, &made) {
            // What the last start did is not part of the result; if there was only one, it is told all the
            // same.
            run.steps.truncate(if steps > 0 { steps } else { run.steps.len() });
            break;
        }
        best = made;
        if run.rounds == 0 {
            break;
        }
    }
    let improved = best != *netlist;
    let compared = equivalence::compare(netlist, &best, options.compare_rounds, 0).map_err(|d| match d {
        Difference::Output { output, .. } => OptimizeError::Differs { output },
        Difference::Groups => OptimizeError::Differs { output: 0 },
    })?;
    Ok(Optimized { netlist: best, improved, steps: run.steps, compared })
}

/// Whether `after` is worth having: fewer ANDs, or as many and so many gates fewer that it is more than next
/// to nothing.
fn is_gain(before: &Netlist, after: &Netlist) -> bool {
    let (before, after) = (Counts::from(before.stats()), Counts::from(after.stats()));
    let fewer = before.total().saturating_sub(after.total());
    after.and < before.and || after.and == before.and && fewer > before.total() / NEGLIGIBLE
}

/// All passes over one netlist after another.
struct Run<'o> {
    options: &'o Options,
    steps: Vec<Step>,
    /// Made for the first rewriting, and kept: it learns.
    minimal: Option<Minimal>,
    /// Pairs of inputs, as the netlist came with them.
    order: Option<Order>,
    /// Rounds of `factor` and `rewrite` that are left.
    rounds: u32,
}

/// A netlist while passes run.
struct Work<'n> {
    netlist: &'n Netlist,
    graph: Xag,
    counts: Counts,
}

impl Work<'_> {
    fn exported(&self) -> Netlist {
        export::netlist(&self.graph, self.netlist.inputs(), self.netlist.outputs())
    }
}

impl Run<'_> {
    /// Every pass, `factor` and `rewrite` while they gain.
    fn once(&mut self, netlist: &Netlist, progress: &mut dyn FnMut(Pass, u64, u64)) -> Netlist {
        let mut work = Work { netlist, graph: Xag::of(netlist), counts: Counts::from(netlist.stats()) };
        for pass in [Pass::Fold, Pass::Share] {
            self.pass(pass, 0, &mut work, progress);
        }
        self.order.get_or_insert_with(|| Order::of(&work.graph));
        // Small cones first: they are fast and find most. Larger ones once these gain nothing.
        let mut leaves = self.options.leaves.min(4);
        while self.rounds > 0 && leaves <= self.options.leaves {
            self.rounds -= 1;
            let before = work.counts.and;
            self.pass(Pass::Factor, leaves, &mut work, progress);
            self.pass(Pass::Rewrite, leaves, &mut work, progress);
            if before - work.counts.and <= before / NEGLIGIBLE {
                leaves += 1;
            }
        }
        // Last, since what it can gain beside them is more than what they can gain beside it.
        self.pass(Pass::Chain, 0, &mut work, progress);
        self.pass(Pass::Xor, 0, &mut work, progress);
        work.exported()
    }

    fn pass(
        &mut self,
        pass: Pass,
        leaves: usize,
        work: &mut Work<'_>,
        progress: &mut dyn FnMut(Pass, u64, u64),
    ) {
        if !self.options.passes.contains(&pass) {
            return;
        }
        let start = Instant::now();
        let graph = &work.graph;
        progress(pass, 0, graph.nodes.len() as u64);
        let next = match pass {
            Pass::Fold => graph.rebuild(Simplify::Constants),
            Pass::Share => graph.rebuild(Simplify::Forms),
            Pass::Chain => {
                let order = self.order.get_or_insert_with(|| Order::of(graph));
                chain::chain(graph, self.minimal.get_or_insert_with(Minimal::new), order)
            }
            Pass::Factor => factor::factor(graph),
            Pass::Rewrite => {
                let minimal = self.minimal.get_or_insert_with(Minimal::new);
                let effort = Effort { leaves, cuts: cuts_per_node(graph) };
                rewrite::rewrite(graph, minimal, effort, &mut |done, of| progress(pass, done, of))
            }
            Pass::Xor => share_xors::share_xors(graph),
        };
        // A pass whose gain did not come about is not taken over. Constants and copies are folded in any case.
        if pass == Pass::Fold || next.counts() < graph.counts() {
            work.graph = next;
        }
        let after = Counts::from(work.exported().stats());
        let seconds = start.elapsed().as_secs_f64();
        self.steps.push(Step { pass, before: work.counts, after, seconds });
        work.counts = after;
    }
}

/// Cuts kept a node, fewer in large graphs: a cut takes 40 bytes.
fn cuts_per_node(graph: &Xag) -> usize {
    match graph.nodes.len() {
        ..1_000_000 => 16,
        1_000_000..8_000_000 => 8,
        _ => 4,
    }
}
