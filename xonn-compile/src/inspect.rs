//! What a model, a package or a netlist is and costs, for people and for programs.
//!
//! A [`Report`] holds everything that is known about one file; [`text`], [`html`], [`dot`] and JSON (it
//! serialises) are four ways to show it. What would not compile is a list of [`Problem`]s, told before
//! anything is built.

mod costs;
mod diagram;
pub mod dot;
pub mod html;
mod layout;
mod netlist;
mod network;
mod of_file;
mod plans;
mod problem;
mod ranges;
mod shares;
mod svg;
pub mod text;
pub mod traffic;

use serde::Serialize;
use xonn_circuits::tiled::TiledCircuit;
use xonn_circuits::tiled::traffic::Traffic;
use xonn_program::{InputEncoding, Program};
use xonn_protocols::cost::Link;

pub use costs::{Costs, Row};
pub use diagram::{Diagram, Node, Role, TooLarge};
pub use netlist::NetlistCosts;
pub(crate) use network::AND_RATE;
pub use network::{Estimate, Network};
pub use of_file::{ReportError, report};
pub use plans::PlanRow;
pub use problem::{Problem, Stage};
pub use ranges::Ranges;
pub use shares::{NotTaken, OnLink, OnShares};

/// Everything that is known about one file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file's name as it was given.
    pub file: String,
    /// What kind of file it is.
    pub kind: FileKind,
    /// SHA-256 of a package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What compiling it said, one sentence each.
    pub notes: Vec<String>,
    /// Why it cannot be compiled; empty for what can.
    pub problems: Vec<Problem>,
    /// Layers and what they cost, of models and packages.
    #[serde(flatten)]
    pub costs: Option<Costs>,
    /// Bytes of a prediction by each garbling scheme, with first layers garbled and, where they can be, by
    /// oblivious conditional addition; empty for netlists.
    pub traffic: Vec<Traffic>,
    /// Plans beside each other: bytes and round trips of a first prediction and of one that follows.
    pub plans: Vec<PlanRow>,
    /// A prediction on shares, of models and packages that can be computed so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_shares: Option<OnShares>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_on_shares: Option<String>,
    /// Gates and what they cost, of netlists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netlist: Option<NetlistCosts>,
    /// Time of one inference, for each network that was asked about.
    pub networks: Vec<Estimate>,
    /// How large hidden numbers are on calibration samples, of models that have such; this tells of weights
    /// and samples, so it is for the model's owner.
    #[serde(skip)]
    pub ranges: Vec<Ranges>,
    /// Drawings: the model's layers, the program's layers, or a small netlist's gates.
    #[serde(skip)]
    pub diagrams: Vec<Diagram>,
    /// Why a netlist is not drawn.
    #[serde(skip)]
    pub not_drawn: Option<TooLarge>,
}

/// What kind of file a report is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A Keras model.
    Model,
    /// A package that `build` wrote.
    Package,
    /// A Bristol netlist.
    Netlist,
}

impl Report {
    /// A report that holds nothing yet but the file's name and kind.
    #[must_use]
    pub fn new(file: &str, kind: FileKind) -> Self {
        Self {
            file: file.into(),
            kind,
            digest: None,
            notes: Vec::new(),
            problems: Vec::new(),
            costs: None,
            traffic: Vec::new(),
            plans: Vec::new(),
            on_shares: None,
            not_on_shares: None,
            netlist: None,
            networks: Vec::new(),
            ranges: Vec::new(),
            diagrams: Vec::new(),
            not_drawn: None,
        }
    }

    /// Adds what a circuit costs, and its drawing.
    pub fn add_circuit(&mut self, input: &InputEncoding, circuit: &TiledCircuit) {
        self.costs = Some(Costs::of(circuit));
        self.traffic = Traffic::of(circuit).to_vec();
        self.diagrams.push(Diagram::of_circuit(input, circuit));
    }

    /// Adds what plans of the program cost, stage by stage of the one on shares, or why there is none.
    pub fn add_plans(&mut self, program: &Program, circuit: &TiledCircuit) {
        self.traffic = traffic::of(program, circuit);
        self.plans = plans::rows(program);
        match OnShares::of(program) {
            Ok(on_shares) => self.on_shares = Some(on_shares),
            Err(reason) => self.not_on_shares = Some(reason),
        }
    }

    /// Shows of plans on shares the one that is quickest over `network`.
    pub fn choose(&mut self, network: Network) {
        let link = Link { rtt_ms: network.rtt_ms, mbps: network.mbps };
        self.plans.iter_mut().for_each(|plan| plan.choose(link));
        if let Some(on_shares) = &mut self.on_shares {
            on_shares.choose(link);
        }
    }

    /// Adds the time of one inference over `network`, by each plan, too.
    pub fn add_network(&mut self, network: Network) {
        let link = Link { rtt_ms: network.rtt_ms, mbps: network.mbps };
        for plan in &mut self.plans {
            OnLink::put_first(&mut plan.links, &plan.costs, link);
        }
        if let Some(on_shares) = &mut self.on_shares {
            on_shares.add_link(link);
        }
        let estimate = match (&self.costs, &self.netlist) {
            (Some(costs), _) => Estimate::of_costs(costs, network),
            (None, Some(netlist)) => Estimate::of_netlist(netlist, network),
            (None, None) => return,
        };
        self.networks.push(estimate);
    }
}
