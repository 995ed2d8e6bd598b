//! Garbled tables, labels and decodings that are an honest server's but for some bytes: the right output or
//! none.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rand::Rng;
use xonn_circuits::tiled::TiledCircuit;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_crypto::garble::{Ciphertexts, Evaluator, Garbler, Scheme, Secrets};
use xonn_crypto::label::{Label, ZeroLabel};
use xonn_fuzz::cases::{convolution, netlist, rng};
use xonn_fuzz::overlay::{overlay, pick};

struct Case {
    schedule: Schedule,
    scheme: Scheme,
    hash: Tccr,
    labels: Vec<Label>,
    tables: Vec<Ciphertexts>,
    decoding: Vec<u8>,
    want: Vec<bool>,
}

fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let programs: [&'static TiledCircuit; 2] =
            [Box::leak(Box::new(netlist())), Box::leak(Box::new(convolution()))];
        let both = Scheme::ALL.into_iter().flat_map(|scheme| programs.map(|program| (scheme, program)));
        both.map(|(scheme, program)| Case::new(scheme, program)).collect()
    })
}

impl Case {
    fn new(scheme: Scheme, program: &'static TiledCircuit) -> Self {
        let rng = &mut rng(9);
        let mut bits = |count: usize| -> Vec<bool> { (0..count).map(|_| rng.next_u32() & 1 == 1).collect() };
        let (secret, input) = (bits(program.secret_bits() as usize), bits(program.input_bits()));
        let want = evaluate(program, &secret, std::slice::from_ref(&input)).expect("lengths fit").remove(0);
        let (secrets, hash) = (Secrets::random(rng), Tccr::new(Block::random(rng)));
        let zeros: Vec<ZeroLabel> = input.iter().map(|_| ZeroLabel::random(rng)).collect();
        let labels = zeros.iter().zip(&input).map(|(&zero, &bit)| zero.label(bit, &secrets.delta)).collect();
        let garbling = Schedule::new(program, Role::Garbler);
        let mut garbler = Garbler::new(&garbling, scheme, &secret, secrets, hash, zeros);
        let mut tables = Vec::new();
        loop {
            let more = garbler.garble(4);
            if more.is_empty() {
                break;
            }
            tables.extend(more);
        }
        let decoding = Block::as_bytes(&garbler.decoding()).to_vec();
        Self {
            schedule: Schedule::new(program, Role::Evaluator),
            scheme,
            hash,
            labels,
            tables,
            decoding,
            want,
        }
    }

    fn evaluate(&self, (place, number): (usize, usize), data: &[u8]) -> Option<Vec<bool>> {
        let (mut labels, mut tables, mut decoding) =
            (self.labels.clone(), self.tables.clone(), self.decoding.clone());
        match place {
            0 => {
                let blocks: Vec<Block> = labels.iter().map(|label| label.block()).collect();
                labels = Label::from_blocks(Block::vec_from_bytes(&overlay(Block::as_bytes(&blocks), data))?);
            }
            1 => decoding = overlay(&decoding, data),
            _ => {
                let number = number % tables.len();
                let table = &mut tables[number];
                let bytes = overlay(table.as_bytes(), data);
                table.resize(bytes.len());
                table.as_bytes_mut().copy_from_slice(&bytes);
            }
        }
        if labels.len() != self.labels.len() {
            return None; // the session knows the number of labels
        }
        let mut evaluator = Evaluator::new(&self.schedule, self.scheme, self.hash, labels);
        let mut tables = &tables[..];
        loop {
            let upcoming = evaluator.upcoming(3).len();
            if upcoming == 0 {
                break;
            }
            let (batch, rest) = tables.split_at(upcoming);
            evaluator.evaluate(batch).ok()?;
            tables = rest;
        }
        evaluator.decode(&Block::vec_from_bytes(&decoding)?).ok()
    }
}

fuzz_target!(init: { cases(); }, |data: &[u8]| {
    let (number, data) = pick(data);
    let (place, data) = pick(data);
    let case = &cases()[number % cases().len()];
    if let Some(output) = case.evaluate((place & 3, place >> 2), data) {
        assert_eq!(output, case.want, "a wrong output");
    }
});
