//! Messages that are wrong: an error that says what and where, never a panic.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

use chacha20::ChaCha12Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use xonn_crypto::rlwe::encode::{Geometry, Layout, Packing};
use xonn_crypto::rlwe::{ClientKey, Params, RlweError, Role, Rounding, ServerKey, Weights};

fn layout(params: Params) -> Layout {
    Layout::new(Geometry::dense(20, 6), Packing::Dense { inputs: 10, rows: 4 }, params.n()).unwrap()
}

fn rounding(params: Params) -> Rounding {
    Rounding::new(params, 8, 1, 8, 3).unwrap()
}

fn hosts(params: Params) -> (ClientKey, ServerKey, ChaCha12Rng) {
    let mut rng = ChaCha12Rng::seed_from_u64(2);
    let (client, key) = ClientKey::generate(params, b"session", Role::B, &mut rng);
    let server = ServerKey::receive(params, b"session", Role::B, &key).unwrap();
    (client, server, rng)
}

#[test]
fn wrong_lengths_are_errors() {
    let params = Params::N1024Q21;
    let (client, server, mut rng) = hosts(params);
    let (layout, rounding) = (layout(params), rounding(params));
    let masks = client.encrypt(8, &layout.encode_inputs(&[1; 20]).unwrap(), &mut rng).unwrap();
    assert_eq!(masks.len(), 16 + 2 * 1024 * 21 / 8);
    for (len, expected, actual) in [
        (masks.len() - 1, 5376, 5375),
        (masks.len() + 1, 5376, 5377),
        (16, 5376, 0),
        (15, 5392, 15),
        (0, 5392, 0),
    ] {
        let mut message = masks.clone();
        message.resize(len, 0);
        let wrong = RlweError::Length { what: "masks", expected, actual };
        assert_eq!(server.masks(&layout, &message).unwrap_err(), wrong);
    }
    for len in [0, 2687, 2689] {
        let wrong = RlweError::Length { what: "public key", expected: 2688, actual: len };
        assert_eq!(ServerKey::receive(params, b"session", Role::B, &vec![0; len]).unwrap_err(), wrong);
    }
    // Two output polynomials: 1024 coefficients of 17 bits, and 4 and 2 of 12.
    let expected = 2 * 2176 + 6 + 3;
    for actual in [0, expected - 1, expected + 1] {
        let wrong = RlweError::Length { what: "answer", expected, actual };
        assert_eq!(client.decrypt(&layout, &rounding, &vec![0; actual]).unwrap_err(), wrong);
    }
}

#[test]
fn coefficients_of_q_and_more_are_errors() {
    let params = Params::N1024Q24;
    let (client, server, mut rng) = hosts(params);
    let layout = layout(params);
    let mut masks = client.encrypt(8, &layout.encode_inputs(&[1; 20]).unwrap(), &mut rng).unwrap();
    for (value, fine) in [(params.q() - 1, true), (params.q(), false), ((1 << 24) - 1, false)] {
        // coefficient 5 of the second polynomial
        let at = 16 + (1024 + 5) * 3;
        masks[at..at + 3].copy_from_slice(&value.to_le_bytes()[..3]);
        match server.masks(&layout, &masks) {
            Ok(_) => assert!(fine),
            Err(wrong) => {
                let q = params.q();
                assert_eq!(wrong, RlweError::Coefficient { what: "masks", index: 1029, value, q });
                assert!(!fine);
            }
        }
    }
}

#[test]
fn what_is_not_of_one_layer_is_refused() {
    let (client, server, mut rng) = hosts(Params::N1024Q24);
    let layout = layout(Params::N1024Q24);
    let rounding = rounding(Params::N1024Q24);
    let wide = Layout::new(Geometry::dense(20, 6), Packing::Dense { inputs: 10, rows: 4 }, 2048).unwrap();
    let what = |result: Result<(), RlweError>| match result {
        Err(RlweError::Shape { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what(server.masks(&wide, &[]).map(drop)), "degree of the layout's ring");
    assert_eq!(what(client.decrypt(&wide, &rounding, &[]).map(drop)), "degree of the layout's ring");
    assert_eq!(
        what(Weights::new(Params::N1024Q24, &wide, &[1; 120]).map(drop)),
        "degree of the layout's ring"
    );
    let r = layout.encode_inputs(&[255; 20]).unwrap();
    assert_eq!(what(client.encrypt(7, &r, &mut rng).map(drop)), "bits of a mask");
    assert!(matches!(client.encrypt(24, &r, &mut rng), Err(RlweError::Rounding { what: "l", .. })));
    let masks = server.masks(&layout, &client.encrypt(8, &r, &mut rng).unwrap()).unwrap();
    let other = Weights::new(Params::N1024Q21, &layout, &[1; 120]).unwrap();
    let answer = server.respond(&layout, &other, &rounding, &masks, &mut rng);
    assert_eq!(what(answer.map(drop)), "modulus of the weights' ring");
    let weights = Weights::new(Params::N1024Q24, &layout, &[1; 120]).unwrap();
    let (_, kept) = server.respond(&layout, &weights, &rounding, &masks, &mut rng).unwrap();
    assert_eq!(what(kept.into_shares(&[0; 5]).map(drop)), "sums of a layer");
}

fn row() -> impl Strategy<Value = Params> {
    prop::sample::select(Params::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// A server may send anything: the client goes on with numbers that mean nothing, all of them below 2^k.
    #[test]
    fn any_answer_of_the_right_length_gives_shares(params in row(), fill in any::<[u8; 7]>()) {
        let (client, _, _) = hosts(params);
        let (layout, rounding) = (layout(params), rounding(params));
        let len = ClientKey::answer_bytes(&layout, &rounding);
        let answer: Vec<u8> = (0..len).map(|i| fill[i % 7]).collect();
        match client.decrypt(&layout, &rounding, &answer) {
            Ok(shares) => prop_assert!(shares.len() == 6 && shares.iter().all(|share| share >> 9 == 0)),
            Err(wrong) => prop_assert!(matches!(wrong, RlweError::Bits { what: "answer", .. }), "{wrong}"),
        }
    }

    /// A client may send anything: an answer or an error.
    #[test]
    fn any_masks_give_an_answer_or_an_error(params in row(), fill in any::<[u8; 7]>()) {
        let (_, server, mut rng) = hosts(params);
        let (layout, rounding) = (layout(params), rounding(params));
        let bytes: Vec<u8> = (0..ClientKey::masks_bytes(params, 2)).map(|i| fill[i % 7]).collect();
        match server.masks(&layout, &bytes) {
            Ok(masks) => {
                let weights = Weights::new(params, &layout, &[-1; 120]).unwrap();
                let (answer, _) = server.respond(&layout, &weights, &rounding, &masks, &mut rng).unwrap();
                prop_assert_eq!(answer.len(), ClientKey::answer_bytes(&layout, &rounding));
            }
            Err(RlweError::Coefficient { what: "masks", .. }) => {}
            Err(wrong) => prop_assert!(false, "{wrong}"),
        }
    }
}
