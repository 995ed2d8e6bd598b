//! Stages on shares between both roles, with rows of a dealer: signs, OR pools, and all functions of numbers.
//! A run has fixed seeds and takes no base OTs, so it is short.

use std::sync::{Arc, OnceLock};

use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::numbers::{Function, Shape};
use xonn_protocols::compare_ot::{narrow, sign, wide};
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::windows::Windows;

use crate::allocations::Memory;
use crate::common::{self, Layer, Pools, Run, Tamper, Transcript, numbers, rng};
use crate::stage::{Stage, alone, lines};

/// Elements of a stage: bits of fields end within a byte.
const COUNT: usize = 5;

/// A stage, with what comes of it between two honest hosts.
pub struct Case {
    run: Box<dyn Fn(Tamper<'_>) -> Run + Send + Sync>,
    /// All messages, in the order in which they are sent.
    pub sent: Transcript,
    share: RingTensor,
    memory: Memory,
}

/// One of each kind.
pub fn stages() -> &'static [Case] {
    static STAGES: OnceLock<Vec<Case>> = OnceLock::new();
    STAGES.get_or_init(|| of_numbers().into_iter().map(Case::of_shape).chain(of_signs()).collect())
}

/// Shapes of all functions, windows of three where there are some.
fn of_numbers() -> Vec<Shape> {
    let windows = || Windows::new(COUNT, 3, vec![0, 1, 2, 4, 3, 0]).expect("they are within");
    let pool = |to, function| Shape { largest: Some(windows()), ..alone(COUNT, [6, to], function) };
    vec![
        alone(COUNT, [9, 16], Function::Same),
        alone(COUNT, [9, 16], Function::Relu),
        alone(COUNT, [5, 5], Function::Relu),
        alone(COUNT, [9, 16], Function::LeakyRelu { slope: 5, bits: 4, drop: 3 }),
        alone(COUNT, [9, 16], Function::Clamp { lo: -3, hi: 40 }),
        alone(COUNT, [6, 8], Function::Square { drop: 3 }),
        alone(COUNT, [5, 8], Function::Product { second: 6, drop: 1 }),
        alone(COUNT, [6, 8], Function::Curve(lines(8, 2, [2, 2, 3]))),
        pool(6, Function::Same),
        pool(8, Function::Relu),
        Shape { sums: Some(windows()), ..alone(COUNT, [6, 8], Function::Relu) },
    ]
}

/// Signs with one digit, two and three, and pools of each kind.
fn of_signs() -> Vec<Case> {
    let single = || Windows::new(COUNT, 1, (0..COUNT as u32).collect()).expect("they are within");
    let pairs = || Windows::new(COUNT, 2, vec![0, 1, 2, 4, 3, 0]).expect("they are within");
    let flips = Column::from_bools(&[true, false, false, true, false]);
    let layer = move |w: u32, windows: &Windows| {
        let rng = &mut rng(u64::from(w));
        Layer::share(&numbers(COUNT, w + 1, rng), flips.clone(), [windows.len(), 9], rng)
    };
    let mut cases = Vec::new();
    for (w, windows) in [(2, single()), (6, pairs()), (10, single())] {
        let (plan, layer) = (sign::Plan::new(w, windows.clone(), 9).expect("a plan"), layer(w, &windows));
        let pools = Pools::of(&plan.cost(), &mut rng(1));
        cases.push(Case::new(move |tamper| common::sign(&plan, &pools, &layer, tamper)));
    }
    let (windows, w) = (pairs(), 7);
    let plan = narrow::Plan::new(w, windows.clone(), 9).expect("a plan");
    let (pools, of_pairs) = (Pools::of(&plan.cost(), &mut rng(1)), layer(w, &windows));
    cases.push(Case::new(move |tamper| common::narrow(&plan, &pools, &of_pairs, tamper)));
    let plan = wide::Plan::new(w, windows.clone(), 9).expect("a plan");
    let (pools, of_pairs) = (Pools::of(&plan.cost(), &mut rng(1)), layer(w, &windows));
    cases.push(Case::new(move |tamper| common::wide(&plan, &pools, &of_pairs, tamper)));
    cases
}

impl Case {
    fn of_shape(shape: Shape) -> Self {
        let rng = &mut rng(1);
        let mut random = || -> Vec<RingTensor> {
            shape.reads().into_iter().map(|bits| numbers(COUNT, bits, rng)).collect()
        };
        let shares = [random(), random()];
        let stage = Stage::of(shape, shares, rng);
        let pools = stage.pools(rng);
        let stage = Arc::new(stage);
        Self::new(move |tamper| stage.run(&pools, tamper))
    }

    fn new(run: impl Fn(Tamper<'_>) -> Run + Send + Sync + 'static) -> Self {
        let (honest, memory) = Memory::of(|| run(&|_, _| {}));
        let (share, sent) = honest.expect("honest hosts come to an end");
        Self { run: Box::new(run), sent, share, memory }
    }

    /// Runs both roles, the messages of these numbers replaced on their way. Whatever they are, there is a
    /// share of the right kind, or an error in one line, which any other length is; all messages but these
    /// have the lengths that they always have, and memory is that of honest hosts.
    pub fn check(&self, replaced: &[(usize, Vec<u8>)]) {
        let replace = |number: usize, message: &mut Vec<u8>| {
            if let Some((_, other)) = replaced.iter().rev().find(|(replaced, _)| *replaced == number) {
                message.clone_from(other);
            }
        };
        let (run, memory) = Memory::of(|| (self.run)(&replace));
        let extra = replaced.iter().map(|(_, message)| message.len()).sum();
        memory.check(self.memory, extra);
        let right_lengths =
            replaced.iter().all(|(number, message)| message.len() == self.sent[*number].len());
        match run {
            Ok((share, sent)) => {
                assert!(right_lengths, "a message of another length is taken");
                assert_eq!((share.len(), share.bits()), (self.share.len(), self.share.bits()));
                let lengths = |sent: &Transcript| sent.iter().map(Vec::len).collect::<Vec<_>>();
                assert_eq!(lengths(&sent), lengths(&self.sent), "lengths depend on what came");
                let honest = replaced.iter().all(|(number, message)| *message == self.sent[*number]);
                assert!(!honest || (share, sent) == (self.share.clone(), self.sent.clone()));
            }
            Err(error) => {
                let honest = replaced.iter().all(|(number, message)| *message == self.sent[*number]);
                assert!(!honest && !error.to_string().contains('\n'), "{error}");
            }
        }
    }
}
