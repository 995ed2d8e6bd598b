//! What either host may send in place of what it should: every byte with a flipped bit, keys and masks made up.
//! What the other host does about it never depends on a secret of its own.

use rand::RngExt;
use xonn_crypto::bits;
use xonn_crypto::rlwe::{ClientKey, Params, Role, ServerKey};
use xonn_program::op::{Linear, Planes};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{Phase, ProtocolError};
use xonn_protocols::rlwe;
use xonn_protocols::value::{ClientValue, ServerValue};
use xonn_protocols::wire::Wire as _;

use crate::common::{Ends, Reads, Sides, found, leaves, program, rng, share, tensors, weight};

const READS: Reads = Reads::Bits;

/// A layer whose answer ends in the middle of a byte.
fn layer() -> (Linear, Stage) {
    let linear = Linear::dense(30, 5, Planes::Ternary);
    (linear, found(&linear, &program(linear, READS), READS))
}

/// A server for each of these weights: none, the largest, random ones.
fn servers(linear: &Linear, stage: &Stage) -> Vec<Sides> {
    let rng = &mut rng(41);
    let random = (0..linear.weight_count()).map(|_| weight(linear.weights, rng)).collect();
    [vec![0; linear.weight_count()], vec![2; linear.weight_count()], random]
        .map(|weights| Sides::new(stage, &program(*linear, READS), &tensors(linear, READS, weights)).unwrap())
        .into()
}

fn values(stage: &Stage, t: u64, seed: u64) -> (ServerValue, ClientValue) {
    let How::Rlwe(choice) = stage.how else { panic!() };
    share(READS.ring(choice.bits), &[t; 30], &[-1; 30], &mut rng(seed))
}

/// What a server says to a message of masks, and how long its answer is.
fn reaction(ends: &mut Ends, sides: &Sides, message: &[u8], read: &ServerValue) -> Result<usize, String> {
    let mut server = sides.server.begin();
    ends.client.1.send(message).unwrap();
    let said = ends.at_server(|context| server.prepare(Phase::One, context));
    if let Err(error) = said {
        assert!(matches!(error, ProtocolError::Rlwe(_)), "{error}");
        return Err(error.to_string());
    }
    let sent = ends.server.1.sent;
    ends.at_server(|context| server.prepare(Phase::Two, context)).unwrap();
    let length = (ends.server.1.sent - sent) as usize;
    ends.client.1.receive(length).unwrap();
    let ServerValue::Shares { .. } = ends.at_server(|context| server.run(context, &[read])).unwrap() else {
        panic!("no share");
    };
    Ok(length)
}

#[test]
fn every_byte_of_the_masks_with_a_flipped_bit() {
    let ends = &mut Ends::new(41);
    let (linear, stage) = layer();
    let servers = servers(&linear, &stage);
    let [masks, answer] = rlwe::cost(&stage, &program(linear, READS)).unwrap();
    let (y0, y1) = values(&stage, 1, 42);
    let mut client = servers[0].client.begin();
    ends.at_client(|context| client.prepare(Phase::One, context, &[Some(&y1)])).unwrap();
    let message = ends.server.1.receive(masks).unwrap();
    let (mut answered, mut refused) = (0, 0);
    for at in 0..masks {
        let mut message = message.clone();
        message[at] ^= 1 << (at % 8);
        let said: Vec<_> = servers.iter().map(|sides| reaction(ends, sides, &message, &y0)).collect();
        assert!(said.iter().all(|one| *one == said[0]), "byte {at}: {said:?}");
        match &said[0] {
            Ok(length) => {
                assert_eq!(*length, answer);
                answered += 1;
            }
            Err(_) => refused += 1,
        }
    }
    println!("{answered} answered, {refused} refused");
    assert!(answered > masks / 2 && answered + refused == masks);
}

#[test]
fn every_byte_of_the_answer_with_a_flipped_bit() {
    let (linear, stage) = layer();
    let server = &servers(&linear, &stage)[2];
    let [masks, answer] = rlwe::cost(&stage, &program(linear, READS)).unwrap();
    // Two clients with other keys and other shares.
    let mut clients: Vec<(Ends, ClientValue)> =
        [43, 44].map(|seed| (Ends::new(seed), values(&stage, seed % 2, seed).1)).into();
    let y0 = values(&stage, 1, 42).0;
    let mut first = server.client.begin();
    let (ends, y1) = &mut clients[0];
    ends.at_client(|context| first.prepare(Phase::One, context, &[Some(y1)])).unwrap();
    let mut run = server.server.begin();
    for phase in [Phase::One, Phase::Two] {
        ends.at_server(|context| run.prepare(phase, context)).unwrap();
    }
    let message = ends.client.1.receive(answer).unwrap();
    ends.at_server(|context| run.run(context, &[&y0])).unwrap();
    let (mut taken, mut refused) = (0, 0);
    // The last bit is padding: it is all that a client refuses.
    for (at, bit) in (0..answer).map(|at| (at, at % 8)).chain([(answer - 1, 7)]) {
        let mut message = message.clone();
        message[at] ^= 1 << bit;
        let said = clients.iter_mut().map(|(ends, y1)| {
            let mut client = server.client.begin();
            ends.at_client(|context| client.prepare(Phase::One, context, &[Some(y1)])).unwrap();
            ends.server.1.receive(masks).unwrap();
            ends.server.1.send(&message).unwrap();
            let sent = ends.client.1.sent;
            let value = ends.at_client(|context| client.prepare(Phase::Two, context, &[Some(y1)]));
            assert_eq!(ends.client.1.sent, sent, "a client has nothing to say to an answer");
            match value {
                Ok(Some(ClientValue::Shares(share))) => Ok((share.len(), share.bits())),
                Err(ProtocolError::Rlwe(error)) => Err(error.to_string()),
                other => panic!("{other:?}"),
            }
        });
        let said: Vec<_> = said.collect();
        assert_eq!(said[0], said[1], "byte {at}");
        match said[0] {
            Ok(size) => {
                assert_eq!(size, (5, leaves(&stage).bits));
                taken += 1;
            }
            Err(_) => refused += 1,
        }
    }
    println!("{taken} taken, {refused} refused");
    assert_eq!([taken, refused], [answer, 1]);
}

#[test]
fn every_other_length() {
    let ends = &mut Ends::new(45);
    let (linear, stage) = layer();
    let sides = &servers(&linear, &stage)[0];
    let [masks, answer] = rlwe::cost(&stage, &program(linear, READS)).unwrap();
    for length in (0..masks + 100).filter(|&length| length != masks) {
        ends.client.1.send(&vec![0; length]).unwrap();
        let error = ends.at_server(|context| sides.server.begin().prepare(Phase::One, context)).unwrap_err();
        assert!(matches!(error, ProtocolError::Wire(_)), "{error}");
    }
    for length in (0..answer + 100).filter(|&length| length != answer) {
        ends.server.1.send(&vec![0; length]).unwrap();
        let mut client = sides.client.begin();
        let error = ends.at_client(|context| client.prepare(Phase::Two, context, &[None])).unwrap_err();
        assert!(matches!(error, ProtocolError::Wire(_)), "{error}");
    }
}

/// Polynomials that a client might like to have multiplied by weights.
fn made_up(params: Params) -> Vec<Vec<u64>> {
    let (n, q, rng) = (params.n(), params.q(), &mut rng(46));
    let one = |at: usize, value: u64| (0..n).map(|i| if i == at { value } else { 0 }).collect();
    vec![
        vec![0; n],
        vec![q - 1; n],
        vec![q / 2; n],
        one(0, 1),
        one(n - 1, q / 2),
        (0..n).map(|i| (i as u64 % 3).min(q)).collect(),
        (0..n).map(|_| rng.random_range(0..q)).collect(),
    ]
}

fn pack(params: Params, numbers: &[u64]) -> Vec<u8> {
    let mut message = Vec::new();
    bits::pack(numbers, params.bits(), &mut message);
    message
}

#[test]
fn keys_and_masks_made_up_are_answered_alike() {
    let (linear, stage) = layer();
    let How::Rlwe(choice) = stage.how else { panic!() };
    let servers = servers(&linear, &stage);
    let [masks, answer] = rlwe::cost(&stage, &program(linear, READS)).unwrap();
    let polynomials = made_up(choice.params);
    let count = (masks - 16) / ClientKey::masks_bytes(choice.params, 1).wrapping_sub(16);
    assert_eq!(masks, ClientKey::masks_bytes(choice.params, count));
    let y0 = values(&stage, 1, 42).0;
    for key in &polynomials {
        // A client that sends this in place of every key.
        let mut ends = Ends::new(47);
        for _ in 1..xonn_protocols::link::PREDICTIONS_A_KEY {
            ends.renew_keys(&mut rng(1));
        }
        for params in Params::ALL {
            let key: Vec<u64> = if params == choice.params { key.clone() } else { vec![1; params.n()] };
            ends.client.1.send(&pack(params, &key)).unwrap();
        }
        ends.server.0.renew_keys(&Params::ALL, &mut ends.server.1).unwrap();
        for mask in &polynomials {
            for seed in [[0; 16], [255; 16]] {
                let message = [&seed[..], &pack(choice.params, mask).repeat(count)].concat();
                for sides in &servers {
                    assert_eq!(reaction(&mut ends, sides, &message, &y0), Ok(answer));
                }
            }
        }
    }
}

#[test]
fn a_damaged_key_is_taken_or_refused() {
    for params in Params::ALL {
        let length = ClientKey::key_bytes(params);
        let message = ClientKey::generate(params, b"s", Role::B, &mut rng(48)).1;
        let (mut taken, mut refused) = (0, 0);
        for at in (0..length).step_by(if params == Params::N1024Q21 { 1 } else { 37 }) {
            for mask in [1, 128, 255] {
                let mut message = message.clone();
                message[at] ^= mask;
                match ServerKey::receive(params, b"s", Role::B, &message) {
                    Ok(_) => taken += 1,
                    Err(error) => {
                        assert!(error.to_string().contains("expected less than q"), "{error}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(taken > 0, "{refused} of {params:?}");
        // All ones are above every q of the menu.
        assert!(ServerKey::receive(params, b"s", Role::B, &vec![255; length]).is_err());
        // Over the connection: another length.
        let mut ends = Ends::new(49);
        for _ in 1..xonn_protocols::link::PREDICTIONS_A_KEY {
            ends.renew_keys(&mut rng(1));
        }
        for wrong in [0, 1, length - 1, length + 1] {
            ends.client.1.send(&vec![0; wrong]).unwrap();
            let error = ends.server.0.renew_keys(&[params], &mut ends.server.1).unwrap_err();
            assert!(matches!(error, ProtocolError::Wire(_)), "{error}");
        }
        ends.client.1.send(&vec![255; length]).unwrap();
        let error = ends.server.0.renew_keys(&[params], &mut ends.server.1).unwrap_err();
        assert!(matches!(error, ProtocolError::Rlwe(_)), "{error}");
    }
}
