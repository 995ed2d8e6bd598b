//! Messages of any bytes are answered or refused, and never panic; those of another length are errors.

use rand::RngExt;
use xonn_crypto::share::RingTensor;
use xonn_program::op::{Linear, Pad, Planes};
use xonn_program::{Op, Tensor};
use xonn_protocols::link::PREDICTIONS_A_KEY;
use xonn_protocols::protocol::{Phase, ProtocolError};
use xonn_protocols::rlwe;
use xonn_protocols::value::{ClientValue, ServerValue};
use xonn_protocols::wire::Wire as _;

use crate::common::{Conv, Ends, Reads, Sides, found, leaves, open, program, rng, share, tensors};

fn layer() -> (Linear, Reads) {
    let conv = Conv([6, 6, 2], [3, 3], [1; 2], [1; 2], [1; 2], [6, 6], 3, 1);
    (conv.linear(Planes::Sign, Pad::Drop), Reads::Bits)
}

#[test]
fn any_message_is_answered_or_refused() {
    let ends = &mut Ends::new(4);
    let (linear, reads) = layer();
    let program = program(linear, reads);
    let stage = found(&linear, &program, reads);
    let rng = &mut rng(3);
    let sides =
        Sides::new(&stage, &program, &tensors(&linear, reads, vec![1; linear.weight_count()])).unwrap();
    let [masks, answer] = rlwe::cost(&stage, &program).unwrap();
    let t = vec![1; linear.window.input.iter().product()];
    let ring = reads.ring(leaves(&stage).bits - leaves(&stage).fraction + 3);
    let read = share(ring, &t, &vec![-1; t.len()], rng);
    let (mut answered, mut refused) = (0, 0);
    for round in 0..200 {
        // Masks: random bytes, the right ones with a flipped bit, all ones.
        let mut client = sides.client.begin();
        ends.at_client(|context| client.prepare(Phase::One, context, &[Some(&read.1)])).unwrap();
        let mut message = ends.server.1.receive(masks).unwrap();
        match round % 4 {
            0 => message.iter_mut().for_each(|byte| *byte = rng.random()),
            1 => message.fill(0xff),
            _ => message[rng.random_range(0..masks)] ^= 1 << rng.random_range(0..8),
        }
        ends.client.1.send(&message).unwrap();
        let mut server = sides.server.begin();
        match ends.at_server(|context| server.prepare(Phase::One, context)) {
            Err(error) => {
                assert!(matches!(error, ProtocolError::Rlwe(_)), "{error}");
                refused += 1;
            }
            Ok(()) => {
                answered += 1;
                ends.at_server(|context| server.prepare(Phase::Two, context)).unwrap();
                let mut message = ends.client.1.receive(answer).unwrap();
                match round % 3 {
                    0 => message.iter_mut().for_each(|byte| *byte = rng.random()),
                    1 => message[rng.random_range(0..answer)] ^= 1 << rng.random_range(0..8),
                    _ => {}
                }
                ends.server.1.send(&message).unwrap();
                match ends.at_client(|context| client.prepare(Phase::Two, context, &[Some(&read.1)])) {
                    Err(error) => assert!(matches!(error, ProtocolError::Rlwe(_)), "{error}"),
                    Ok(value) => assert!(value.is_some()),
                }
                ends.at_server(|context| server.run(context, &[&read.0])).unwrap();
            }
        }
    }
    assert!(answered > 20 && refused > 20, "{answered} answered, {refused} refused");
}

#[test]
fn other_lengths_are_errors() {
    let ends = &mut Ends::new(5);
    let (linear, reads) = layer();
    let program = program(linear, reads);
    let stage = found(&linear, &program, reads);
    let sides =
        Sides::new(&stage, &program, &tensors(&linear, reads, vec![1; linear.weight_count()])).unwrap();
    let [masks, answer] = rlwe::cost(&stage, &program).unwrap();
    for length in [0, 1, masks - 1, masks + 1, answer] {
        ends.client.1.send(&vec![0; length]).unwrap();
        let mut server = sides.server.begin();
        let error = ends.at_server(|context| server.prepare(Phase::One, context)).unwrap_err();
        assert!(matches!(error, ProtocolError::Wire(_)), "{error}");
    }
    for length in [0, 1, answer - 1, answer + 1, masks] {
        ends.server.1.send(&vec![0; length]).unwrap();
        let mut client = sides.client.begin();
        let error = ends.at_client(|context| client.prepare(Phase::Two, context, &[None])).unwrap_err();
        assert!(matches!(error, ProtocolError::Wire(_)), "{error}");
    }
}

/// What stages of a plan that does not fit together would hand over.
#[test]
fn values_out_of_turn_are_errors() {
    let ends = &mut Ends::new(6);
    let (linear, reads) = layer();
    let program = program(linear, reads);
    let stage = found(&linear, &program, reads);
    let sides =
        Sides::new(&stage, &program, &tensors(&linear, reads, vec![1; linear.weight_count()])).unwrap();
    let few = ClientValue::Shares(RingTensor::new(20, vec![1; 3]).unwrap());
    let narrow = ClientValue::Shares(RingTensor::new(1, vec![1; 72]).unwrap());
    let clear = ClientValue::Clear(vec![1; 72].into());
    for read in [None, Some(&few), Some(&narrow), Some(&clear)] {
        let mut client = sides.client.begin();
        assert!(ends.at_client(|context| client.prepare(Phase::One, context, &[read])).is_err());
    }
    assert!(ends.at_client(|context| sides.client.begin().prepare(Phase::One, context, &[])).is_err());
    // the answer before the masks, the input before the answer
    assert!(ends.at_server(|context| sides.server.begin().prepare(Phase::Two, context)).is_err());
    let share = RingTensor::new(20, vec![1; 72]).unwrap();
    let read = ServerValue::Shares { share, offsets: vec![0; 72].into() };
    for reads in [&[&read][..], &[&ServerValue::Nothing], &[]] {
        assert!(ends.at_server(|context| sides.server.begin().run(context, reads)).is_err());
    }
}

/// Predictions of one batch go phase by phase, so that a key may be renewed between two messages of one.
#[test]
fn a_prediction_keeps_its_key() {
    let ends = &mut Ends::new(10);
    let (linear, reads) = layer();
    let program = program(linear, reads);
    let stage = found(&linear, &program, reads);
    let weights = vec![1; linear.weight_count()];
    let sides = Sides::new(&stage, &program, &tensors(&linear, reads, weights.clone())).unwrap();
    let t = vec![1; linear.window.input.iter().product()];
    let ring = reads.ring(leaves(&stage).bits);
    let read = share(ring, &t, &vec![-1; t.len()], &mut rng(3));
    let (mut server, mut client) = (sides.server.begin(), sides.client.begin());
    ends.at_client(|context| client.prepare(Phase::One, context, &[Some(&read.1)])).unwrap();
    ends.at_server(|context| server.prepare(Phase::One, context)).unwrap();
    let sent = ends.client.1.sent;
    for _ in 0..PREDICTIONS_A_KEY {
        ends.renew_keys(&mut rng(4));
    }
    assert!(ends.client.1.sent > sent, "no key was renewed");
    ends.at_server(|context| server.prepare(Phase::Two, context)).unwrap();
    let value = ends.at_client(|context| client.prepare(Phase::Two, context, &[Some(&read.1)])).unwrap();
    let value0 = ends.at_server(|context| server.run(context, &[&read.0])).unwrap();
    let Some(ClientValue::Shares(y1)) = value else { panic!("no share: {value:?}") };
    let (y0, offsets) = value0.shares().unwrap();
    let x = vec![1; t.len()];
    let expected =
        Op::Linear(linear).evaluate(Some(&Tensor::Weights(weights)), &[(&x, linear.window.input[2])]);
    assert_eq!(open(leaves(&stage), &(y0.clone(), y1, offsets.to_vec())), expected);
}
