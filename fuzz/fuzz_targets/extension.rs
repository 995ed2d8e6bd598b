//! The extension with messages that are an honest client's but for some bytes: the server takes the honest
//! one and no other, and after another one none; a client's labels are of the length that it asked for.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use xonn_crypto::block::Block;
use xonn_crypto::label::{Delta, Label};
use xonn_crypto::ot::msgs::{Correlate, Extend};
use xonn_crypto::ot::{OtError, Params, PendingReceiver, ReceiverSetup, Sender, SenderSetup};
use xonn_fuzz::cases::rng;
use xonn_fuzz::overlay::{overlay, pick};

struct Case {
    params: Params,
    choices: Vec<bool>,
    sender: Sender,
    pending: PendingReceiver,
    extend: Vec<u8>,
    correlate: Vec<u8>,
    labels: Vec<Label>,
}

fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let case = |(k, count)| {
            let (params, rng) = (Params::new(k).expect("a divisor of 128"), &mut rng(8));
            let (setup, request) = SenderSetup::start(params, [8; 32], rng);
            let (mut receiver, reply) = ReceiverSetup::reply(params, [8; 32], rng, &request).expect("honest");
            let sender = setup.finish(&reply).expect("honest");
            let choices: Vec<bool> = (0..count).map(|i| i % 3 == 0).collect();
            let (pending, extend) = receiver.extend(rng, &choices).expect("few");
            let keys = sender.clone().extend(count, &extend).expect("honest");
            let (_, correlate) = keys.correlate(&Delta::from_block(Block::from(0x5eed)));
            let labels = pending.clone().correlate(&correlate).expect("honest");
            let (extend, correlate) = (extend.encode(), correlate.encode());
            Case { params, choices, sender, pending, extend, correlate, labels }
        };
        [(4, 16), (4, 200), (8, 1), (1, 130), (2, 0)].map(case).into()
    })
}

fuzz_target!(init: { cases(); }, |data: &[u8]| {
    let (number, data) = pick(data);
    let case = &cases()[(number >> 1) % cases().len()];
    let count = case.choices.len();
    if number & 1 == 0 {
        let bytes = overlay(&case.extend, data);
        let Ok(extend) = Extend::decode(case.params, count, &bytes) else { return };
        let mut sender = case.sender.clone();
        let taken = sender.extend(count, &extend);
        // Without OTs there is only the mask, which a client may choose as it likes for a guess of bits of s.
        let same = bytes == case.extend || count == 0 && taken.is_ok();
        assert_eq!(taken.is_ok(), same, "the server takes what no honest client sent");
        if taken.is_err() {
            let again = Extend::decode(case.params, count, &case.extend).expect("honest");
            assert!(matches!(sender.extend(count, &again), Err(OtError::Refused)), "a second try");
        }
    } else {
        let bytes = overlay(&case.correlate, data);
        let Ok(correlate) = Correlate::decode(count, &bytes) else { return };
        let labels = case.pending.clone().correlate(&correlate).expect("of that length");
        // Only where the choice is 1 does the server's block count.
        let (same, _) = bytes.as_chunks::<16>();
        let (honest, _) = case.correlate.as_chunks::<16>();
        for (i, label) in labels.iter().enumerate() {
            assert_eq!(*label == case.labels[i], !case.choices[i] || same[i] == honest[i]);
        }
    }
});
