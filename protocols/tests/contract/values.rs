//! Values of tensors as two hosts hold them, and what they open to.

use rand::{Rng as _, RngExt as _};
use xonn_crypto::share::RingTensor;
use xonn_program::evaluate::tensors;
use xonn_program::op::Spline;
use xonn_program::{Op, Prediction, Program, Tensor};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::value::{ClientValue, Form, Ring, ServerValue};

use crate::common::{Dice, Outcome, Reads};
use crate::programs;

/// What a stage leaves, opened.
#[derive(Clone, PartialEq, Debug)]
pub enum Left {
    Tensor(Vec<i64>),
    Output(Prediction),
}

/// A value in shares at random: any t of its span, noise as sums under encryption have it.
fn share(values: &[i64], ring: Ring, dice: &mut Dice) -> (ServerValue, ClientValue) {
    let (mut y0, mut y1, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    for &value in values {
        let t = match dice.random_range(0..4) {
            0 => 0,
            1 => ring.span,
            _ => dice.random_range(0..=ring.span),
        };
        // Each noisy sum loses less than two units of the last bit.
        let lost: i64 = (0..ring.terms).map(|_| dice.random_range(0..2)).sum();
        let behind = ring.centre_halves().div_euclid(2) - lost;
        let client = dice.next_u64();
        y1.push(client);
        y0.push((t << ring.fraction).wrapping_add(behind as u64).wrapping_sub(client));
        offsets.push(value - ring.step * t as i64);
    }
    let share = |y| RingTensor::new(ring.bits, y).unwrap();
    (ServerValue::Shares { share: share(y0), offsets: offsets.into() }, ClientValue::Shares(share(y1)))
}

/// What a stage reads for an input, and what it has to leave.
pub fn reads(
    stage: &Stage,
    program: &Program,
    model: &[Tensor],
    sample: &[i64],
    dice: &mut Dice,
) -> (Reads, Left) {
    let all = tensors(program.layers(), model, sample);
    let read = |&(layer, form): &(usize, Form)| match form {
        Form::Client => (ServerValue::Nothing, ClientValue::Clear(sample.to_vec().into())),
        Form::Shares(ring) => share(&all[layer], ring, dice),
        Form::Output => panic!("nothing reads the output"),
    };
    let reads = stage.reads.iter().map(read).collect();
    let left = match stage.leaves {
        Form::Output => Left::Output(programs::expected(program, model, sample)),
        _ => Left::Tensor(all[stage.last()].clone()),
    };
    (reads, left)
}

/// What both hosts' values open to.
fn open(stage: &Stage, program: &Program, server: &ServerValue, client: &ClientValue) -> Left {
    match (stage.leaves, server, client) {
        (Form::Shares(ring), ServerValue::Shares { share, offsets }, ClientValue::Shares(y1)) => {
            assert_eq!([share.bits(), y1.bits()], [ring.bits; 2]);
            assert_eq!(share.len(), offsets.len());
            let y = share.add(y1).expect("shares of one tensor");
            let t = y.values().iter().map(|y| y >> ring.fraction);
            let value = |(t, &offset): (u64, &i64)| ring.step.wrapping_mul(t as i64).wrapping_add(offset);
            Left::Tensor(t.zip(offsets.iter()).map(value).collect())
        }
        (Form::Output, ServerValue::Nothing, ClientValue::Output(bits)) => {
            Left::Output(program.output().decode(bits))
        }
        (form, server, client) => panic!("{form:?} is left as {server:?} and {client:?}"),
    }
}

/// How far off a stage's numbers may be: one that drops bits of shares rounds by chance where the program
/// rounds to the nearest, and a curve is nearly its table.
fn off(stage: &Stage, program: &Program) -> u64 {
    let off = |&layer: &usize| match &program.layers()[layer].op {
        Op::Round(round) if round.drop > 0 => 2,
        Op::LeakyRelu(_) => 2,
        Op::Spline(_) => Spline::SPARE as u64,
        _ => 0,
    };
    let numbers = matches!(stage.how, How::Rlwe(_) | How::Numbers);
    stage.layers.iter().map(off).max().filter(|_| numbers).unwrap_or(0)
}

/// Whether what was left is what had to be: but for what shares are off by.
pub fn is_right(stage: &Stage, program: &Program, found: &Left, expected: &Left) -> bool {
    match (found, expected, off(stage, program)) {
        (Left::Tensor(found), Left::Tensor(expected), most @ 1..) => {
            let near = |(a, b): (&i64, &i64)| a.abs_diff(*b) <= most;
            found.len() == expected.len() && found.iter().zip(expected).all(near)
        }
        _ => found == expected,
    }
}

/// What each prediction left; none if a host ended with an error.
pub fn opened(stage: &Stage, program: &Program, outcome: &Outcome) -> Option<Vec<Left>> {
    let (Ok(server), Ok(client)) = (&outcome.server, &outcome.client) else { return None };
    assert_eq!(server.len(), client.len());
    Some(server.iter().zip(client).map(|(server, client)| open(stage, program, server, client)).collect())
}

/// Whether t is one that the ring says.
pub fn spans(stage: &Stage, outcome: &Outcome) -> bool {
    let (Ok(server), Ok(client)) = (&outcome.server, &outcome.client) else { return false };
    let Form::Shares(ring) = stage.leaves else { return true };
    server.iter().zip(client).all(|(server, client)| {
        let y = server
            .shares()
            .expect("a share")
            .0
            .add(client.share().expect("a share"))
            .expect("shares of one tensor");
        y.values().iter().all(|y| y >> ring.fraction <= ring.span)
    })
}
