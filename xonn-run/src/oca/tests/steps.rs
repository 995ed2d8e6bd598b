//! Conditional addition runs the same instructions whatever the weights are, and whatever the numbers.

use super::*;
use crate::steps::assert_same_steps;

/// Weights that are all plus, all minus, and random.
fn weights(rng: &mut ChaCha12Rng, count: usize) -> Vec<Vec<bool>> {
    vec![vec![false; count], vec![true; count], random_bits(rng, count)]
}

#[test]
fn the_servers_shares_take_the_same_steps_for_all_weights() {
    let mut rng = ChaCha12Rng::seed_from_u64(11);
    for shape in shapes().into_iter().step_by(2).take(3) {
        let program = shape.program().unwrap();
        let oca = Oca::of(&program).expect("its sums are described");
        let secrets = weights(&mut rng, program.secret_bits() as usize);
        let mut receivers: Vec<_> =
            secrets.iter().map(|secret| (connect(&oca, secret, &mut rng).1, secret)).collect();
        let receivings: Vec<_> =
            receivers.iter_mut().map(|(receiver, secret)| receiver.begin(&oca, secret)).collect();
        let group = &oca.groups[0];
        let mut corrections = vec![0; group.bytes];
        rng.fill_bytes(&mut corrections);
        assert_same_steps("shares", &receivings, |receiving| receiving.group(group, &corrections));
    }
}

#[test]
fn the_clients_shares_take_the_same_steps_for_all_numbers() {
    let mut rng = ChaCha12Rng::seed_from_u64(13);
    for shape in shapes().into_iter().step_by(2).take(3) {
        let program = shape.program().unwrap();
        let oca = Oca::of(&program).expect("its sums are described");
        let secret = random_bits(&mut rng, program.secret_bits() as usize);
        let inputs = weights(&mut rng, program.input_bits());
        let mut senders: Vec<_> =
            inputs.iter().map(|input| (connect(&oca, &secret, &mut rng).0, input)).collect();
        let sendings: Vec<_> = senders.iter_mut().map(|(sender, input)| sender.begin(&oca, input)).collect();
        assert_same_steps("corrections", &sendings, |sending| sending.group(&oca.groups[0]));
    }
}

#[test]
fn the_sums_of_differences_take_the_same_steps_for_all_weights() {
    let mut rng = ChaCha12Rng::seed_from_u64(12);
    for shape in shapes().into_iter().step_by(2).take(3) {
        let program = shape.program().unwrap();
        let oca = Oca::of(&program).expect("its sums are described");
        let secrets = weights(&mut rng, program.secret_bits() as usize);
        let receivers: Vec<_> = secrets.iter().map(|secret| connect(&oca, secret, &mut rng).1).collect();
        let group = &oca.groups[0];
        let sum = &oca.sums[group.sum];
        let count = sum.positions.len() * sum.weights() / sum.linear.shifts.len();
        let numbers: Vec<u64> = (0..count).map(|_| rng.next_u64() >> 40).collect();
        assert_same_steps("sums", &receivers, |receiver| receiver.sums_of(&oca, group, &numbers));
    }
}
