//! The same seeds give the same bytes: a change of the messages is seen here, and is a new version of the
//! protocol.

use sha2::{Digest, Sha256};
use xonn_protocols::compare_ot::sign::Plan;
use xonn_protocols::compare_ot::{Choice, narrow, wide};
use xonn_protocols::steps::windows::Windows;
use xonn_protocols::value::Ring;

use crate::common::{self, Layer, Pools, Run, numbers, random_column, rng};
use crate::stage::{self, Case, Pool, window};

pub fn digest(runs: impl IntoIterator<Item = Run>) -> String {
    let mut hash = Sha256::new();
    for run in runs {
        let (share, sent) = run.unwrap();
        for message in sent {
            hash.update((message.len() as u64).to_le_bytes());
            hash.update(&message);
        }
        share.values().iter().for_each(|value| hash.update(value.to_le_bytes()));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Layers of one, two and three digits, and of tables of several words; 77 elements, 19 windows of 4.
fn runs<P>(
    plan: impl Fn(u32, Windows) -> P,
    run: impl Fn(&P, &mut chacha20::ChaCha12Rng, &Layer) -> Run,
) -> String {
    digest([3, 6, 11, 17].map(|w| {
        let rng = &mut rng(u64::from(w));
        let windows = Windows::new(77, 4, (0..76).collect()).unwrap();
        let layer = Layer::share(&numbers(77, w + 1, rng), random_column(77, rng), [19, 9], rng);
        run(&plan(w, windows), rng, &layer)
    }))
}

#[test]
fn messages_are_the_recorded_ones() {
    let sign = runs(
        |w, windows| Plan::new(w, windows, 9).unwrap(),
        |plan, rng, layer| common::sign(plan, &Pools::of(&plan.cost(), rng), layer, &|_, _| {}),
    );
    let flipped = runs(
        |w, windows| Plan::new(w, windows, 9).unwrap().flipped().unwrap(),
        |plan, rng, layer| common::sign(plan, &Pools::of(&plan.cost(), rng), layer, &|_, _| {}),
    );
    let narrow = runs(
        |w, windows| narrow::Plan::new(w, windows, 9).unwrap(),
        |plan, rng, layer| common::narrow(plan, &Pools::of(&plan.cost(), rng), layer, &|_, _| {}),
    );
    let wide = runs(
        |w, windows| wide::Plan::new(w, windows, 9).unwrap(),
        |plan, rng, layer| common::wide(plan, &Pools::of(&plan.cost(), rng), layer, &|_, _| {}),
    );
    assert_eq!(
        [&sign[..], &flipped, &narrow, &wide],
        [
            "902d483c5bd735d27dc0c3afe3628070e9a569d368d861d0c94a949686ce4aeb",
            "464d5bc095d0e8506ebf226632c0ae2325c829a10b04124612e425765da699e8",
            "619b729c86d39569ed224fa5f4b55764d9fbfbcab1dcfda441a0a54a65453959",
            "aa7477c083075a717f94590af78c4af860243ec6a33a2a2dd34d9e97953dab55"
        ]
    );
}

#[test]
fn a_stage_sends_the_recorded_messages() {
    let ring = Ring { bits: 9, fraction: 2, terms: 1, step: 2, span: 50 };
    let shape = [5, 5, 3];
    let window = window(shape, [2, 2], [2, 2], true);
    let cases = [
        (Pool::None, Choice::Sign),
        (Pool::InFront(window), Choice::Narrow),
        (Pool::InFront(window), Choice::Wide),
        (Pool::Behind(window), Choice::Sign),
    ]
    .map(|(pool, choice)| Case::edges((shape, pool, 3), (choice, ring, 9), &mut rng(1)));
    let mut hash = Sha256::new();
    for message in stage::run(&cases).iter().flatten().flat_map(|done| &done.messages) {
        hash.update((message.len() as u64).to_le_bytes());
        hash.update(message);
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "d56a8d016186239089814f47244778c6a17f45d47b5128f0b82ee6df15a79b68");
}

/// All three ways for layers of several parts: 12,345 elements alone, and twice as many in windows of 2.
fn large() -> String {
    let runs = [(12_345, 1), (24_690, 2)].map(|(n, members)| {
        let windows = Windows::new(n, members, (0..n as u32).rev().collect()).unwrap();
        let count = windows.len();
        let rng = &mut rng(40);
        let layer = Layer::share(&numbers(n, 12, rng), random_column(n, rng), [count, 11], rng);
        let layer = Layer { behind: random_column(count, rng), ..layer };
        let sign = Plan::new(11, windows.clone(), 11).unwrap();
        let narrow = narrow::Plan::new(11, windows.clone(), 11).unwrap();
        let wide = wide::Plan::new(11, windows, 11).unwrap();
        [
            common::sign(&sign, &Pools::of(&sign.cost(), rng), &layer, &|_, _| {}),
            common::narrow(&narrow, &Pools::of(&narrow.cost(), rng), &layer, &|_, _| {}),
            common::wide(&wide, &Pools::of(&wide.cost(), rng), &layer, &|_, _| {}),
        ]
    });
    digest(runs.into_iter().flatten())
}

// Recorded before layers were split over threads.
#[test]
fn messages_do_not_depend_on_the_number_of_threads() {
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let hash = pool.install(large);
        let recorded = "d24f923e50bf1b3fa5a0db6c04f174c18cae491d14bbc796b4c66f40b2bcdc3a";
        assert_eq!(hash, recorded, "{threads} threads");
    }
}
