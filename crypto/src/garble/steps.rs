//! Garbling and decoding run the same instructions whatever the garbler's bits, delta, labels and outputs
//! are.

use chacha20::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use xonn_circuits::builder::Builder;
use xonn_circuits::tiled::TiledCircuit;
use xonn_circuits::tiled::sample::binary_layer;

use super::schedule::{Role, Schedule};
use super::{Ciphertexts, Evaluator, Garbler, Scheme, Secrets};
use crate::block::steps::assert_same_steps;
use crate::block::{Backend, Block, Tccr};
use crate::label::{Delta, ZeroLabel};

fn random_bits(rng: &mut ChaCha20Rng, count: usize) -> Vec<bool> {
    (0..count).map(|_| rng.next_u32() & 1 == 1).collect()
}

/// A layer of several instances, and a netlist, which has its own gates side by side: XORs and ANDs with bits
/// that the garbler knows, and of hidden wires.
fn programs() -> [TiledCircuit; 2] {
    let mut b = Builder::new();
    let (mine, yours) = (b.input(6), b.input(6));
    let masked = b.xor_each(&mine, &yours);
    let mut out = Vec::new();
    for i in 0..6 {
        let known = b.and(mine[i], yours[(i + 1) % 6]);
        let hidden = b.and(masked[i], masked[(i + 1) % 6]);
        out.push(b.xor(known, hidden));
    }
    let known = b.and(mine[0], mine[1]);
    out.push(known);
    let netlist = b.finish(&[out]);
    [binary_layer(12, 20), TiledCircuit::from_netlist(netlist, &[0]).expect("valid")]
}

struct Case {
    secret: Vec<bool>,
    secrets: Secrets,
    zero: Vec<ZeroLabel>,
    input: Vec<bool>,
}

fn garble<'p>(
    schedule: &'p Schedule,
    scheme: Scheme,
    hash: Tccr,
    case: &'p Case,
) -> (Vec<Ciphertexts>, Vec<Block>) {
    let mut garbler =
        Garbler::new(schedule, scheme, &case.secret, case.secrets.clone(), hash, case.zero.clone());
    let mut tables = Vec::new();
    loop {
        match garbler.garble(1) {
            some if some.is_empty() => return (tables, garbler.decoding()),
            some => tables.extend(some),
        }
    }
}

#[test]
fn both_hosts_take_the_same_steps_for_all_secrets() {
    check(&programs()[1..], &[Backend::best()]);
}

#[test]
#[ignore = "takes two minutes; `just steps` runs it"]
fn both_hosts_take_the_same_steps_for_all_secrets_on_every_backend() {
    check(&programs(), &Backend::available());
}

fn check(programs: &[TiledCircuit], backends: &[Backend]) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    pool.install(|| {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        for program in programs {
            let (garbling, evaluation) =
                (Schedule::new(program, Role::Garbler), Schedule::new(program, Role::Evaluator));
            let count = program.secret_bits() as usize;
            let mut case = |secret: Vec<bool>, delta: Block| Case {
                secret,
                secrets: Secrets { delta: Delta::from_block(delta), dice: Block::random(&mut rng).into() },
                zero: (0..program.input_bits()).map(|_| ZeroLabel::random(&mut rng)).collect(),
                input: random_bits(&mut rng, program.input_bits()),
            };
            let cases = [
                case(vec![false; count], Block::ZERO),
                case(vec![true; count], Block::from(u128::MAX)),
                case((0..count).map(|i| i % 3 == 0).collect(), Block::from(0x1234_5678_9abc << 64)),
            ];
            for (scheme, &backend) in
                Scheme::ALL.into_iter().flat_map(|s| backends.iter().map(move |b| (s, b)))
            {
                let hash = Tccr::with_backend(Block::from(77), backend).expect("available");
                let what = format!("garbling by {scheme} on {backend}");
                assert_same_steps(&what, &cases, |case| garble(&garbling, scheme, hash, case));
                let garbled = cases.each_ref().map(|case| (case, garble(&garbling, scheme, hash, case)));
                let what = format!("evaluating by {scheme} on {backend}");
                assert_same_steps(&what, &garbled, |(case, (tables, decoding))| {
                    let zeros = case.zero.iter().zip(&case.input);
                    let active = zeros.map(|(&zero, &bit)| zero.label(bit, &case.secrets.delta)).collect();
                    let mut evaluator = Evaluator::new(&evaluation, scheme, hash, active);
                    tables.chunks(1).for_each(|table| evaluator.evaluate(table).expect("the right lengths"));
                    evaluator.decode(decoding).expect("undamaged")
                });
            }
        }
    });
}
