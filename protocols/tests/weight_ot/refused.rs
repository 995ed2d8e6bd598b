//! Stages that are none of this protocol, made up by the other host, and calls out of order.

use xonn_crypto::share::RingTensor;
use xonn_program::Tensor;
use xonn_program::op::{Cut, Linear, Planes};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{Phase, Protocol};
use xonn_protocols::value::{ClientValue, Form, Ring, ServerValue};
use xonn_protocols::weight_ot::WeightOt;

use crate::common::{Canned, Case, rng, with_client, with_server};
use crate::layers;

fn dense() -> Case {
    Case::new(layers::dense(Planes::Sign), 1, 255)
}

/// What the client says of a stage; cost and server say the same.
fn refusal(case: &Case, stage: &Stage) -> String {
    let program = case.program();
    let error = WeightOt.client(stage, &program).err().expect("it is refused").to_string();
    let tensors =
        [Tensor::Cuts(vec![Cut { rising: true, at: 0 }]), Tensor::Weights(case.weights(&mut rng(1)))];
    assert_eq!(WeightOt.server(stage, &program, &tensors).err().unwrap().to_string(), error);
    assert_eq!(WeightOt.cost(stage, &program).unwrap_err().to_string(), error);
    error
}

#[test]
fn stages_that_are_none() {
    let case = dense();
    let (good, read, left) = (case.stage(), case.reads, case.leaves());
    WeightOt.client(&good, &case.program()).unwrap();
    let shares = |ring| vec![(1, Form::Shares(ring))];
    let leaving = |ring| Stage { leaves: Form::Shares(ring), ..good.clone() };
    let reading = |ring| Stage { reads: shares(ring), ..good.clone() };
    let cases = [
        (Stage { layers: vec![], ..good.clone() }, "one layer at a time"),
        (Stage { layers: vec![1, 2], ..good.clone() }, "one layer at a time"),
        (Stage { layers: vec![usize::MAX], ..good.clone() }, "one layer at a time"),
        (Stage { how: How::Local, ..good.clone() }, "one layer at a time"),
        (Stage { layers: vec![1], ..good.clone() }, "no sum for conditional addition"),
        (Stage { reads: vec![], ..good.clone() }, "shares of the one tensor"),
        (Stage { reads: [shares(read), shares(read)].concat(), ..good.clone() }, "shares of the one tensor"),
        (Stage { reads: vec![(1, Form::Client)], ..good.clone() }, "shares of the one tensor"),
        (Stage { leaves: Form::Output, ..good.clone() }, "shares of the one tensor"),
        (Stage { reads: vec![(0, Form::Shares(read))], ..good.clone() }, "it reads [1], and not layer 0"),
        (reading(Ring { terms: 1, ..read }), "exact shares"),
        (reading(Ring { fraction: 1, ..read }), "exact shares"),
        (reading(Ring { bits: 0, ..read }), "exact shares"),
        (reading(Ring { bits: 63, ..read }), "exact shares"),
        (reading(Ring { bits: u32::MAX, ..read }), "exact shares"),
        (reading(Ring { step: 0, ..read }), "exact shares"),
        (reading(Ring { span: 1 << read.bits, ..read }), "exact shares"),
        (reading(Ring { step: 2, ..read }), "in at most as many bits"),
        (reading(Ring { span: 254, ..read }), "in at most as many bits"),
        (reading(Ring { bits: 62, span: (1 << 62) - 1, ..read }), "too large"),
        (leaving(Ring { bits: left.bits + 1, ..left }), "in at most as many bits"),
        (leaving(Ring { bits: left.bits - 1, ..left }), "too large"),
        (leaving(Ring { bits: 0, ..left }), "too large"),
        (leaving(Ring { bits: u32::MAX, ..left }), "too large"),
        (leaving(Ring { step: 2, ..left }), "in at most as many bits"),
        (leaving(Ring { span: left.span + 1, ..left }), "in at most as many bits"),
        (leaving(Ring { terms: 1, ..left }), "in at most as many bits"),
    ];
    for (stage, reason) in cases {
        let error = refusal(&case, &stage);
        assert!(error.contains(reason), "{error}, expected {reason}");
    }
}

/// Nothing is sized by it before it is refused.
#[test]
fn more_signs_than_one_extension_has() {
    let case = Case::new(Linear::dense(1 << 13, 1 << 14, Planes::Odd { bits: 4 }), 1, 1);
    let error = WeightOt.client(&case.stage(), &case.program()).err().unwrap().to_string();
    assert!(error.contains("signs of weights"), "{error}");
}

#[test]
fn weights_that_are_not_the_layers() {
    let case = dense();
    let (stage, program, weights) = (case.stage(), case.program(), case.weights(&mut rng(1)));
    let cuts = Tensor::Cuts(vec![Cut { rising: true, at: 0 }]);
    let mut three = weights.clone();
    three[5] = 3;
    for wrong in [Some(weights[1..].to_vec()), Some(three), None] {
        let tensors: Vec<Tensor> = std::iter::once(cuts.clone()).chain(wrong.map(Tensor::Weights)).collect();
        let error = WeightOt.server(&stage, &program, &tensors).err().unwrap().to_string();
        assert!(error.contains("weights, not 65 of Sign"), "{error}");
    }
}

#[test]
fn calls_out_of_order_are_errors() {
    let case = dense();
    let mut hosts = case.connect(case.weights(&mut rng(1)), 1);
    let tensor = |bits, count| RingTensor::new(bits, vec![0; count]).unwrap();
    let share = |bits, count| ClientValue::Shares(tensor(bits, count));
    for wrong in [share(case.reads.bits + 1, case.inputs()), share(case.reads.bits, case.inputs() + 1)] {
        let error = hosts.client(wrong).unwrap_err().to_string();
        assert!(error.contains("no share of what is added up"), "{error}");
    }
    let mut wire = Canned::default();
    let own = share(case.reads.bits, case.inputs());
    // Of a share that is not known ahead, and of no set-up.
    with_client(&mut hosts.kept[1], &mut wire, &mut rng(1), |context| {
        let error = hosts.client.begin().prepare(Phase::One, context, &[None]).unwrap_err().to_string();
        assert!(error.contains("not given the client's share ahead"), "{error}");
        let error = hosts.client.begin().run(context, &[&own]).unwrap_err().to_string();
        assert!(error.contains("not there yet"), "{error}");
    });
    with_client(&mut None, &mut wire, &mut rng(1), |context| {
        let error = hosts.client.begin().prepare(Phase::One, context, &[Some(&own)]).unwrap_err();
        assert!(error.to_string().contains("OTs: it is not there yet"), "{error}");
    });
    with_server(&mut None, &mut wire, &mut rng(1), |context| {
        let error = hosts.server.begin().prepare(Phase::One, context).unwrap_err();
        assert!(error.to_string().contains("OTs: it is not there yet"), "{error}");
        let read = ServerValue::Shares {
            share: tensor(case.reads.bits, case.inputs()),
            offsets: vec![0; case.inputs()].into(),
        };
        let error = hosts.server.begin().run(context, &[&read]).unwrap_err().to_string();
        assert!(error.contains("not there yet"), "{error}");
    });
    // A share of another length, behind corrections that came.
    let (_, sent) = hosts.client(share(case.reads.bits, case.inputs())).unwrap();
    let read = ServerValue::Shares { share: tensor(case.reads.bits, 3), offsets: vec![0; 3].into() };
    let error = hosts.server(sent, &read).unwrap_err().to_string();
    assert!(error.contains("no share of what is added up"), "{error}");
}
