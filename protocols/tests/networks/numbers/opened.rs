//! A plan run stage by stage, its shares put together after each: what no host ever does.

use std::collections::HashMap;

use xonn_program::op::Spline;
use xonn_program::{LayerId, Op, Prediction};
use xonn_protocols::plan::{Plan, Stage};
use xonn_protocols::value::{ClientValue, Form, ServerValue};

use super::Errors;
use crate::common::{Dice, Hosts, Links, Mode};
use crate::draw::Drawn;

/// A prediction, and what is known of it.
pub struct Opened<'d> {
    plan: &'d Plan,
    drawn: &'d Drawn,
    values: Vec<((LayerId, Form), (ServerValue, ClientValue))>,
    /// The numbers of each layer that is held in shares.
    pub numbers: HashMap<LayerId, Vec<i64>>,
}

impl<'d> Opened<'d> {
    pub fn new(plan: &'d Plan, drawn: &'d Drawn) -> Self {
        Self { plan, drawn, values: Vec::new(), numbers: HashMap::new() }
    }

    /// Runs all stages, and checks what each leaves.
    pub fn run(
        &mut self,
        sample: &[i64],
        links: &mut Links,
        _: &mut Dice,
        errors: &mut Errors,
        seed: u64,
    ) -> Prediction {
        let Drawn { program, tensors, .. } = self.drawn;
        self.numbers.insert(0, sample.to_vec());
        let mut answer = None;
        for (number, stage) in self.plan.stages.iter().enumerate() {
            let read = |read: &(LayerId, Form)| match read.1 {
                Form::Client => (ServerValue::Nothing, ClientValue::Clear(sample.to_vec().into())),
                _ => self.values.iter().find(|(key, _)| key == read).expect("it is there").1.clone(),
            };
            let reads = vec![stage.reads.iter().map(read).collect()];
            let hosts = Hosts::new(stage.how.protocol(), stage, program, tensors);
            let mode = Mode::ALL[(number + seed as usize) % 2];
            let outcome = hosts.predict(links, mode, &reads, &|_, _, _| {});
            let what = format!("network {seed}, stage {number} {stage:?}");
            let mut server = outcome.server.unwrap_or_else(|error| panic!("{what}: {error}"));
            let mut client = outcome.client.unwrap_or_else(|error| panic!("{what}: {error}"));
            let (server, client) = (server.pop().expect("one"), client.pop().expect("one"));
            match (&server, &client) {
                (ServerValue::Shares { share, offsets }, ClientValue::Shares(y1)) => {
                    let Form::Shares(ring) = stage.leaves else { panic!("{what}") };
                    let t = share.add(y1).expect("of one ring");
                    let value =
                        |(&t, &offset): (&u64, &i64)| ring.step * (t >> ring.fraction) as i64 + offset;
                    let found: Vec<i64> = t.values().iter().zip(offsets.iter()).map(value).collect();
                    assert!(t.values().iter().all(|t| t >> ring.fraction <= ring.span), "{what}");
                    self.check(stage, &found, errors, &what);
                    self.numbers.insert(stage.last(), found);
                }
                (_, ClientValue::Output(bits)) => answer = Some(program.output().decode(bits)),
                _ => panic!("{what}: {server:?}, {client:?}"),
            }
            self.values.push(((stage.last(), stage.leaves), (server, client)));
        }
        let answer = answer.expect("the last stage leaves an output");
        assert_eq!(answer, self.expected(), "network {seed}: the circuit's output of what it read");
        answer
    }

    /// A layer of the numbers that are there.
    fn layer(&self, id: LayerId, known: &HashMap<LayerId, Vec<i64>>) -> Vec<i64> {
        let Drawn { program, tensors, .. } = self.drawn;
        let layers = program.layers();
        let layer = &layers[id];
        let reads: Vec<(&[i64], usize)> =
            layer.reads.iter().map(|read| (&known[read][..], layers[*read].channels())).collect();
        layer.op.evaluate(layer.secret.map(|secret| &tensors[secret]), &reads)
    }

    /// What a stage leaves is its layers on what it reads.
    fn check(&self, stage: &Stage, found: &[i64], errors: &mut Errors, what: &str) {
        if stage.reads.iter().any(|(_, form)| *form == Form::Client) {
            return assert_eq!(found, self.numbers[&0], "{what}");
        }
        let layers = self.drawn.program.layers();
        let mut known = self.numbers.clone();
        for &id in &stage.layers {
            let dropped = match &layers[id].op {
                Op::Round(round) => Some((round.drop, known[&layers[id].reads[0]].clone())),
                Op::LeakyRelu(leak) => {
                    let x = &known[&layers[id].reads[0]];
                    let scaled = |&x: &i64| if x < 0 { x * i64::from(leak.slope) } else { x << leak.bits };
                    Some((leak.bits, x.iter().map(scaled).collect()))
                }
                _ => None,
            };
            let left = self.layer(id, &known);
            if let Op::Spline(_) = &layers[id].op {
                assert_eq!(found.len(), left.len(), "{what}");
                for (found, table) in found.iter().zip(&left) {
                    assert!((found - table).abs() <= Spline::SPARE, "{what}: {found}, the table's {table}");
                }
                return;
            }
            if let Some((drop, exact)) = dropped {
                for (&found, exact) in found.iter().zip(exact) {
                    let error = found as f64 - exact as f64 * (-f64::from(drop)).exp2();
                    errors.add(error);
                    assert!(error.abs() < 2.0, "{what}: {found} for {exact} / 2^{drop}");
                }
                return assert_eq!(found.len(), left.len(), "{what}");
            }
            known.insert(id, left);
        }
        assert_eq!(found, known[&stage.last()], "{what}");
    }

    /// The program's answer, from the numbers that the circuit read.
    fn expected(&self) -> Prediction {
        let program = &self.drawn.program;
        let mut known = self.numbers.clone();
        let layers = &self.plan.stages.last().expect("a stage").layers;
        for &id in layers {
            if !known.contains_key(&id) {
                let left = self.layer(id, &known);
                known.insert(id, left);
            }
        }
        program.evaluated(known[&(program.layers().len() - 1)].clone()).prediction(program.output())
    }
}
